package engine

import "fulcrum/neighbour"

// serverHop is the next hop of a real server as a worker remembers it. It is good while the place
// in the table is of that generation.
type serverHop struct {
	hop        neighbour.Hop // none if it could not be found
	generation uint16
}

// knownHop returns the next hop of a real server as it is remembered, or none.
func (w *Worker) knownHop(id uint32) neighbour.Hop {
	if known := w.hops[id]; w.neighbours.At(known.hop).Generation == known.generation {
		return known.hop
	}
	return 0
}

// hopOfServer returns the next hop of a configured real server.
func (w *Worker) hopOfServer(id uint32) (neighbour.Hop, Verdict) {
	if h := w.knownHop(id); h != 0 {
		return h, Taken
	}
	return w.wantServer(id)
}

// wantServer looks up the next hop of a configured real server, remembers it, and has it kept and
// asked for ahead of the first packet.
func (w *Worker) wantServer(id uint32) (neighbour.Hop, Verdict) {
	h, v := w.nextHop(w.snap.servers[id].address)
	if v != Taken {
		w.hops[id] = serverHop{}
		return 0, v
	}
	n := w.neighbours.At(h)
	w.hops[id] = serverHop{h, n.Generation}
	w.ask(w.neighbours.Want(h, w.snap.ports[n.Port].sourceTowards(n.Address), w.now))
	return h, Taken
}

// The pass over all real servers: a piece every wantInterval, and the whole in wantPieces of them.
// That is a third of the time after which a wish lapses.
const (
	wantInterval = 100 // ms
	wantPieces   = neighbour.WantLapse / wantInterval / 3
)

// wants is how far a worker has come with the pass over its real servers, which renews their
// wishes.
type wants struct {
	next uint32 // real server id
	last uint32 // ms: the last piece
}

// tickWants does the next piece of the pass, if it is due.
func (w *Worker) tickWants() {
	servers := w.snap.servers
	if w.now-w.wants.last < wantInterval || len(servers) == 0 {
		return
	}
	w.wants.last = w.now
	for range len(servers)/wantPieces + 1 {
		if w.wants.next++; int(w.wants.next) >= len(servers) {
			w.wants.next = 0
		}
		if !servers[w.wants.next].gone {
			w.wantServer(w.wants.next)
		}
	}
}
