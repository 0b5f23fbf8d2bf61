package control

import (
	"context"
	"sync"
	"time"

	"fulcrum/health"
	"fulcrum/lvs"
	"fulcrum/probe"
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

// together is how long the loop waits for further checks to begin with one that is due. Each turn
// of the loop wakes a thread, which costs more than a check.
const together = 5 * time.Millisecond

// loop begins checks when they are due and takes their results.
func (k *checks) loop(ctx context.Context) {
	results := make(chan []ending, mostChecks)
	var running sync.WaitGroup
	defer running.Wait()
	b := beginner{checks: k, ctx: ctx, results: results, running: &running}
	if b.connects = k.connects(); b.connects != nil {
		defer b.connects.Close()
		running.Go(func() { k.followConnects(b.connects, results) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-k.wake:
		case all := <-results:
			k.note(all)
		}
		k.note(b.begin(k.due()))
		timer.Reset(k.wait())
	}
}

// oneCheck is a check that has begun.
type oneCheck struct {
	run   health.Run
	use   *use
	began time.Time
}

// idle is how long the loop waits without any check.
const idle = time.Hour

// due returns the checks to begin now.
func (k *checks) due() (all []oneCheck) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, run := range k.watch.Due(k.now()) {
		all = append(all, oneCheck{run: run, use: k.uses[run.ID]})
	}
	return all
}

// wait returns how long the loop waits for the next check.
func (k *checks) wait() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	if next, any := k.watch.Next(); any {
		return max(next.Sub(k.now()), together)
	}
	return idle
}

// beginner begins checks. Those that need nothing but a connection are made together.
type beginner struct {
	*checks
	ctx      context.Context
	connects *probe.Connects // nil: each check is made on its own
	results  chan<- []ending
	running  *sync.WaitGroup
}

// begin begins checks, and returns those that ended at once.
func (b *beginner) begin(due []oneCheck) (ended []ending) {
	for i := range due {
		c := &due[i]
		c.began = b.now()
		if b.connects == nil || !c.use.together() {
			b.running.Go(func() { b.results <- []ending{b.do(b.ctx, c)} })
			continue
		}
		until := c.began.Add(c.run.Rules.Timeout)
		if out, over := b.connects.Begin(c.use.target.Address, until, c); over {
			ended = append(ended, c.ending(&out, b.now()))
		}
	}
	return ended
}

// followConnects hands on the results of checks that are made together.
func (k *checks) followConnects(connects *probe.Connects, results chan<- []ending) {
	for {
		all, open := connects.Wait()
		if !open {
			return
		}
		now, ended := k.now(), make([]ending, len(all))
		for i := range all {
			ended[i] = all[i].Tag.(*oneCheck).ending(&all[i].Outcome, now)
		}
		results <- ended
	}
}

// do makes a check.
func (k *checks) do(ctx context.Context, c *oneCheck) ending {
	c.began = k.now()
	limited, cancel := context.WithTimeout(ctx, c.run.Rules.Timeout)
	defer cancel()
	out := k.try(limited, c.use.check, c.use.target)
	return c.ending(&out, k.now())
}

// ending returns the end of a check.
func (c *oneCheck) ending(out *probe.Outcome, now time.Time) ending {
	return ending{c.run, health.Result{
		Began: c.began, Ended: now, Good: out.Good, Reason: out.Reason,
		Weight: out.Weight, HasWeight: out.HasWeight, Unmade: out.Unmade,
	}}
}

// note takes results. Services to which they matter are pending.
func (k *checks) note(all []ending) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range all {
		k.noteOne(&all[i])
	}
}

func (k *checks) noteOne(e *ending) {
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
