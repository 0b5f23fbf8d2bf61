package dpdk

// Why this is sound: struct fulcrum_burst has the layout of ports.Burst (layout.go). Bursts hold
// no Go pointers, and C keeps no pointer to them.

// #cgo noescape fulcrum_exchange
// #cgo nocallback fulcrum_exchange
// #cgo noescape fulcrum_alloc
// #cgo nocallback fulcrum_alloc
// #cgo noescape fulcrum_alloc_burst
// #cgo nocallback fulcrum_alloc_burst
// #include "shim.h"
import "C"

import (
	"unsafe"

	"fulcrum/ports"
)

var _ ports.Source = (*queue)(nil)

// queue is one receive and one transmit queue of a port.
type queue struct {
	port, number C.uint16_t // DPDK's numbers of the port and the queue
	index        C.uint16_t // PortConfig.Index
	flags        C.uint16_t // ports.RxFlags of every packet that it receives
	mempool      *C.struct_rte_mempool
}

func newQueue(p *port, number int) queue {
	q := queue{
		port: p.id, number: C.uint16_t(number),
		index: C.uint16_t(p.config.Index), mempool: p.pool.mempool,
	}
	if p.device.bringsUnfinished() {
		q.flags = C.FULCRUM_RX_UNFINISHED
	}
	return q
}

// Exchange crosses into C once for all three bursts.
func (q *queue) Exchange(tx, free, rx *ports.Burst) {
	C.fulcrum_exchange(q.port, q.number, q.index, q.flags, burst(tx), burst(free), burst(rx))
}

// Alloc allocates a buffer from the port's pool.
func (q *queue) Alloc(b *ports.Burst, length int) bool {
	if b.Full() || length < 0 || length > 1<<16-1 {
		return false
	}
	p := &b.Packets[b.N]
	if !C.fulcrum_alloc(q.mempool, C.uint16_t(length), (*C.struct_fulcrum_packet)(unsafe.Pointer(p))) {
		return false
	}
	p.Port, p.Queue = uint16(q.index), uint16(q.number)
	b.N++
	return true
}

// AllocBurst allocates n buffers from the port's pool, or none.
func (q *queue) AllocBurst(b *ports.Burst, n, length int) bool {
	if n < 1 || b.N+n > ports.MaxBurst || length < 0 || length > 1<<16-1 {
		return false
	}
	return bool(C.fulcrum_alloc_burst(q.mempool, C.uint16_t(n), C.uint16_t(length),
		q.index, C.uint16_t(q.number), burst(b)))
}

func burst(b *ports.Burst) *C.struct_fulcrum_burst {
	return (*C.struct_fulcrum_burst)(unsafe.Pointer(b))
}
