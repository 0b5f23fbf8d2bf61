package ports

import (
	"sync"
	"testing"
)

// halves is a queue for the race detector: one worker may receive while another sends, but no two
// may send at once.
type halves struct {
	received  int
	sent      int
	crossings int // by senders
}

func (h *halves) Exchange(tx, free, rx *Burst) {
	for _, b := range []*Burst{tx, free} {
		if b != nil {
			h.sent += b.N
			h.crossings++
			b.N = 0
		}
	}
	if rx != nil {
		h.received++
	}
}

func (h *halves) Alloc(b *Burst, length int) bool {
	h.sent++
	b.Push(&Packet{Length: uint16(length)})
	return true
}

// TestSharedQueue lets an owner and other workers use a queue at once, under the race detector.
func TestSharedQueue(t *testing.T) {
	const turns = 1000
	h := new(halves)
	q := NewShared(h)
	var workers sync.WaitGroup
	for worker := range 3 {
		workers.Go(func() {
			var tx, free, rx Burst
			for range turns {
				if !q.Alloc(&tx, 60) {
					t.Error("no packet")
				}
				free.Push(&Packet{})
				if worker == 0 {
					q.Exchange(nil, nil, &rx)
					q.Exchange(&tx, &free, &rx)
				} else {
					q.Exchange(&tx, &free, nil)
				}
				if tx.N != 0 || free.N != 0 {
					t.Errorf("%d packets to send and %d to free are left", tx.N, free.N)
				}
			}
		})
	}
	workers.Wait()
	if h.sent != 9*turns || h.received != 2*turns {
		t.Errorf("%d sent, freed or allocated, %d received", h.sent, h.received)
	}
}

// TestSharedQueueHasNothingToDo checks that an Exchange without packets neither locks nor crosses
// into the driver.
func TestSharedQueueHasNothingToDo(t *testing.T) {
	h := new(halves)
	q := NewShared(h)
	var tx, free, rx Burst
	q.mu.Lock()
	q.Exchange(nil, nil, nil)
	q.Exchange(&tx, &free, nil)
	q.Exchange(&tx, &free, &rx)
	q.mu.Unlock()
	if h.crossings != 0 || h.received != 1 {
		t.Errorf("%d crossings, %d of them to receive", h.crossings, h.received)
	}
	if n := testing.AllocsPerRun(100, func() {
		tx.Push(&Packet{})
		q.Exchange(&tx, &free, &rx)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
