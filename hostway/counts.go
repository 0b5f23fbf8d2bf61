package hostway

import "sync/atomic"

// Drop is a reason why a frame did not pass between a host interface and the workers.
type Drop uint8

// The reasons: the first ones meet frames from the host, the others frames to it.
const (
	RingFull    Drop = iota // the ring of its worker was full
	TooLong                 // longer than the port takes
	DownDrop                // the interface is down
	GoneDrop                // the interface was deleted
	BusyDrop                // the kernel had no memory for it
	RefusedDrop             // the kernel did not take it for another reason
	NumDrops
)

// String returns the reason's name in reports and metrics.
func (d Drop) String() string {
	return [NumDrops]string{
		RingFull: "ring_full", TooLong: "too_long", DownDrop: "interface_down",
		GoneDrop: "interface_gone", BusyDrop: "kernel_busy", RefusedDrop: "kernel_refused",
	}[d]
}

// Counts are what has passed between a host interface and the workers, in frames. Bytes count from
// the Ethernet header on.
type Counts struct {
	ToHost, ToHostBytes     uint64
	FromHost, FromHostBytes uint64
	Drops                   [NumDrops]uint64
}

// counters are written by the pump's thread alone.
type counters struct {
	toHost, toHostBytes, fromHost, fromHostBytes atomic.Uint64
	drops                                        [NumDrops]atomic.Uint64
}

func (c *counters) read() (n Counts) {
	n.ToHost, n.ToHostBytes = c.toHost.Load(), c.toHostBytes.Load()
	n.FromHost, n.FromHostBytes = c.fromHost.Load(), c.fromHostBytes.Load()
	for d := range c.drops {
		n.Drops[d] = c.drops[d].Load()
	}
	return n
}
