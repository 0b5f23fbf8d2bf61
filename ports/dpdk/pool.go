package dpdk

// Why this is sound: a mempool is C memory behind a pointer. Go reads nothing but its size, and
// only before it is freed.

// #include <stdlib.h>
// #include <rte_mempool.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

	"fulcrum/ports"
)

const (
	// threadCache is the number of buffers in the cache of an lcore, so that a burst seldom touches
	// what the lcores share. DPDK lets a cache grow to one and a half times that.
	threadCache = 256

	// parkedBuffers is the number of packets that a worker may hold while it waits for neighbours: a
	// burst for each of 16 neighbours.
	parkedBuffers = 16 * ports.MaxBurst

	// burstsInFlight is the number of bursts that a worker may hold for each port: received, to
	// transmit, to free, and left over.
	burstsInFlight = 4

	// minDataRoom fits a full Ethernet frame and the headroom. Drivers crash with less: many assume
	// 2048 bytes without asking.
	minDataRoom = 2048 + ports.Headroom

	// frameOverhead is the length of a frame beyond the MTU: Ethernet header, two VLAN tags, FCS.
	frameOverhead = 14 + 2*4 + 4
)

// pool is the mempool of one port.
type pool struct {
	port    string
	room    int // bytes in a buffer
	mempool *C.struct_rte_mempool
}

// poolNumber makes names unique, because a pool may outlive its port.
var poolNumber atomic.Int64

// newPool allocates the pool on the NUMA node of the device, or on any node if that fails.
func newPool(c PortConfig, workers, socket int) (*pool, error) {
	name := C.CString(fmt.Sprintf("fulcrum_%d", poolNumber.Add(1)))
	defer C.free(unsafe.Pointer(name))

	var rc C.int
	for _, s := range []int{socket, -1} {
		m := C.fulcrum_pktmbuf_pool_create(name, C.uint(poolSize(c, workers)), threadCache,
			C.uint16_t(dataRoom(c.MTU)), C.int(s), &rc)
		if m != nil {
			return &pool{port: c.Name, room: dataRoom(c.MTU), mempool: m}, nil
		}
	}
	return nil, errno(int(rc))
}

// poolSize returns the number of buffers that can be in use at once: in the port's receive rings,
// in the transmit rings of all ports, with the workers, and in the caches.
func poolSize(c PortConfig, workers int) int {
	n := c.Queues*c.RxDescriptors + c.AllTxDescriptors
	n += workers * (burstsInFlight*ports.MaxBurst + parkedBuffers)
	return n + (workers+1)*threadCache*3/2
}

// dataRoom returns the size of one buffer in bytes, headroom included. NICs count receive buffers
// in KiB and round down.
func dataRoom(mtu int) int {
	frame := (mtu + frameOverhead + 1023) &^ 1023
	return max(minDataRoom, ports.Headroom+frame)
}

// missing returns the number of buffers in use.
func (p *pool) missing() int {
	return int(p.mempool.size) - int(C.rte_mempool_avail_count(p.mempool))
}

// fits reports whether the pool has enough buffers of the right size for a port.
func (p *pool) fits(c PortConfig, workers int) bool {
	return int(p.mempool.size) >= poolSize(c, workers) && p.room == dataRoom(c.MTU)
}

// touch has the kernel back every page of the pool's memory, which it otherwise does when the
// first packet comes. No packet may be in use.
func (p *pool) touch() { C.fulcrum_pool_touch(p.mempool) }

// refill takes all buffers back. None may be in use: they are those that a driver has lost.
func (p *pool) refill() { C.fulcrum_pool_refill(p.mempool) }

func (p *pool) free() { C.rte_mempool_free(p.mempool) }

// retire frees the pool of a closed port once all its buffers are back. Some may still lie in the
// transmit ring of another port.
func (e *EAL) retire(p *pool) {
	e.pools = append(e.pools, p)
	e.freePools()
}

// freePools frees the pools of closed ports that have all their buffers.
func (e *EAL) freePools() {
	e.pools = slices.DeleteFunc(e.pools, func(p *pool) bool {
		if p.missing() > 0 {
			return false
		}
		p.free()
		return true
	})
}

func (e *EAL) noteMissingBuffers() {
	for _, p := range e.pools {
		e.notes = append(e.notes, fmt.Sprintf("port %q: %d buffers were never freed",
			p.port, p.missing()))
	}
}
