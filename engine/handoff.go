package engine

import (
	"sync/atomic"

	"fulcrum/ports"
)

// handoffSize is how many packets may be on their way from one worker to another, a power of two.
const handoffSize = 1024

// handoff takes packets from one worker to another: one goroutine writes and one reads. What each of them writes has cache lines
// to itself, and each keeps a copy of what the other wrote last, so that lines travel once a burst and not with every packet.
type handoff struct {
	packets [handoffSize]ports.Packet

	_    [64]byte
	head atomic.Uint32 // taken so far; written by the reader
	seen uint32        // the reader's copy of tail

	_    [64]byte
	tail atomic.Uint32 // published so far; written by the writer
	next uint32        // written so far
	free uint32        // the writer's copy of head
	_    [64]byte
}

// push adds a packet, which the reader sees after publish, and reports whether there was room.
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

// pull moves packets into a burst, as many as there are and as it has room for.
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

// newHandoffs makes one for each ordered pair of n workers, by writer and reader.
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

// A packet that another worker has handed over carries in Handovers how many workers have had it. None is handed on but
// those of which nobody knows the owner.

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

// takeOver processes what other workers have handed over, a burst of each at most, and returns how many packets there were.
func (w *Worker) takeOver() int {
	n := 0
	for _, h := range w.incoming {
		if h == nil {
			continue
		}
		w.rx.N = 0
		h.pull(&w.rx)
		n += w.rx.N
		w.counters.totals.TakenOver += uint64(w.rx.N)
		w.process(&w.rx)
	}
	return n
}

// publishHandoffs lets the others see what this turn has handed over to them.
func (w *Worker) publishHandoffs() {
	w.ahead = false
	for _, h := range w.outgoing {
		if h != nil && h.publish() {
			w.ahead = true
		}
	}
}
