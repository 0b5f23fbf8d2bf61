package engine

import "fulcrum/conntrack"

const (
	firstLocalPort = 1024
	localPorts     = 1<<16 - firstLocalPort

	// maxProbes bounds the search for a free local port. Each search continues where the last one
	// ended, so that later packets search further.
	maxProbes = 64

	// tightProbes bounds the search when ports were scarce the last time, and one was found whose
	// session gives way.
	tightProbes = 8
)

// findLocal finds a local address and port that no session towards the real server uses. It asks
// the session table, so that ports need no records of their own. Each real server has the whole
// range for itself. Ports are used in turn, so that each rests as long as possible.
//
// With several workers, each uses only the local ports that it owns. So two workers never choose
// the same port, and answers come to the worker of the session. probes bounds the search. If it
// fails, w.rival is the session found whose port another may take most readily.
func (w *Worker) findLocal(a *arrival, d *decision, probes int) Verdict {
	p := &w.peers[d.id]
	p.meet(d.server, w.random)
	d.turn = p.turn
	w.rival.ref, w.rival.readiness = 0, conntrack.Readiness{}
	for i := range probes {
		if i == tightProbes && p.tight && w.rival.ref != 0 ||
			!w.recall(p, d) && !w.nextLocal(d) {
			break
		}
		user, free := w.free(a, d)
		if free {
			p.tight = p.tight && (a.question || i >= tightProbes)
			return Taken
		}
		w.consider(&w.rival, d, user)
	}
	if !a.question {
		p.turn, p.tight = d.turn, true
	}
	return DropNoLocalPort
}

// takeTurn notes that a session has begun with the decision's local port. It finds the one of the
// real server's next session, and prefetches the place in the index for the answers. Nothing else
// of that session is known so early; waiting for the place took a third of the session's time.
func (w *Worker) takeTurn(d *decision) {
	p := &w.peers[d.id]
	p.turn = d.turn
	if w.nextLocal(d) {
		w.sessions.Prefetch(d.outHash)
		p.foresee(w.paved, d)
	}
}

// foresee keeps what a decision has of the answers of the next session.
func (p *peer) foresee(paved uint32, d *decision) {
	p.foreseen, p.from, p.after, p.outHash = paved, p.turn, d.turn, d.outHash
	p.local, p.number, p.localPort = d.out.Dst, d.local, d.out.DstPort
	p.port, p.protocol = d.out.SrcPort, d.out.Protocol
}

// recall is nextLocal for the turn that was foreseen. It returns false if that does not hold any
// more: which local ports this worker owns may depend on where the answers come in.
func (w *Worker) recall(p *peer, d *decision) bool {
	if p.foreseen != w.paved || p.from != d.turn ||
		p.port != d.out.SrcPort || p.protocol != d.out.Protocol ||
		w.outgoing != nil && w.lastRenewal != w.neighbours.Renewals() {
		return false
	}
	d.out.Dst, d.out.DstPort, d.local = p.local, p.localPort, p.number
	d.outHash, d.turn = p.outHash, p.after
	return true
}

// maxForeign times the number of workers bounds the search for a local port that this worker owns.
const maxForeign = 64

// nextLocal sets a decision's answers, and their hash, to the next local address and port that this
// worker owns, and reports whether there is one.
func (w *Worker) nextLocal(d *decision) bool {
	local := &d.service.local[d.server.families.server()]
	for tried := 0; tried == 0 || tried < w.foreign(); tried++ {
		i, port := localAt(len(local.addresses), d.turn)
		d.out.Dst, d.out.DstPort, d.local = local.addresses[i], port, local.numbers[i]
		d.turn++
		if w.outgoing == nil || w.ownsLocal(d) {
			d.outHash = w.sessions.Hash(&d.out)
			return true
		}
	}
	return false
}

// foreign returns how many local ports a worker tries to find one of its own. While they are
// rerouted, fewer are its own.
func (w *Worker) foreign() int {
	n := maxForeign * len(w.engine.workers)
	if w.snap.rerouted {
		return n * len(w.engine.workers)
	}
	return n
}

// ownsLocal reports whether the answers of a decision come to this worker. If sessions of other
// workers may use the port by a former rule, it must be the worker's own by every rule: no two
// sessions may have the same one.
func (w *Worker) ownsLocal(d *decision) bool {
	if w.snap.rerouted && !w.ownsEverywhere(d) {
		return false
	}
	o := w.engine.steering.LocalOwner(w.localPort(d), d.out)
	return o.Of(d.out.DstPort) == w.number
}

// ownsEverywhere reports whether the answers of a decision come to this worker at every port.
func (w *Worker) ownsEverywhere(d *decision) bool {
	for port := range w.queues {
		o := w.engine.steering.LocalOwner(uint16(port), d.out)
		if o.Of(d.out.DstPort) != w.number {
			return false
		}
	}
	return true
}

// localPort returns the port at which a real server's answers come in. It sends no question for the
// neighbour, since there may be no packet.
func (w *Worker) localPort(d *decision) uint16 {
	p := &w.peers[d.id]
	if n := w.neighbours.At(p.hop); p.epoch == w.hopEpoch && n.Generation == p.generation {
		return n.Port
	}
	_, port, _ := w.snap.routes.next(d.server.address)
	return port
}

// portStep is the distance between the ports of one address from round to round: the golden section
// of their number, and coprime to it. So every port comes up before any comes up again.
const portStep = 39869

// localAt returns the place of the address and the port of a turn, of n local addresses. Turns in a
// row have different addresses, as long as there are several, and then ports that are far apart.
// The only division by a variable is one of 32 bits.
func localAt(n int, turn uint32) (place uint32, port uint16) {
	round := turn / uint32(n)
	return turn - round*uint32(n), uint16(firstLocalPort + uint64(round)*portStep%localPorts)
}
