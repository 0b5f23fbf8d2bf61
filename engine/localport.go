package engine

import (
	"fulcrum/conntrack"
	"fulcrum/packet"
)

const (
	firstLocalPort = 1024
	localPorts     = 1<<16 - firstLocalPort

	// maxProbes bounds the search for a free local port. Since each search goes on where the last one ended, the next
	// packets search further.
	maxProbes = 64
)

// insertLocal adds a fullnat session: it looks for a local address and port on which no answers of the real server
// come yet. The session table itself is asked, so that ports need no book-keeping of their own. Each
// real server has the whole range for itself, and it is used in turn, so that a port rests as long as possible before it
// is used again.
//
// With several workers each uses those local ports that are its own, so that no two of them ever choose the same, and so that the
// answers come to the one that has the session.
func (w *Worker) insertLocal(m *meta, k *packet.Key, out *packet.Flow, local []packet.Addr, id uint32) (uint32, Verdict) {
	turn := &w.localTurns[id]
	for range maxProbes {
		if !w.nextLocal(out, k.Protocol, local, id, turn) {
			return 0, DropNoLocalPort
		}
		slot, result := w.insertFlow(m, k, out, true)
		if result != conntrack.FlowTaken {
			w.foresee(*out, k.Protocol, local, id, *turn)
			return slot, insertVerdicts[result]
		}
	}
	return 0, DropNoLocalPort
}

// maxForeign bounds the search for a local port of one's own, times the number of workers.
const maxForeign = 64

// nextLocal sets where the answers of out go to the next local address and port that are this worker's, and reports whether there
// are any.
func (w *Worker) nextLocal(out *packet.Flow, protocol uint8, local []packet.Addr, id uint32, turn *uint32) bool {
	for range maxForeign * len(w.engine.workers) {
		out.Dst, out.DstPort = localAt(local, *turn)
		*turn++
		if w.outgoing == nil || w.ownsLocal(out, protocol, id) {
			return true
		}
	}
	return false
}

// ownsLocal reports whether the answers of a flow come to this worker.
func (w *Worker) ownsLocal(out *packet.Flow, protocol uint8, id uint32) bool {
	o := w.engine.steering.LocalOwner(w.localPort(id), packet.Key{Flow: *out, Protocol: protocol})
	return o.Of(out.DstPort) == w.number
}

// localPort returns the port at which a real server's answers come in.
func (w *Worker) localPort(id uint32) uint16 {
	if h := w.knownHop(id); h != 0 {
		return w.neighbours.At(h).Port
	}
	_, port, _ := w.snap.routes.next(w.snap.servers[id].address)
	return port
}

// foresee has the place in the index fetched where the answers of the real server's next session will be entered: nothing else of
// that session is known so early, and waiting for it took a third of the session's time.
func (w *Worker) foresee(out packet.Flow, protocol uint8, local []packet.Addr, id, turn uint32) {
	if !w.nextLocal(&out, protocol, local, id, &turn) {
		return
	}
	w.sessions.Foresee(w.sessions.Hash(&packet.Key{Flow: out, Protocol: protocol}))
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
