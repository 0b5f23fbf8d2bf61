package engine

import "fulcrum/conntrack"

// expire_nodest, as the kernel has it since Linux 5.9 (ip_vs_in_hook in
// net/netfilter/ipvs/ip_vs_core.c): a session does not outlive its real server, and a new
// connection leaves a real server of weight 0.

// orphaned takes a packet whose passage along its session ended with a verdict. If the real server
// was removed and expire_nodest is set, the session ends, and the client's packet is scheduled
// anew.
func (w *Worker) orphaned(g *passage, v Verdict) Verdict {
	if v != DropRealServerGone || !w.snap.settings.ExpireNoDest {
		return v
	}
	g.m.WriteKey(&w.key, g.p.Bytes())
	ref, known := w.lookup(&w.key) // again: established keeps no ref for this rare case
	switch {
	case !known || ref.Direction() == conntrack.Outbound:
		return w.endOrphan(g, v)
	case isEcho(g.m.Protocol):
		return w.echoAnew(g)
	}
	return w.newFlow(g.p, g.m, ref)
}

// endOrphan is orphaned for a packet that cannot be scheduled: a real server's answer, or a later
// fragment.
func (w *Worker) endOrphan(g *passage, v Verdict) Verdict {
	if v == DropRealServerGone && w.snap.settings.ExpireNoDest {
		w.sessions.End(g.slot)
	}
	return v
}

// echoAnew schedules an echo request whose session's real server was removed.
func (w *Worker) echoAnew(g *passage) Verdict {
	w.sessions.End(g.slot)
	service, ok := w.snap.passing.get(addressKey(w.key.Dst))
	if !ok {
		return DropRealServerGone
	}
	return w.beginEcho(g.p, g.m, service)
}

// leavesDrained reports whether a new connection on a session is to leave the session's real
// server, because that has weight 0.
func (w *Worker) leavesDrained(s *conntrack.Session) bool {
	server := w.snap.servers[s.Server]
	if !w.snap.settings.ExpireNoDest || server.gone {
		return false
	}
	service, ok := w.snap.serviceOf(server.service)
	return ok && w.poolOf(service.live).Drained(server.load)
}

// leavesDown reports whether a new connection on a session is to leave the session's real server,
// because that is down.
func (w *Worker) leavesDown(s *conntrack.Session) bool {
	server := w.snap.servers[s.Server]
	if s.State == conntrack.Established || s.State == conntrack.SCTPEstablished || server.gone {
		return false
	}
	service, ok := w.snap.serviceOf(server.service)
	return ok && w.poolOf(service.live).LeavesOut(server.load)
}

// Bounds of the pass over sessions in one turn.
const (
	flushedSlots = 128 // that a turn looks at
	flushedEnds  = 32  // sessions that it ends, which costs far more
)

// flushPass is how far a worker has come with ending the sessions of real servers that were
// removed.
type flushPass struct {
	slot  uint32 // the next to look at
	due   bool   // the pass is under way
	again bool   // another pass is due after this one: a real server was removed meanwhile
}

// flushAfter begins a pass over all sessions if a snapshot asks for one: it removed a real server,
// or sets expire_nodest. A pass under way goes on: otherwise no pass would end while real servers
// are removed all the time.
func (w *Worker) flushAfter(old, s *snapshot) {
	if !s.settings.ExpireNoDest {
		w.flush = flushPass{}
		return
	}
	if old != nil && old.removals == s.removals && old.settings.ExpireNoDest {
		return
	}
	w.flush.again = w.flush.due
	w.flush.due = true
}

// flushSessions takes a pass some slots on.
func (w *Worker) flushSessions() {
	if !w.flush.due {
		return
	}
	ended, more := 0, true
	for looked := 0; looked < flushedSlots && ended < flushedEnds; looked++ {
		if w.flush.slot, more = w.sessions.NextUsed(w.flush.slot); !more {
			break
		}
		if s := w.sessions.At(w.flush.slot); s.Live() && w.snap.servers[s.Server].gone {
			w.sessions.End(w.flush.slot)
			ended++
		}
		w.flush.slot++
	}
	if !more {
		w.flush = flushPass{due: w.flush.again}
	}
}
