package engine

import (
	"runtime"
	"sync/atomic"

	"fulcrum/ports"
)

// handoffSize is the capacity of the ring from one worker to another, in packets; a power of two.
const handoffSize = 1024

// handoff is a ring of packets from one worker to another: one goroutine writes and one reads.
// Reader and writer have cache lines of their own, and each keeps a copy of the other's position.
// So a cache line moves once a burst and not with every packet.
type handoff struct {
	packets [handoffSize]ports.Packet

	_    [64]byte
	head atomic.Uint32 // packets taken so far; written by the reader
	seen uint32        // the reader's copy of tail

	_    [64]byte
	tail atomic.Uint32 // packets published so far; written by the writer
	next uint32        // packets written so far
	free uint32        // the writer's copy of head
	_    [64]byte
}

// push adds a packet and reports whether the ring had a free slot. The reader sees the packet after
// publish.
func (h *handoff) push(p *ports.Packet) bool {
	if h.next-h.free == handoffSize {
		if h.free = h.head.Load(); h.next-h.free == handoffSize {
			return false
		}
	}
	h.packets[h.next%handoffSize] = *p
	h.next++
	return true
}

// publish shows the reader what was pushed, and reports whether the reader is far behind.
func (h *handoff) publish() (behind bool) {
	if h.tail.Load() != h.next {
		h.tail.Store(h.next)
	}
	return h.next-h.head.Load() > handoffSize/2
}

// pull moves packets into a burst until the ring is empty or the burst is full.
func (h *handoff) pull(b *ports.Burst) {
	head := h.head.Load()
	if head == h.seen {
		if h.seen = h.tail.Load(); head == h.seen {
			return
		}
	}
	for head != h.seen && !b.Full() {
		b.Push(&h.packets[head%handoffSize])
		head++
	}
	h.head.Store(head)
}

// newHandoffs makes a ring for each ordered pair of n workers, indexed by writer and reader.
func newHandoffs(n int) [][]*handoff {
	all := make([][]*handoff, n)
	for from := range all {
		all[from] = make([]*handoff, n)
		for to := range all[from] {
			if to != from {
				all[from][to] = new(handoff)
			}
		}
	}
	return all
}

// A packet that another worker has handed over carries in Handovers how many workers have had it.
// Only a packet without known owner is handed on again.

// handOver gives a packet to another worker.
func (w *Worker) handOver(p *ports.Packet, to int) Verdict {
	if w.stopping {
		return DropStopped
	}
	p.Handovers++
	if !w.outgoing[to].push(p) {
		return DropHandoffFull
	}
	w.counters.handedOver[to]++
	w.counters.totals.HandedOver++
	return Taken
}

// takeOver processes what other workers have handed over, at most a burst from each, and returns
// the number of packets.
func (w *Worker) takeOver() int {
	n := 0
	for _, h := range w.incoming {
		if h == nil {
			continue
		}
		w.rx.N = 0
		h.pull(&w.rx)
		fetch(&w.rx)
		n += w.rx.N
		w.counters.totals.TakenOver += uint64(w.rx.N)
		if w.tap != nil {
			w.tap.tookOver(&w.rx)
		}
		w.process(&w.rx)
	}
	return n
}

// fetch reads the beginning of each packet of a burst. All these cache lines are at the worker that
// received the packets. They come at the same time if nothing between the reads depends on them;
// parsing would wait for one after the other.
func fetch(b *ports.Burst) {
	var bytes byte
	for i := range b.Slice() {
		bytes ^= b.Packets[i].Bytes()[0]
	}
	runtime.KeepAlive(bytes)
}

// publishHandoffs shows the other workers what this turn has handed over to them.
func (w *Worker) publishHandoffs() {
	w.ahead = false
	for _, h := range w.outgoing {
		if h != nil && h.publish() {
			w.ahead = true
		}
	}
}
