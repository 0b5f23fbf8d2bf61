package engine

import "fulcrum/conntrack"

// makeWay ends the session that has to end for a decision's, if there is one: the one that holds
// its local port, or one of its service if that is at its limit. It reports false if the service
// has no session that gives way.
func (w *Worker) makeWay(a *arrival, d *decision) bool {
	if d.holder != 0 {
		w.sessions.End(d.holder.Slot())
	}
	return !d.service.full() || w.sessions.EvictOf(d.service.live.number, !a.key.Src.Is4(), w.now)
}

// full reports whether a service has as many sessions as it may.
func (e *serviceEntry) full() bool { return e.most != 0 && e.live.sessions() >= e.most }

// refusesMore reports whether a decision's session would be refused because its service is at its
// limit. It changes nothing.
func (w *Worker) refusesMore(a *arrival, d *decision) bool {
	return d.holder == 0 && d.service.full() &&
		!w.sessions.CouldEvictOf(d.service.live.number, !a.key.Src.Is4(), w.now)
}

// serviceOfSession returns the number of a session's service.
func (w *Worker) serviceOfSession(s *conntrack.Session) uint32 {
	return w.snap.servers[s.Server].service.number
}

// A holder is a session that holds a local port for which another may give way.
type holder struct {
	ref       conntrack.Ref // 0 is none
	readiness conntrack.Readiness
	turn      uint32
	out       conntrack.Key // the decision's answers
	outHash   uint64
}

// consider keeps the session that holds a decision's flow if it gives way more readily than the one
// kept so far.
func (w *Worker) consider(h *holder, d *decision, ref conntrack.Ref) {
	if r := w.sessions.Readiness(ref.Slot(), w.now); h.readiness.Less(r) {
		*h = holder{ref, r, d.turn, d.out, d.outHash}
	}
}

// takeFrom has a decision take the local port of a session that gives way, if there is one.
func (d *decision) takeFrom(h *holder) {
	if h.ref == 0 || d.verdict != DropNoLocalPort {
		return
	}
	d.verdict, d.holder = Taken, h.ref
	d.turn, d.out, d.outHash = h.turn, h.out, h.outHash
}
