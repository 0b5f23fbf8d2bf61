package ports

// Queue is one receive queue and one transmit queue of a port, used by one worker, or by several through Shared. None
// of its methods blocks or fails: what could not be sent stays in the burst.
type Queue interface {
	// Exchange sends tx, frees the packets of free, and receives into rx, in this order and at
	// the cost of one crossing into the driver. Afterwards tx holds only what the device did not
	// take (in order, at the front), free is empty, and rx holds what was received. Any of
	// the three may be nil. The packets in free may have come from any port of the same kind.
	Exchange(tx, free, rx *Burst)

	// Alloc adds one new packet of the given length to the burst, with at least Headroom bytes
	// in front, and reports whether there was a buffer and a place in the burst for it.
	// Its bytes are undefined.
	Alloc(b *Burst, length int) bool
}

// Source is a queue that gives out new packets by the burst, as a generator of traffic needs them.
type Source interface {
	Queue
	// AllocBurst is Alloc for n packets, one at least, at the cost of one crossing into the driver. It adds all of them
	// or, where there are fewer buffers or places in the burst, none, and reports which.
	AllocBurst(b *Burst, n, length int) bool
}

// Port is a started network device.
type Port interface {
	Name() string             // as configured
	Device() string           // the device's own name, such as "net_af_packet0" or "0000:3b:00.0"
	MAC() [6]byte             //
	MTU() int                 // bytes of an IP packet that the device sends and receives
	Queues() int              // queues that the port was started with; may be fewer than were asked for
	Queue(i int) Queue        // i < Queues()
	RSS() *RSS                // how packets are spread over the queues; nil for one queue, or by a rule that the device does not tell
	Link() Link               //
	Stats() (Stats, error)    // the device's own counters
	XStats() ([]XStat, error) // the driver's extended counters, in its order
	Notes() []string          // optional abilities that the device lacks, one sentence each
	Close() error             // stops the port and gives back the device; no queue may be in use
}

// Link is the state of a port's link.
type Link struct {
	Up    bool
	Speed uint32 // Mbit/s; 0 if unknown
}

// Stats are a device's own counters since it was started.
type Stats struct {
	RxPackets, TxPackets uint64
	RxBytes, TxBytes     uint64
	RxMissed             uint64 // lost because nobody polled in time
	RxErrors, TxErrors   uint64
	RxNoBuffer           uint64 // lost because no buffer was free
}

// XStat is one extended counter of a driver.
type XStat struct {
	Name  string
	Value uint64
}
