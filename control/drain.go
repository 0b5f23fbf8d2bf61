package control

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// DrainRequest says how a real server is drained: it is given weight 0, so that it has no new sessions, and those that it has go on.
type DrainRequest struct {
	DeadlineSeconds float64 `json:"deadline_seconds,omitempty" minimum:"0" maximum:"31536000" doc:"when the drain is over whatever is left; 0 is never"`
	EndSessions     bool    `json:"end_sessions,omitempty" doc:"end the sessions that are left at the deadline"`
	Remove          bool    `json:"remove,omitempty" doc:"remove the real server once it has no session, or at the deadline"`
}

// Drain is how far a drain has come.
type Drain struct {
	Service    string     `json:"service"`
	RealServer string     `json:"real_server"`
	State      DrainState `json:"state" enum:"draining,drained,over,cancelled"`
	// Left are its sessions; once the drain is done, those that it had then.
	Left        int     `json:"sessions_left"`
	Ended       int     `json:"sessions_ended"`         // at the deadline
	SecondsLeft float64 `json:"seconds_left,omitempty"` // to the deadline
	Removed     bool    `json:"removed"`
	Problem     string  `json:"problem,omitempty"`
}

// DrainState says whether a drain goes on.
type DrainState string

// The states of a drain.
const (
	Draining  DrainState = "draining"
	Drained   DrainState = "drained"   // no session is left
	DrainOver DrainState = "over"      // the deadline came first
	Cancelled DrainState = "cancelled" // by a request, or because the real server was given another weight or removed
)

const (
	drainPoll   = 200 * time.Millisecond
	drainMemory = time.Hour // how long a drain that is done can be asked for
)

// errNoDrain says that nobody drains a real server.
const errNoDrain = NotFoundError("nobody drains it")

// drains are those of a director, by real server.
type drains struct {
	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	mu  sync.Mutex
	all map[ServerID]*drain
}

func newDrains() *drains {
	d := &drains{all: map[ServerID]*drain{}}
	d.ctx, d.stop = context.WithCancel(context.Background())
	return d
}

// drain is one of them.
type drain struct {
	request  DrainRequest
	deadline time.Time // zero if there is none
	cancel   context.CancelFunc
	end      time.Time // zero while it goes on

	Drain // guarded by drains.mu, as end is
}

// Drain gives a real server weight 0 and sees to the rest until no session is left or the deadline has come. A drain of the same real
// server that goes on is replaced.
func (r *Running) Drain(id ServerID, request DrainRequest) (Drain, error) {
	if request.EndSessions && request.DeadlineSeconds == 0 {
		return Drain{}, &ValueError{
			"end_sessions", "sessions are ended at the deadline, and there is none: give deadline_seconds",
		}
	}
	id, err := id.canonical()
	if err != nil {
		return Drain{}, err
	}
	zero := 0
	if _, err := r.ChangeRealServer(id, RealServerChange{Weight: &zero}); err != nil {
		return Drain{}, err
	}
	d := &drain{request: request, Drain: Drain{Service: id.Service, RealServer: id.Server, State: Draining}}
	if request.DeadlineSeconds > 0 {
		d.deadline = time.Now().Add(time.Duration(request.DeadlineSeconds * float64(time.Second)))
	}
	return r.startDrain(id, d), nil
}

func (r *Running) startDrain(id ServerID, d *drain) Drain {
	all := r.drains
	all.mu.Lock()
	defer all.mu.Unlock()
	maps.DeleteFunc(all.all, func(_ ServerID, old *drain) bool { return !old.end.IsZero() && time.Since(old.end) > drainMemory })
	if old := all.all[id]; old != nil {
		old.cancel()
		old.finish(Cancelled)
	}
	all.all[id] = d
	ctx, cancel := context.WithCancel(all.ctx)
	d.cancel = cancel
	d.Left, _ = r.left(id)
	all.done.Go(func() { r.seeTo(ctx, id, d) })
	return d.shown()
}

// Drains tells how far all drains have come, also those that were done in the last hour.
func (r *Running) Drains() []Drain {
	r.drains.mu.Lock()
	defer r.drains.mu.Unlock()
	shown := []Drain{}
	for _, id := range slices.SortedFunc(maps.Keys(r.drains.all), compareServers) {
		shown = append(shown, r.drains.all[id].shown())
	}
	return shown
}

