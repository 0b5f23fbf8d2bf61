package engine

import "fulcrum/conntrack"

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
func (w *Worker) insertLocal(m *meta, out conntrack.Flow4, local []uint32, id uint32) (uint32, Verdict) {
	turn := &w.localTurns[id]
	for range maxProbes {
		out.Dst, out.DstPort = localAt(local, *turn)
		*turn++
		slot, result := w.sessions.Insert(&m.Key4, w.hashes[m.index], out, true, w.now)
		if result != conntrack.FlowTaken {
			w.foresee(out, m.Protocol, local, *turn+foresight)
			return slot, insertVerdicts[result]
		}
	}
	return 0, DropNoLocalPort
}

// foresight is how many turns ahead of its use a place in the index is fetched.
const foresight = 2

// foresee has the place in the index fetched where a later turn's answers will be entered: nothing else of a new session is
// known so early, and waiting for it took a third of the session's time.
func (w *Worker) foresee(out conntrack.Flow4, protocol uint8, local []uint32, turn uint32) {
	out.Dst, out.DstPort = localAt(local, turn)
	w.sessions.Foresee(w.sessions.Hash(&conntrack.Key4{Flow4: out, Protocol: protocol}))
}

// portStep is how far the ports of one address are from turn to turn: the golden section of their number, and without a factor
// in common with it, so that all of them come before one comes again.
const portStep = 39869

// localAt returns the address and port of a turn. Turns that follow one another have different addresses, as far as there are
// any, and then ports that are far apart. The only division by a number that the compiler does not know is one of 32 bits.
func localAt(local []uint32, turn uint32) (address uint32, port uint16) {
	n := uint32(len(local))
	round := turn / n
	return local[turn-round*n], uint16(firstLocalPort + uint64(round)*portStep%localPorts)
}
