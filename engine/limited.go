package engine

import "fulcrum/conntrack"

// A service with max_sessions counts its sessions, each worker its own. Other services do not:
// their new sessions would pay for it. A service that gets a limit has its sessions counted by a
// pass over the table.

// countLimited counts a session of a service with a limit.
func (w *Worker) countLimited(s *conntrack.Session, server *serverEntry) {
	s.Flags |= conntrack.Limited
	server.service.seen[w.number].sessions.Add(1)
}

// recountedSlots is how many slots a turn of a pass looks at.
const recountedSlots = 128

// recountPass is how far a worker has come with counting the sessions of services that got a limit.
type recountPass struct {
	slot  uint32 // the next to look at
	due   bool   // the pass is under way
	again bool   // another pass is due after this one
}

// recountAfter begins a pass over all sessions if a snapshot has a new limit.
func (w *Worker) recountAfter(old, s *snapshot) {
	if old != nil && old.limits == s.limits || w.sessions.Len() == 0 {
		return
	}
	w.recount.again = w.recount.due
	w.recount.due = true
}

// recountSessions takes a pass some slots on.
func (w *Worker) recountSessions() {
	if !w.recount.due {
		return
	}
	more := true
	for range recountedSlots {
		if w.recount.slot, more = w.sessions.NextUsed(w.recount.slot); !more {
			w.recount = recountPass{due: w.recount.again}
			return
		}
		w.recountSlot(w.recount.slot)
		w.recount.slot++
	}
}

func (w *Worker) recountSlot(slot uint32) {
	s := w.sessions.At(slot)
	if !s.Live() || s.Flags&conntrack.Limited != 0 {
		return
	}
	server := w.snap.servers[s.Server]
	service, ok := w.snap.serviceOf(server.service)
	if ok && service.most != 0 {
		w.countLimited(s, server)
	}
}
