package dpdk

import (
	"fmt"
	"os"
	"syscall"

	"fulcrum/ports"
)

const (
	defaultDescriptors = 1024
	defaultMTU         = 1500

	maxDescriptors = 32768
	minMTU         = 68 // RFC 791
	maxMTU         = 16000
	maxQueues      = 1024 // RTE_MAX_QUEUES_PER_PORT

	maxAllDescriptors = 1 << 30 // DPDK counts buffers in 32 bits
)

// PortConfig describes how a port is opened.
type PortConfig struct {
	Name   string // the operator's name for it
	Device string // DPDK device string, such as "net_af_packet0,iface=veth-front", or PCI address
	Index  int    // Packet.Port of the packets that it receives

	// Queues is the wanted number of receive queues and of transmit queues: one for each
	// worker. A device may have fewer. Default 1.
	Queues int

	RxDescriptors int // per receive queue; default 1024
	TxDescriptors int // per transmit queue; default 1024

	// AllTxDescriptors is the number of transmit descriptors of all queues of all ports. Packets
	// that this port receives may wait in any of them. Default: those of this port.
	AllTxDescriptors int

	MTU int // bytes of an IP packet; default 1500

	// Spread is the wanted way of spreading received packets over the queues. A device that does
	// not support it spreads them by flow.
	Spread ports.Spread

	// Beside is what another process tells that has the device, and hands it over; or nil. The
	// interface is then left as that process has made it.
	Beside *Before
	// Claim is the other process's mark on the interface (Port.Claim), or nil to make one. It stays
	// the caller's.
	Claim *os.File
}

// Validate returns an error for the first value that no device supports.
func (c PortConfig) Validate() error {
	c = c.withDefaults()
	if c.Name == "" || c.Device == "" {
		return fmt.Errorf("port %q, device %q: both need a value", c.Name, c.Device)
	}
	limits := []struct {
		what          string
		got, min, max int
	}{
		{"index", c.Index, 0, 1<<16 - 1},
		{"number of queues", c.Queues, 1, maxQueues},
		{"number of receive descriptors", c.RxDescriptors, 1, maxDescriptors},
		{"number of transmit descriptors", c.TxDescriptors, 1, maxDescriptors},
		{"MTU", c.MTU, minMTU, maxMTU},
		{"spread", int(c.Spread), int(ports.SpreadFlow), int(ports.SpreadDestination)},
		{"number of all transmit descriptors", c.AllTxDescriptors,
			c.Queues * c.TxDescriptors, maxAllDescriptors},
	}
	for _, l := range limits {
		if l.got < l.min || l.got > l.max {
			return c.fail(fmt.Sprintf("%s %d", l.what, l.got), syscall.EINVAL,
				fmt.Sprintf("give %d to %d", l.min, l.max))
		}
	}
	if c.Beside != nil {
		if err := c.Beside.Validate(); err != nil {
			return c.fail("taking the port over from another process", err, "")
		}
	}
	return nil
}

func (c PortConfig) withDefaults() PortConfig {
	for _, d := range []struct {
		value *int
		or    int
	}{
		{&c.Queues, 1},
		{&c.RxDescriptors, defaultDescriptors},
		{&c.TxDescriptors, defaultDescriptors},
		{&c.MTU, defaultMTU},
	} {
		if *d.value == 0 {
			*d.value = d.or
		}
	}
	if c.AllTxDescriptors == 0 {
		c.AllTxDescriptors = c.Queues * c.TxDescriptors
	}
	return c
}

// fail returns an error about this port.
func (c PortConfig) fail(doing string, err error, try string) *Error {
	return &Error{Port: c.Name, Device: c.Device, Doing: doing, Err: err, Try: try}
}
