package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"fulcrum/lvs"
)

// DrainRequest says how to drain a real server. A drain sets the weight to 0: the real server gets
// no new sessions, and its sessions go on.
type DrainRequest struct {
	DeadlineSeconds float64 `json:"deadline_seconds,omitempty" minimum:"0" maximum:"31536000" doc:"end the drain after this many seconds, even if sessions are left; 0 sets no deadline"`
	EndSessions     bool    `json:"end_sessions,omitempty" doc:"end the sessions that are left at the deadline"`
	Remove          bool    `json:"remove,omitempty" doc:"remove the real server once it has no session, closing ones included, or at the deadline"`
}

// Drain is the progress of a drain.
type Drain struct {
	Service    string     `json:"service"`
	RealServer string     `json:"real_server"`
	State      DrainState `json:"state" enum:"draining,drained,over,cancelled"`
	// Left counts the real server's established sessions, and all its UDP sessions. Closing counts
	// the others. After the drain they keep the counts at its end.
	Left        int     `json:"sessions_left"`
	Closing     int     `json:"sessions_closing"`
	Ended       int     `json:"sessions_ended"`         // ended at the deadline
	SecondsLeft float64 `json:"seconds_left,omitempty"` // until the deadline; 0 without one
	Removed     bool    `json:"removed"`                // the real server was removed
	Problem     string  `json:"problem,omitempty"`      // why ending, removing or keeping it failed
	// Warning says that a service or VIP has lost its last available real server by the drain's
	// beginning. It is in the answer to the request alone.
	Warning string `json:"warning,omitempty"`
}

// DrainState says whether a drain goes on, or how it ended.
type DrainState string

// The states of a drain.
const (
	// Draining is the state of a drain that goes on.
	Draining DrainState = "draining"
	// Drained means that no established session is left.
	Drained DrainState = "drained"
	// DrainOver means that the deadline came first.
	DrainOver DrainState = "over"
	// Cancelled means that a request cancelled the drain, or that the real server was removed or
	// got another weight.
	Cancelled DrainState = "cancelled"
)

const (
	drainPoll   = 200 * time.Millisecond // between two counts of the sessions
	drainMemory = time.Hour              // how long an ended drain is listed
)

// errNoDrain says that a real server has no drain.
const errNoDrain = NotFoundError("this real server is not being drained")

// drains are a director's drains, the ended ones of the last hour included.
type drains struct {
	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	mu  sync.Mutex
	all map[ServerID]*drain
}

func newDrains() *drains {
	d := &drains{all: map[ServerID]*drain{}}
	ctx := WithActor(context.Background(), Actor{Name: "drain"})
	d.ctx, d.stop = context.WithCancel(ctx)
	return d
}

// drain is the drain of one real server.
type drain struct {
	request  DrainRequest
	deadline time.Time // wall time; zero without a deadline
	cancel   context.CancelFunc

	// Guarded by drains.mu.
	Drain
	end time.Time // zero while the drain goes on
}

// Drain sets a real server's weight to 0 and returns. In the background the drain goes on until no
// session is left or the deadline comes. It replaces an earlier drain of the same real server.
func (r *Running) Drain(ctx context.Context, id ServerID, request DrainRequest) (Drain, error) {
	if request.EndSessions && request.DeadlineSeconds == 0 {
		return Drain{}, &ValueError{
			"end_sessions", "sessions end at the deadline: set deadline_seconds as well",
		}
	}
	id, err := id.canonical()
	if err != nil {
		return Drain{}, err
	}
	if err := r.begin(ctx, request.command()); err != nil {
		return Drain{}, err
	}
	defer r.turn.End()
	zero := 0
	stop := RealServerChange{Weight: &zero}
	plan, err := r.editNow(id.Service, stop.of(id.Server), r.put)
	if err != nil {
		return Drain{}, err
	}
	if plan.Empty() { // the weight is 0 already
		what := fmt.Sprintf("real server %s of %s", id.Server, id.Service)
		r.record(Audit{Who: ActorOf(ctx), Command: request.command(), Changes: []string{what}})
	}
	var deadline time.Time
	if request.DeadlineSeconds > 0 {
		deadline = time.Now().Add(time.Duration(request.DeadlineSeconds * float64(time.Second)))
	}
	shown := r.startDrain(id, request, deadline)
	shown.Warning = strings.Join(plan.UnservedWarnings(), "; ")
	shown.Problem = r.save()
	return shown, nil
}

// command returns what the audit log calls the request.
func (n *DrainRequest) command() string {
	text := "drain"
	if n.DeadlineSeconds > 0 {
		text += fmt.Sprintf(", deadline %gs", n.DeadlineSeconds)
	}
	if n.EndSessions {
		text += ", end sessions"
	}
	if n.Remove {
		text += ", remove"
	}
	return text
}

// startDrain starts the drain of a real server whose weight is 0. The caller has the turn.
func (r *Running) startDrain(id ServerID, request DrainRequest, deadline time.Time) Drain {
	// Round takes off the monotonic clock, which stands still while the machine sleeps.
	d := &drain{request: request, deadline: deadline.Round(0)}
	d.Service, d.RealServer, d.State = id.Service, id.Server, Draining
	all := r.drains
	all.mu.Lock()
	defer all.mu.Unlock()
	maps.DeleteFunc(all.all, func(_ ServerID, old *drain) bool {
		return !old.end.IsZero() && time.Since(old.end) > drainMemory
	})
	if old := all.all[id]; old != nil {
		old.cancel()
		old.finish(Cancelled)
	}
	all.all[id] = d
	ctx, cancel := context.WithCancel(all.ctx)
	d.cancel = cancel
	d.Left, d.Closing, _ = r.left(id)
	all.done.Go(func() { r.watch(ctx, id, d) })
	return d.shown()
}

