package engine

import (
	"context"
	"net/netip"
	"time"

	"fulcrum/neighbour"
	"fulcrum/packet"
)

// NeighbourInfo describes a station as one worker knows it.
type NeighbourInfo struct {
	Worker  int
	Port    int // index of the station's port
	Address netip.Addr
	State   string
	MAC     packet.MAC    // zero while it is unknown
	Pinned  bool          // a gateway, or the next hop of a real server
	Waiting int           // packets that wait for its MAC
	Age     time.Duration // since it was confirmed, or last asked for
}

// shownNeighbours holds what a worker copies for one letter.
type shownNeighbours struct {
	infos   [listChunk]NeighbourInfo
	n, next int
	more    bool
}

// RefusedMove is another MAC's claim on a neighbour that still answered, so that it was not
// believed.
type RefusedMove struct {
	Address  netip.Addr
	Port     int        // index of the neighbour's port
	MAC      packet.MAC // the neighbour's
	Claimant packet.MAC
}

// RefusedMoves returns how many claims of other MACs were refused, and a worker's last one, which
// is valid if there was any. Any goroutine may call it at any time.
func (e *Engine) RefusedMoves() (total uint64, last RefusedMove) {
	for _, w := range e.workers {
		total += w.published.refusals.Load()
		if r := w.published.refusal.Load(); r != nil {
			last = RefusedMove{r.Address.Netip(), int(r.Port), r.MAC, r.Claimant}
		}
	}
	return total, last
}

// Neighbours calls show for each station that each worker knows. It asks the workers piece by piece
// until ctx ends. Any goroutine may call it.
func (e *Engine) Neighbours(ctx context.Context, show func(*NeighbourInfo)) error {
	chunk := new(shownNeighbours)
	for worker := range e.workers {
		chunk.next, chunk.more = 1, true // hop 0 is never used
		for chunk.more {
			err := e.letter(ctx, worker, func(w *Worker) bool {
				w.showNeighbours(chunk)
				return true
			})
			if err != nil {
				return err
			}
			for i := range chunk.infos[:chunk.n] {
				show(&chunk.infos[i])
			}
		}
	}
	return nil
}

// showNeighbours copies the next entries in use.
func (w *Worker) showNeighbours(c *shownNeighbours) {
	end := min(c.next+listChunk, w.neighbours.Places())
	for c.n = 0; c.next < end; c.next++ {
		if h := neighbour.Hop(c.next); w.neighbours.At(h).State() != neighbour.Free {
			c.infos[c.n] = w.infoOf(h)
			c.n++
		}
	}
	c.more = end < w.neighbours.Places()
}

func (w *Worker) infoOf(h neighbour.Hop) NeighbourInfo {
	n := w.neighbours.At(h)
	info := NeighbourInfo{
		Worker:  w.number,
		Port:    int(n.Port),
		Address: n.Address.Netip(),
		State:   n.State().String(),
		Pinned:  n.Pinned(),
		Waiting: w.neighbours.Waiting(h),
		Age:     time.Duration(n.Age(w.now)) * time.Millisecond,
	}
	if n.HasMAC() {
		info.MAC = n.MAC()
	}
	return info
}
