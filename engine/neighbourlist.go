package engine

import (
	"context"
	"net/netip"
	"time"

	"fulcrum/packet"
)

// NeighbourInfo is a station as a worker knows it.
type NeighbourInfo struct {
	Worker  int
	Port    int // where it is
	Address netip.Addr
	State   string
	MAC     packet.MAC // zero while it is unknown
	Pinned  bool       // a real server or gateway
	Waiting int        // packets that wait for its MAC
	Age     time.Duration
}

// neighbourNames are the names of neighbours' states.
var neighbourNames = [...]string{
	free: "free", incomplete: "incomplete", failed: "failed", reachable: "reachable", probing: "probing", static: "static",
}

// shownNeighbours is room for what a worker copies for one letter.
type shownNeighbours struct {
	infos   [listChunk]NeighbourInfo
	n, next int
	more    bool
}

// Neighbours shows what each worker knows of stations around it.
func (e *Engine) Neighbours(ctx context.Context, show func(*NeighbourInfo)) error {
	chunk := new(shownNeighbours)
	for worker := range e.workers {
		chunk.next, chunk.more = 1, true // entries[0] is never used
		for chunk.more {
			if err := e.letter(ctx, worker, func(w *Worker) bool { w.showNeighbours(chunk); return true }); err != nil {
				return err
			}
			for i := range chunk.infos[:chunk.n] {
				show(&chunk.infos[i])
			}
		}
	}
	return nil
}

// showNeighbours copies the next entries that are in use.
func (w *Worker) showNeighbours(c *shownNeighbours) {
	t := &w.neighbours
	end := min(c.next+listChunk, len(t.entries))
	for c.n = 0; c.next < end; c.next++ {
		if n := &t.entries[c.next]; n.state != free {
			c.infos[c.n] = w.infoOf(n)
			c.n++
		}
	}
	c.more = end < len(t.entries)
}

func (w *Worker) infoOf(n *neighbour) NeighbourInfo {
	info := NeighbourInfo{
		Worker: w.number, Port: int(n.port), Address: n.address.Netip(), State: neighbourNames[n.state], Pinned: n.pinned,
		Age: time.Duration(w.now-n.since) * time.Millisecond,
	}
	if n.hasMAC() {
		info.MAC = n.mac()
	}
	if n.queue != 0 {
		info.Waiting = w.neighbours.queues[n.queue-1].N
	}
	return info
}
