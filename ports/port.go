package ports

// Queue is one receive queue and one transmit queue of a port. It belongs to one worker, or to
// several through Shared. Its methods neither block nor fail: a packet that could not be sent
// stays in the burst.
type Queue interface {
	// Exchange sends tx, frees the packets of free, and receives into rx, in this order, with one
	// crossing into the driver. Afterwards tx holds the packets that the device did not take, in
	// order, at the front. free is empty, and rx holds the received packets. Each of the three may be
	// nil. The packets in free may come from any port of the same implementation.
	Exchange(tx, free, rx *Burst)

	// Alloc appends one new packet of length bytes to the burst, with at least Headroom bytes in
	// front. Its bytes are undefined. Alloc returns false if no buffer is free or the burst is full.
	Alloc(b *Burst, length int) bool
}

// Source is a queue that allocates packets by the burst, as a traffic generator needs it.
type Source interface {
	Queue
	// AllocBurst appends n new packets as Alloc does, with one crossing into the driver; n is at
	// least 1. It returns false and appends none if there are too few buffers or the burst has too
	// few places.
	AllocBurst(b *Burst, n, length int) bool
}

// Port is a started network device. Every method but Close may be called from any goroutine.
type Port interface {
	Name() string      // as configured
	Device() string    // the device's own name, such as "net_af_packet0" or "0000:3b:00.0"
	MAC() [6]byte      // the port's Ethernet address
	MTU() int          // largest IP packet that the device sends and receives, in bytes
	Queues() int       // queues in use; may be fewer than configured
	Queue(i int) Queue // queue i, 0 <= i < Queues(); for one worker

	// RSS tells how the device spreads packets over its queues. It is nil for a single queue,
	// and if the device does not report its rule.
	RSS() *RSS

	Link() Link               // current state of the link
	Stats() (Stats, error)    // the device's own counters
	XStats() ([]XStat, error) // the driver's extended counters, in the driver's order
	Notes() []string          // optional abilities that the device lacks, one sentence each
	Close() error             // stops the port and releases the device; no queue may be in use
}

// Link is the state of a port's link.
type Link struct {
	Up    bool   // the link carries packets
	Speed uint32 // Mbit/s; 0 if unknown
	// Gone means that the kernel's interface of the device was deleted, or left the network
	// namespace: no packet will pass again. Returned means that another one has its name by now, and
	// a port opened anew would work.
	Gone, Returned bool
	// MTU is the MTU of the kernel's interface of the device, in bytes; 0 if there is none or it is
	// gone. Others may lower it below the port's own: the kernel then takes no longer packets.
	MTU int
	// Renamed is the present name of the kernel's interface if it was renamed, or "". The port goes
	// on; a port opened anew would not find it.
	Renamed string
}

// Stats are the counters of a device since it was started.
type Stats struct {
	RxPackets, TxPackets uint64 // packets received and sent
	RxBytes, TxBytes     uint64 // their bytes
	RxMissed             uint64 // packets lost because the queue was full
	RxErrors, TxErrors   uint64 // packets lost because they were faulty or could not be sent
	RxNoBuffer           uint64 // packets lost because no buffer was free
}

// XStat is one extended counter of a driver.
type XStat struct {
	Name  string // the driver's name for it
	Value uint64 // since the device was started
}

// Since returns the counters less those of an earlier reading, each at least 0.
func (s Stats) Since(earlier Stats) Stats {
	for _, c := range []struct {
		value   *uint64
		earlier uint64
	}{
		{&s.RxPackets, earlier.RxPackets}, {&s.TxPackets, earlier.TxPackets},
		{&s.RxBytes, earlier.RxBytes}, {&s.TxBytes, earlier.TxBytes},
		{&s.RxMissed, earlier.RxMissed},
		{&s.RxErrors, earlier.RxErrors}, {&s.TxErrors, earlier.TxErrors},
		{&s.RxNoBuffer, earlier.RxNoBuffer},
	} {
		*c.value -= min(*c.value, c.earlier)
	}
	return s
}
