package engine

import (
	"cmp"
	"slices"

	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// The neighbours that a run knows are kept beside its sessions, so that the next run sends to them
// at once (neighbour.Hint): the first packets of kept sessions do not wait for ARP or neighbour
// discovery. The keeper writes them once they have changed, and workers do nothing for it but let
// it look. Disputed and static entries are not kept.

// takeHints gives every worker what the run before knew of the neighbours on the networks of the
// ports, unless it ended so long ago that a table would have forgotten them. No worker runs yet,
// and all have the snapshot and the time.
func (e *Engine) takeHints(before *keptRun) {
	k := e.kept
	if k.seen && int32(e.workers[0].now-k.beat) >= neighbour.ForgetTime {
		return
	}
	l, err := readHints(before.path("neighbours"))
	if err != nil {
		k.putAside(err)
		return
	}
	all := slices.DeleteFunc(l.all, func(h neighbour.Hint) bool {
		return !e.isOnLink(l.names[h.Port], h.Address)
	})
	for i := range all {
		h := &all[i]
		h.Port = uint16(e.portCalled(l.names[h.Port]))
		for _, w := range e.workers {
			w.neighbours.TakeHint(h, w.now)
		}
	}
	k.hints.write(all) // a crash before the first look loses none
}

// isOnLink reports whether an address may be another station's on the network of a port.
func (e *Engine) isOnLink(port string, a packet.Addr) bool {
	i, w := e.portCalled(port), e.workers[0]
	return i >= 0 && w.isStrangerOn(uint16(i), a) && w.snap.ports[i].onSubnet(a)
}

// portCalled returns the index of a port, or -1.
func (e *Engine) portCalled(name string) int {
	return slices.IndexFunc(e.cfg.Ports, func(p ports.Port) bool { return p.Name() == name })
}

// keepHints writes the neighbours that the workers know, if they have changed. ask reaches the
// workers.
func (e *Engine) keepHints(ask asking) {
	if e.kept == nil {
		return
	}
	changes := make([]uint32, len(e.workers))
	for i := range e.workers {
		if ask(i, func(w *Worker) bool { changes[i] = w.neighbours.Changes(); return true }) != nil {
			return
		}
	}
	if slices.Equal(changes, e.kept.hints.seen) {
		return
	}
	if all, ok := e.collectHints(ask); ok {
		e.kept.hints.write(all)
		e.kept.hints.seen = changes
	}
}

// collectHints asks the workers for what they know, piece by piece.
func (e *Engine) collectHints(ask asking) (all []neighbour.Hint, ok bool) {
	c := hintCollection{at: map[hintKey]int{}}
	p := new(hintPiece)
	for i := range e.workers {
		for p.next, p.more = 1, true; p.more; { // hop 0 is never used
			if ask(i, p.look) != nil {
				return nil, false
			}
			for _, h := range p.found[:p.n] {
				c.add(h)
			}
		}
	}
	return c.best(), true
}

// hintPiece is what a worker copies of its neighbours at a time.
type hintPiece struct {
	found   [listChunk]rankedHint
	n, next int
	more    bool
}

func (p *hintPiece) look(w *Worker) bool {
	end := min(p.next+listChunk, w.neighbours.Places())
	for p.n = 0; p.next < end; p.next++ {
		h := neighbour.Hop(p.next)
		if hint, ok := w.neighbours.HintOf(h); ok {
			p.found[p.n] = rankedHint{hint, rankOf(&hint, w.neighbours.At(h).Pinned())}
			p.n++
		}
	}
	p.more = end < w.neighbours.Places()
	return true
}

// rankedHint is a hint with its rank: those of the highest go into a list first.
type rankedHint struct {
	neighbour.Hint
	rank int
}

// rankOf ranks what the configuration needs above what has answered a question, and that above
// everything else.
func rankOf(h *neighbour.Hint, pinned bool) int {
	switch {
	case pinned:
		return 2
	case h.Proven:
		return 1
	}
	return 0
}

type hintKey struct {
	address packet.Addr
	port    uint16
}

// hintCollection joins what several workers know. Of two about a station the higher rank counts.
type hintCollection struct {
	all []rankedHint
	at  map[hintKey]int
}

func (c *hintCollection) add(h rankedHint) {
	k := hintKey{h.Address, h.Port}
	i, known := c.at[k]
	switch {
	case !known:
		c.at[k] = len(c.all)
		c.all = append(c.all, h)
	case h.rank > c.all[i].rank:
		c.all[i] = h
	}
}

// best returns as many as a table has places.
func (c *hintCollection) best() []neighbour.Hint {
	slices.SortStableFunc(c.all, func(a, b rankedHint) int { return cmp.Compare(b.rank, a.rank) })
	all := make([]neighbour.Hint, 0, len(c.all))
	for i := range c.all[:min(len(c.all), neighbour.MaxEntries)] {
		all = append(all, c.all[i].Hint)
	}
	return all
}
