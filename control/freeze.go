package control

import (
	"context"
	"sync"

	"fulcrum/lvs"
)

// Freeze has all changes wait until thaw, from all sources: administrators, files, programs of
// IPVS, drains, slow starts, health checks and host interfaces. The state folder stays as it is,
// and no sessions are being ended. Readers go on. If ctx ends before, Freeze returns
// ErrAbandoned and nothing waits. Calls of thaw after the first have no effect.
func (r *Running) Freeze(ctx context.Context) (thaw func(), err error) {
	if err := r.turn.Begin(ctx); err != nil {
		return nil, err
	}
	if err := r.ending.await(ctx); err != nil {
		r.turn.End()
		return nil, err
	}
	return sync.OnceFunc(r.turn.End), nil
}

// endings are the ends of sessions that workers are at. They begin in the turn of a change, and go
// on after it: of a large table they take long.
type endings struct {
	mu    sync.Mutex
	count int
	none  chan struct{} // closed when the last one is over; nil if there are none
}

func (e *endings) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count++; e.none == nil {
		e.none = make(chan struct{})
	}
}

func (e *endings) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count--; e.count == 0 {
		close(e.none)
		e.none = nil
	}
}

// await waits until no session is being ended, or ctx ends. The caller has the turn.
func (e *endings) await(ctx context.Context) error {
	e.mu.Lock()
	none := e.none
	e.mu.Unlock()
	if none == nil {
		return nil
	}
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ErrAbandoned
	}
}

// endSessions ends the sessions of real servers. Call begin of r.ending in the turn before.
func (r *Running) endSessions(
	ctx context.Context, all []lvs.RealServerID, failed func(lvs.RealServerID, error),
) (ended int) {
	defer r.ending.end()
	for _, server := range all {
		n, err := r.engine.EndSessions(ctx, server)
		if ended += n; err != nil {
			failed(server, err)
		}
	}
	return ended
}