// Drains returns the progress of all drains, including those that ended in the last hour. They are
// sorted by service and real server.
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

// DrainOf returns the progress of a real server's drain, or a NotFoundError.
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

// CancelDrain ends the drain of a real server. The weight stays 0. Without a drain it returns a
// NotFoundError.
func (r *Running) CancelDrain(ctx context.Context, id ServerID) (Drain, error) {
	id, err := id.canonical()
	if err != nil {
		return Drain{}, err
	}
	if err := r.turn.Begin(ctx); err != nil {
		return Drain{}, err
	}
	defer r.turn.End()
	d, err := r.cancelDrain(id)
	if err == nil {
		what := fmt.Sprintf("real server %s of %s", id.Server, id.Service)
		r.record(Audit{Who: ActorOf(ctx), Command: "cancel drain", Changes: []string{what}})
		r.save()
	}
	return d, err
}

func (r *Running) cancelDrain(id ServerID) (Drain, error) {
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

// shown returns the drain's progress with the seconds until the deadline. The caller holds
// drains.mu.
func (d *drain) shown() Drain {
	s := d.Drain
	if s.State == Draining && !d.deadline.IsZero() {
		s.SecondsLeft = max(time.Until(d.deadline).Seconds(), 0)
	}
	return s
}

// finish sets the state at a drain's end. Later calls have no effect. The caller holds drains.mu.
func (d *drain) finish(s DrainState) {
	if d.end.IsZero() {
		d.State, d.end = s, time.Now()
	}
}

// watch counts the sessions until the drain ends, and then ends it as requested.
func (r *Running) watch(ctx context.Context, id ServerID, d *drain) {
	defer d.cancel()
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	for {
		left, closing, drained := r.left(id)
		state := d.stateWith(left, closing, drained)
		r.drains.mu.Lock()
		d.Left, d.Closing = left, closing
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

// stateWith returns the state with these sessions. A drain that removes the real server waits for
// the closing ones too.
func (d *drain) stateWith(left, closing int, drained bool) DrainState {
	over := !d.deadline.IsZero() && !time.Now().Before(d.deadline)
	switch {
	case !drained:
		return Cancelled
	case left == 0 && (closing == 0 || over || !d.request.Remove):
		return Drained
	case over:
		return DrainOver
	}
	return Draining
}

// left counts a real server's sessions: those that a drain waits for, and those that are about to
// end. drained is false if the real server was removed or its weight is not 0 any more.
func (r *Running) left(id ServerID) (left, closing int, drained bool) {
	server, weight, err := r.server(id)
	if err != nil {
		return 0, 0, false
	}
	active, inactive := r.engine.LoadOf(server)
	left, closing = split(server.Service.Protocol, active, inactive)
	return left, closing, weight == 0
}

// endDrain ends the remaining sessions and removes the real server, if the request says so. It logs
// the result. If the director stops before its turn, a state folder keeps the drain.
func (r *Running) endDrain(ctx context.Context, id ServerID, d *drain, state DrainState) {
	var ended int
	var err error
	if state == DrainOver && d.request.EndSessions {
		if ended, err = r.endDrained(ctx, id, d); errors.Is(err, ErrAbandoned) {
			return
		}
	}
	if r.begin(ctx, "end of drain") != nil {
		return
	}
	defer r.turn.End()
	if r.isDone(d) {
		return
	}
	if _, _, drained := r.left(id); !drained { // others had their turns before
		state = Cancelled
	}
	removed := false
	if state != Cancelled && d.request.Remove {
		_, failed := r.editNow(id.Service, removal(id.Server), r.put)
		removed, err = failed == nil, errors.Join(err, failed)
	}
	r.log(r.finishDrain(d, state, ended, removed, err))
	r.save()
}

// endDrained ends the sessions of a real server whose drain is over, unless it was cancelled.
func (r *Running) endDrained(ctx context.Context, id ServerID, d *drain) (ended int, err error) {
	if err := r.turn.Begin(ctx); err != nil {
		return 0, err
	}
	server, _, err := r.server(id)
	if err != nil || r.isDone(d) {
		r.turn.End()
		return 0, err
	}
	r.ending.begin()
	r.turn.End()
	ended = r.endSessions(ctx, []lvs.RealServerID{server},
		func(_ lvs.RealServerID, failed error) { err = failed })
	return ended, err
}

func (r *Running) finishDrain(
	d *drain, state DrainState, ended int, removed bool, err error,
) Drain {
	r.drains.mu.Lock()
	defer r.drains.mu.Unlock()
	d.Ended, d.Removed = ended, removed
	if err != nil {
		d.Problem = err.Error()
	}
	d.finish(state)
	return d.shown()
}

// isDone reports whether a drain has ended already, because it was cancelled or replaced.
func (r *Running) isDone(d *drain) bool {
	r.drains.mu.Lock()
	defer r.drains.mu.Unlock()
	return !d.end.IsZero()
}

func (r *Running) log(d Drain) {
	if r.Log == nil {
		return
	}
	log := r.Log.With("service", d.Service, "real server", d.RealServer, "state", d.State,
		"sessions left", d.Left, "closing", d.Closing, "ended", d.Ended, "removed", d.Removed)
	if d.Problem != "" {
		log.Warn("drain ended", "problem", d.Problem)
		return
	}
	log.Info("drain ended")
}

// Close cancels what runs in the background: drains, the steps of slow starts and Watch. It waits
// for their end. Real servers keep the weight 0.
func (r *Running) Close() {
	r.drains.stop()
	r.drains.done.Wait()
}
