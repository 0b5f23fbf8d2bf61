package dpdk

// Why this is sound: the structures passed to C are Go memory without Go pointers. C fills them
// during the call and does not keep them.

// #include <rte_ethdev.h>
// #include "shim.h"
import "C"

import (
	"cmp"
	"net"
	"os"
	"slices"
	"sync"
	"unsafe"

	"fulcrum/ports"
)

// port is an ethdev. Fields above mu do not change after OpenPort.
type port struct {
	eal    *EAL
	config PortConfig
	device device

	claimed net.Listener      // nil for devices without a network interface
	found   *networkInterface // nil too for an interface that the driver creates
	made    *networkInterface // the interface that the driver has created; or nil
	probed  bool              // close must remove the device
	sockets xdpSockets        // of net_af_xdp
	id      C.uint16_t        // valid once probed
	info    C.struct_rte_eth_dev_info
	workers int // number of workers that use the port; config.Queues may be smaller
	node    int // NUMA node of the device; -1 for any
	pool    *pool
	mac     [6]byte
	mtu     int
	queues  []queue
	notes   []string

	rssKey unsafe.Pointer            // C memory that the driver may read until close; or nil
	hash   C.struct_rte_eth_rss_conf // the accepted configuration; RSS is off without types
	rss    *ports.RSS                // the RSS in effect; nil if unknown

	mu          sync.RWMutex // read-locked during queries, write-locked by close
	started     bool
	promiscuous bool
	released    bool        // the device is closed, and has to be removed
	leaves      bool        // another process goes on with the interface
	uncounted   ports.Stats // of the driver's counters, what Stats leaves out
}

var _ Port = (*port)(nil)

func (p *port) Name() string            { return p.config.Name }
func (p *port) Device() string          { return p.device.name }
func (p *port) MAC() [6]byte            { return p.mac }
func (p *port) MTU() int                { return p.mtu }
func (p *port) Queues() int             { return len(p.queues) }
func (p *port) Queue(i int) ports.Queue { return &p.queues[i] }
func (p *port) RSS() *ports.RSS         { return p.rss }
func (p *port) Notes() []string         { return slices.Clone(p.notes) }

// Link returns the state of the link. The link of a closed port is down.
func (p *port) Link() ports.Link {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !p.started {
		return ports.Link{}
	}
	return p.link()
}

func (p *port) link() ports.Link {
	var up C.bool
	var speed C.uint32_t
	C.fulcrum_eth_link_get(p.id, &up, &speed)
	// Drivers on a kernel's interface report a link that is always up.
	l := ports.Link{Up: bool(up) && (p.found == nil || p.found.carries()), Speed: uint32(speed)}
	if below := cmp.Or(p.found, p.made); below != nil {
		l.Gone, l.Returned = below.gone()
		l.Up = l.Up && !l.Gone
		l.MTU = below.presentMTU()
		l.Renamed = below.renamed()
	}
	return l
}

// Stats reads the counters from the driver.
func (p *port) Stats() (ports.Stats, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	s, err := p.count()
	if err != nil {
		return s, err
	}
	return s.Since(p.uncounted), nil
}

// count returns the driver's counters. The caller holds mu.
func (p *port) count() (ports.Stats, error) {
	if !p.started {
		return ports.Stats{}, p.closedError()
	}
	var s C.struct_rte_eth_stats
	if rc := C.rte_eth_stats_get(p.id, &s); rc != 0 {
		return ports.Stats{}, p.config.fail("reading the statistics", errno(int(rc)), "")
	}
	return ports.Stats{
		RxPackets: uint64(s.ipackets), TxPackets: uint64(s.opackets),
		RxBytes: uint64(s.ibytes), TxBytes: uint64(s.obytes),
		RxMissed: uint64(s.imissed),
		RxErrors: uint64(s.ierrors), TxErrors: uint64(s.oerrors),
		RxNoBuffer: uint64(s.rx_nombuf),
	}, nil
}

// XStats reads the extended counters from the driver.
func (p *port) XStats() ([]ports.XStat, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if !p.started {
		return nil, p.closedError()
	}
	n := C.rte_eth_xstats_get_names(p.id, nil, 0)
	if n <= 0 {
		return nil, p.xstatsError(n)
	}
	names := make([]C.struct_rte_eth_xstat_name, n)
	values := make([]C.struct_rte_eth_xstat, n)
	if got := C.rte_eth_xstats_get_names(p.id, &names[0], C.uint(n)); got != n {
		return nil, p.xstatsError(got)
	}
	if got := C.rte_eth_xstats_get(p.id, &values[0], C.uint(n)); got != n {
		return nil, p.xstatsError(got)
	}
	return joinXStats(names, values), nil
}

func joinXStats(
	names []C.struct_rte_eth_xstat_name, values []C.struct_rte_eth_xstat,
) []ports.XStat {
	stats := make([]ports.XStat, len(values))
	for i, v := range values {
		stats[i] = ports.XStat{Name: C.GoString(&names[v.id].name[0]), Value: uint64(v.value)}
	}
	return stats
}

// xstatsError returns nil for a driver without extended statistics.
func (p *port) xstatsError(rc C.int) error {
	if rc == 0 {
		return nil
	}
	return p.config.fail("reading the extended statistics", errno(min(int(rc), -1)), "")
}

func (p *port) closedError() error {
	return p.config.fail("reading the statistics", os.ErrClosed, "")
}