func compareServers(a, b ServerID) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Server, b.Server))
}

// DrainOf tells how far the drain of a real server has come.
func (r *Running) DrainOf(id ServerID) (Drain, error) {
	id, err := id.canonical()
	if err != nil {
		return Drain{}, err
	}
	r.drains.mu.Lock()
	defer r.drains.mu.Unlock()
	d := r.drains.all[id]
	if d == nil {
		return Drain{}, errNoDrain
	}
	return d.shown(), nil
}

// CancelDrain ends the drain of a real server, whose weight stays 0.
func (r *Running) CancelDrain(id ServerID) (Drain, error) {
	id, err := id.canonical()
	if err != nil {
		return Drain{}, err
	}
	r.drains.mu.Lock()
	defer r.drains.mu.Unlock()
	d := r.drains.all[id]
	if d == nil {
		return Drain{}, errNoDrain
	}
	d.cancel()
	d.finish(Cancelled)
	return d.shown(), nil
}

// shown is the drain with the seconds that it has left.
func (d *drain) shown() Drain {
	s := d.Drain
	if s.State == Draining && !d.deadline.IsZero() {
		s.SecondsLeft = max(time.Until(d.deadline).Seconds(), 0)
	}
	return s
}

// finish notes the end of a drain, unless it has been noted.
func (d *drain) finish(s DrainState) {
	if d.end.IsZero() {
		d.State, d.end = s, time.Now()
	}
}

// seeTo counts the sessions down, and does at the end what was asked for.
func (r *Running) seeTo(ctx context.Context, id ServerID, d *drain) {
	defer d.cancel()
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	for {
		left, drained := r.left(id)
		state := d.stateWith(left, drained)
		r.drains.mu.Lock()
		d.Left = left
		r.drains.mu.Unlock()
		if state != Draining {
			r.endDrain(ctx, id, d, state)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (d *drain) stateWith(left int, drained bool) DrainState {
	switch {
	case !drained:
		return Cancelled
	case left == 0:
		return Drained
	case !d.deadline.IsZero() && !time.Now().Before(d.deadline):
		return DrainOver
	}
	return Draining
}

// left counts a real server's sessions; drained is false if it has a weight again, or is no more.
func (r *Running) left(id ServerID) (n int, drained bool) {
	server, weight, err := r.server(id)
	if err != nil {
		return 0, false
	}
	return r.engine.SessionsOf(server), weight == 0
}

// endDrain ends the sessions that are left and removes the real server, as far as that was asked for, and tells the log.
func (r *Running) endDrain(ctx context.Context, id ServerID, d *drain, state DrainState) {
	if r.isDone(d) {
		return
	}
	ended, removed, err := 0, false, error(nil)
	if state == DrainOver && d.request.EndSessions {
		ended, err = r.endSessions(ctx, id)
	}
	if state != Cancelled && d.request.Remove {
		_, failed := r.RemoveRealServer(id)
		removed, err = failed == nil, errors.Join(err, failed)
	}
	r.drains.mu.Lock()
	defer r.drains.mu.Unlock()
	d.Ended, d.Removed = ended, removed
	if err != nil {
		d.Problem = err.Error()
	}
	d.finish(state)
	r.log(d.shown())
}

// isDone reports whether a drain's end has been noted: it was cancelled.
func (r *Running) isDone(d *drain) bool {
	r.drains.mu.Lock()
	defer r.drains.mu.Unlock()
	return !d.end.IsZero()
}

func (r *Running) endSessions(ctx context.Context, id ServerID) (int, error) {
	server, _, err := r.server(id)
	if err != nil {
		return 0, err
	}
	return r.engine.EndSessions(ctx, server)
}

func (r *Running) log(d Drain) {
	if r.Log == nil {
		return
	}
	log := r.Log.With("service", d.Service, "real server", d.RealServer, "state", d.State, "sessions left", d.Left, "ended", d.Ended, "removed", d.Removed)
	if d.Problem != "" {
		log.Warn("a drain is done", "problem", d.Problem)
		return
	}
	log.Info("a drain is done")
}

// Close gives up what goes on in the background: drains.
func (r *Running) Close() {
	r.drains.stop()
	r.drains.done.Wait()
}
