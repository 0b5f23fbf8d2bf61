package dpdk

// Why this is sound: nothing is converted here but numbers.

// #include <rte_ethdev.h>
import "C"

import (
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"fulcrum/ports"
)

// Port is an open port that this process can hand over to another one. Its methods may be called
// from any goroutine.
type Port interface {
	ports.Port

	// Before returns what the port that takes over needs as PortConfig.Beside.
	Before() Before
	// Claim returns a duplicate of the mark that keeps other directors from the interface, for
	// PortConfig.Claim of the port that takes over. It is nil for a device without an interface. The
	// caller closes it.
	Claim() (*os.File, error)
	// Recount starts the counters of Stats at zero: a port that was opened beside another one has
	// lost packets that the other one has received.
	Recount() error
}

// Before says what a device was before its first port of several, each of which took it over from
// the one before. It is encoded as JSON for the process that takes over.
type Before struct {
	MAC       [6]byte          `json:"mac"`       // the port's; a device without its own is given it
	Queues    int              `json:"queues"`    // of the port
	Node      int              `json:"node"`      // the device's NUMA node; -1 for any
	Interface *InterfaceBefore `json:"interface"` // nil if the device uses none, or creates it
}

// InterfaceBefore is the state of a kernel's interface that the last port restores.
type InterfaceBefore struct {
	Index        int  `json:"index"` // the kernel's number
	MTU          int  `json:"mtu"`   // bytes
	Promiscuous  bool `json:"promiscuous"`
	AllMulticast bool `json:"all_multicast"`
}

const (
	maxNode         = 1 << 10
	maxInterfaceMTU = 1 << 30
)

// Validate returns an error for a state that no device has.
func (b Before) Validate() error {
	if b.Queues < 1 || b.Queues > maxQueues || b.Node < -1 || b.Node > maxNode {
		return fmt.Errorf("%d queues on NUMA node %d: give 1 to %d on -1 to %d", b.Queues, b.Node,
			maxQueues, maxNode)
	}
	if i := b.Interface; i != nil && (i.Index < 1 || i.MTU < 1 || i.MTU > maxInterfaceMTU) {
		return fmt.Errorf("interface %d of MTU %d: both must be positive, the MTU at most %d", i.Index,
			i.MTU, maxInterfaceMTU)
	}
	return nil
}

// flags returns the flags among driverFlags that the interface had.
func (b *InterfaceBefore) flags() (flags uint16) {
	if b.Promiscuous {
		flags |= unix.IFF_PROMISC
	}
	if b.AllMulticast {
		flags |= unix.IFF_ALLMULTI
	}
	return flags
}

func (i *networkInterface) before() *InterfaceBefore {
	if i == nil {
		return nil
	}
	return &InterfaceBefore{
		Index: i.index, MTU: i.mtu,
		Promiscuous: i.flags&unix.IFF_PROMISC != 0, AllMulticast: i.flags&unix.IFF_ALLMULTI != 0,
	}
}

// adopt gives the interface the state that it had before another process opened it. One that was
// created since is as it was found.
func (i *networkInterface) adopt(b *InterfaceBefore) {
	if b != nil && b.Index == i.index {
		i.mtu, i.flags = b.MTU, i.flags&^driverFlags|b.flags()
	}
}

// Shares reports whether two processes can open a device at once, and both receive all packets.
// Those are the drivers on packet sockets (packet(7)): net_af_packet, and net_pcap if it has
// interfaces only.
func Shares(text string) bool {
	d := parseDevice(text)
	switch {
	case strings.HasPrefix(d.name, "net_af_packet"):
		return true
	case strings.HasPrefix(d.name, "net_pcap"):
		return d.capturesLive() && d.args["rx_pcap"] == "" && d.args["tx_pcap"] == ""
	}
	return false
}

// Before returns the state that the port has found, or was told by PortConfig.Beside.
func (p *port) Before() Before {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return Before{MAC: p.mac, Queues: len(p.queues), Node: p.node, Interface: p.found.before()}
}

// Claim returns an error for a closed port.
func (p *port) Claim() (*os.File, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	switch {
	case !p.started:
		return nil, p.closedError()
	case p.claimed == nil:
		return nil, nil
	}
	return p.claimed.(*net.UnixListener).File()
}

// Recount keeps the counters so far, which Stats subtracts: not all drivers can reset theirs.
func (p *port) Recount() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.count()
	if err == nil {
		p.uncounted = s
	}
	return err
}

// takesMAC are drivers that are told their address when they are probed, and at no other time.
var takesMAC = []string{"net_memif", "net_virtio_user"}

// askForMAC is takeMAC for these drivers, unless the operator has chosen an address.
func (p *port) askForMAC() {
	if p.config.Beside == nil || p.device.args["mac"] != "" {
		return
	}
	for _, driver := range takesMAC {
		if strings.HasPrefix(p.device.name, driver) {
			p.device = p.device.with("mac", net.HardwareAddr(p.config.Beside.MAC[:]).String())
		}
	}
}

// takeMAC gives a device the address that its port had in the other process: neighbours know it,
// and drivers without an interface choose one at random. A driver that cannot is left alone.
func (p *port) takeMAC() *Error {
	if p.config.Beside == nil || p.found != nil {
		return nil
	}
	var mac C.struct_rte_ether_addr
	for i, b := range p.config.Beside.MAC {
		mac.addr_bytes[i] = C.uint8_t(b)
	}
	C.rte_eth_dev_default_mac_addr_set(p.id, &mac)
	return nil
}
