package control

import (
	"context"
	"sync"
	"time"

	"fulcrum/health"
	"fulcrum/lvs"
)

// Check makes the configuration's health checks, and has the pools follow them, until ctx ends. It
// returns when all checks that run have ended. Call it once.
func (r *Running) Check(ctx context.Context) {
	ctx = WithActor(ctx, Actor{Name: "health"})
	var parts sync.WaitGroup
	parts.Go(func() { r.followVerdicts(ctx) })
	parts.Go(func() { r.watchSessions(ctx) })
	r.checks.loop(ctx)
	parts.Wait()
}

// ending is a check that has ended.
type ending struct {
	run    health.Run
	result health.Result
}

// loop begins checks when they are due and takes their results.
func (k *checks) loop(ctx context.Context) {
	results := make(chan ending, mostChecks)
	var running sync.WaitGroup
	defer running.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-k.wake:
		case e := <-results:
			k.note(e)
		}
		due, wait := k.due()
		for _, d := range due {
			running.Go(func() { results <- k.do(ctx, d) })
		}
		timer.Reset(wait)
	}
}

// oneCheck is a check that has begun.
type oneCheck struct {
	run health.Run
	use *use
}

// idle is how long the loop waits without any check.
const idle = time.Hour

// due returns the checks to begin now, and when the next one is due.
func (k *checks) due() (all []oneCheck, wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	for _, run := range k.watch.Due(now) {
		all = append(all, oneCheck{run, k.uses[run.ID]})
	}
	if next, any := k.watch.Next(); any {
		return all, next.Sub(now)
	}
	return all, idle
}

// do makes a check.
func (k *checks) do(ctx context.Context, c oneCheck) ending {
	began := k.now()
	limited, cancel := context.WithTimeout(ctx, c.run.Rules.Timeout)
	defer cancel()
	out := k.probe(limited, c.use.check, c.use.target)
	return ending{c.run, health.Result{
		Began: began, Ended: k.now(), Good: out.Good, Reason: out.Reason,
		Weight: out.Weight, HasWeight: out.HasWeight,
	}}
}

// note takes a result. If it matters to services, they are pending.
func (k *checks) note(e ending) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, changed := k.watch.Done(e.run, e.result)
	u := k.uses[e.run.ID]
	if u == nil {
		return
	}
	if r := &e.result; r.Good && (r.HasWeight != u.weighted || r.Weight != u.weight) {
		u.weight, u.weighted, changed = r.Weight, r.HasWeight, true
	}
	if !changed {
		return
	}
	for id := range u.services {
		k.pend(id)
	}
}

// takePending returns the services whose pools may be others now.
func (k *checks) takePending() map[lvs.ServiceID]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := k.pending
	k.pending = map[lvs.ServiceID]bool{}
	return all
}
