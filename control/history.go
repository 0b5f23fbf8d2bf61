package control

import (
	"context"

	"fulcrum/config"
)

// undo restores the configuration before a change: all of it, or one service.
type undo struct {
	whole *config.Config // nil for a change of one service

	// Valid if whole is nil.
	was    *config.Service // before the change; nil if the change added the service
	became *config.Service // after the change; nil if the change removed the service
	place  int             // index of was in the list
}

// remember saves how to undo a change, and forgets the oldest change of more than maxUndo. The
// caller has the turn.
func (r *Running) remember(u undo) {
	if len(r.before) == maxUndo {
		copy(r.before, r.before[1:])
		r.before = r.before[:maxUndo-1]
	}
	r.before = append(r.before, u)
}

// Rollback goes back to the configuration before the last change. It can be called again for the
// change before that, for up to 16 changes, and then returns ErrNothingBefore.
func (r *Running) Rollback(ctx context.Context) (Plan, error) {
	if err := r.turn.Begin(ctx); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	if len(r.before) == 0 {
		return Plan{}, ErrNothingBefore
	}
	last := len(r.before) - 1
	plan, err := r.goBack(&r.before[last])
	if err == nil {
		r.before[last] = undo{}
		r.before = r.before[:last]
	}
	return plan, err
}

func (r *Running) goBack(u *undo) (Plan, error) {
	if u.whole != nil {
		return r.replace(u.whole)
	}
	return r.put(u.became, u.was, u.place)
}
