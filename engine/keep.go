package engine

import (
	"context"
	"errors"
	"time"
)

const (
	// keepInterval is the time between two looks at what is kept for old sessions.
	keepInterval = time.Second

	// keepShare bounds the part of the time that looking takes.
	keepShare = 10
)

// keep gives up what was kept for old sessions once they have ended, until ctx ends.
func (e *Engine) keep(ctx context.Context) {
	e.leaveBefore()
	ask := func(worker int, do func(*Worker) bool) error { return e.letter(ctx, worker, do) }
	for pause := keepInterval; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		began := time.Now()
		e.keepAt(began, ask)
		e.keepCounters()
		pause = max(keepInterval, keepShare*time.Since(began))
	}
}

// leaveBefore gives up what was kept of earlier processes.
func (e *Engine) leaveBefore() {
	if e.kept == nil {
		return
	}
	if err := errors.Join(e.kept.following.close(), e.kept.run.removeOthers()); err != nil {
		e.kept.putAside(err)
	}
}

// asking has a worker call do once.
type asking func(worker int, do func(*Worker) (done bool)) error

// keepAt gives up what no session needs any more, and writes what the next process is to know of
// neighbours. ask reaches the workers.
func (e *Engine) keepAt(now time.Time, ask asking) {
	found := e.takeCensus(ask)
	c := e.begin(now)
	c.releaseRetired()
	c.settle(found)
	c.publish()
	e.keepHints(ask)
}
