package engine

import (
	"errors"
	"os"
	"time"

	"fulcrum/conntrack"
)

// A director may take over from one that still runs (Config.Successor). New enters all sessions
// while the other one goes on. Once that has stopped, TakeOver looks at each record again: most
// sessions are there, and only their state and counts are copied. So the time without a director
// is that of reading the records once.

// TakeOver enters what has become of the sessions since New, once the workers of the director
// before have stopped and it has made its last Report: counters go on from there. Call it once,
// before Run, and only with Config.Successor. Nothing else may be done with the engine meanwhile.
func (e *Engine) TakeOver() error {
	began := time.Now()
	k, all := e.kept, e.kept.following
	k.beginWorkers(e)
	all.each((*resumption).catchUp)
	all.renewMoved()
	all.each((*resumption).takeBehind)
	all.rehome()
	k.sumUp(e, all)
	e.takeHints(k.before)
	k.endWorkers(e)
	k.before = nil
	e.takeOverCounters()
	err := k.run.begun()
	k.report.Took = time.Since(began)
	return err
}

// KeepLock returns the lock of the folder of sessions, which a successor shares; nil without one.
func (e *Engine) KeepLock() *os.File {
	if e.kept == nil {
		return nil
	}
	return e.kept.run.lock
}

// open maps the file that its director still changes.
func (r *resumption) open() {
	if r.mirror, r.err = conntrack.OpenMirror(r.file); r.err == nil {
		r.places = make([]place, r.mirror.Len())
	}
}

// failed returns why files cannot be followed.
func (all resumptions) failed() (err error) {
	for _, r := range all {
		err = errors.Join(err, r.err)
	}
	return err
}

func (all resumptions) close() (err error) {
	for _, r := range all {
		if r.mirror != nil {
			err = errors.Join(err, r.mirror.Close())
			r.mirror = nil
		}
	}
	return err
}

// catchUp looks at all records again, but for those of sessions that are at other workers now.
func (r *resumption) catchUp() {
	r.found, r.kept, r.dropped, r.servers, r.claim = 0, 0, nil, nil, lastClaim{}
	r.said = conntrack.KeptFile{Beat: r.mirror.Beat()}
	for _, part := range r.mirror.Parts() {
		for i := part[0]; i < part[1]; i++ {
			if r.at(i) == r.from || r.places[i].worker == 0 {
				r.renew(i)
			}
		}
	}
}

// renewMoved does the same for those sessions.
func (all resumptions) renewMoved() {
	for _, r := range all {
		if !r.spread {
			continue
		}
		for i := range r.places {
			if r.places[i].worker != 0 && r.at(i) != r.from {
				r.renew(i)
			}
		}
	}
}

// at returns the worker that has the session of a place.
func (r *resumption) at(place int) int { return int(r.places[place].worker) - 1 }

// renew has the session of a place go on as its record says. If the record holds another session,
// or none, it ends.
func (r *resumption) renew(i int) {
	live, at := r.mirror.Live(i), r.places[i]
	if at.worker == 0 {
		if live {
			r.behind = append(r.behind, i)
		}
		return
	}
	w := r.engine.workers[at.worker-1]
	if live && (r.idle(i) || r.follow(w, at.slot, i)) {
		r.found++
		r.kept++
		return
	}
	w.sessions.End(at.slot)
	r.places[i] = place{}
	if live {
		r.behind = append(r.behind, i)
	}
}

// idle reports whether the session of a place has had no packet since it was entered. Then its own
// record need not be looked at.
func (r *resumption) idle(i int) bool {
	return int32(r.since-r.mirror.LastSeen(i)) > longestTurn
}

// longestTurn is far longer than the clock of a worker stands still, in ms.
const longestTurn = 1000

// follow has a session go on as its record says. It returns false if that is another session.
func (r *resumption) follow(w *Worker, slot uint32, i int) bool {
	s := w.sessions.At(slot)
	to := r.serverOf(w, r.mirror.Server(i))
	if to.entry == nil || to.id != s.Server {
		return false
	}
	before := s.State
	if !w.sessions.Follow(slot, r.mirror, i, w.now) {
		return false
	}
	if s.State != before {
		recount(to.entry, conntrack.Transition{From: before, To: s.State})
		w.confirmKept(s)
	}
	return true
}

// takeBehind takes the sessions over that began since.
func (r *resumption) takeBehind() {
	var batch [conntrack.KeptBatch]conntrack.KeptSession
	n := 0
	for _, i := range r.behind {
		if !r.mirror.Read(i, &batch[n]) {
			r.said.Broken++
			continue
		}
		if n++; n == len(batch) {
			r.takeAll(batch[:])
			n = 0
		}
	}
	r.takeAll(batch[:n])
	r.behind = nil
}
