package engine

import "fulcrum/packet"

const (
	firstLocalPort = 1024
	localPorts     = 1<<16 - firstLocalPort

	// maxProbes bounds the search for a free local port. Since each search goes on where the last one ended, the next
	// packets search further.
	maxProbes = 64
)

// findLocal finds a local address and port on which no answers of the real server come yet. The session
// table itself is asked, so that ports need no book-keeping of their own. Each real server has the whole
// range for itself. Ports are used in turn, so that each rests as long as possible.
//
// With several workers each uses those local ports that are its own. So no two of them ever choose the
// same, and answers come to the worker that has the session.
func (w *Worker) findLocal(a *arrival, d *decision, probes int) Verdict {
	p := &w.peers[d.id]
	p.meet(d.server, w.random)
	d.turn = p.turn
	for range probes {
		if !w.nextLocal(d) {
			return DropNoLocalPort
		}
		if w.free(a, d) {
			return Taken
		}
	}
	if !a.question {
		p.turn = d.turn
	}
	return DropNoLocalPort
}

// takeTurn notes that a session has begun with the local port that was found, and prefetches the place
// in the index where the answers of the real server's next session will be entered: nothing else of
// that session is known so early, and waiting for it took a third of the session's time.
func (w *Worker) takeTurn(d *decision) {
	w.peers[d.id].turn = d.turn
	if w.nextLocal(d) {
		w.sessions.Prefetch(w.sessions.Hash(&d.out))
	}
}

// maxForeign bounds the search for a local port of one's own, times the number of workers.
const maxForeign = 64

// nextLocal has a decision's answers go to the next local address and port that are this worker's, and
// reports whether there are any.
func (w *Worker) nextLocal(d *decision) bool {
	for range maxForeign * len(w.engine.workers) {
		d.out.Dst, d.out.DstPort = localAt(d.service.local, d.turn)
		d.turn++
		if w.outgoing == nil || w.ownsLocal(d) {
			return true
		}
	}
	return false
}

// ownsLocal reports whether the answers of a decision come to this worker.
func (w *Worker) ownsLocal(d *decision) bool {
	o := w.engine.steering.LocalOwner(w.localPort(d), d.out)
	return o.Of(d.out.DstPort) == w.number
}

// localPort returns the port at which a real server's answers come in. It asks for no neighbour:
// there may be no packet.
func (w *Worker) localPort(d *decision) uint16 {
	p := &w.peers[d.id]
	if n := w.neighbours.At(p.hop); p.epoch == w.hopEpoch && n.Generation == p.generation {
		return n.Port
	}
	_, port, _ := w.snap.routes.next(d.server.address)
	return port
}

// portStep is how far the ports of one address are from turn to turn: the golden section of their number, and without a factor
// in common with it, so that all of them come before one comes again.
const portStep = 39869

// localAt returns the address and port of a turn. Turns that follow one another have different addresses, as far as there are
// any, and then ports that are far apart. The only division by a number that the compiler does not know is one of 32 bits.
func localAt(local []packet.Addr, turn uint32) (address packet.Addr, port uint16) {
	n := uint32(len(local))
	round := turn / n
	return local[turn-round*n], uint16(firstLocalPort + uint64(round)*portStep%localPorts)
}
