package control

import (
	"context"

	"fulcrum/config"
)

// undo restores the configuration before a change: all of it, or one service.
type undo struct {
	whole, wholeAfter *overlay // nil for a change of one service

	// Valid if whole is nil.
	was    *config.Service // before the change; nil if the change added the service
	became *config.Service // after the change; nil if the change removed the service
	place  int             // index of was in the list
}

// overlay is a configuration with the file that it is over.
type overlay struct{ file, config *config.Config }

// remember saves how to undo a change, and forgets the oldest change of more than maxUndo. The
// caller has the turn.
func (r *Running) remember(u undo) {
	if len(r.before) == maxUndo {
		copy(r.before, r.before[1:])
		r.before = r.before[:maxUndo-1]
	}
	r.before = append(r.before, u)
}

// Rollback goes back to the file and the overrides before the last change. It can be called again
// for the change before that, for up to 16 changes, and then returns ErrNothingBefore. Drains are
// not among these changes: what they did since stays.
func (r *Running) Rollback(ctx context.Context) (Plan, error) {
	if err := r.begin(ctx, "rollback"); err != nil {
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

// goBack undoes a change. What has changed since without being remembered, by drains, is merged
// into what was before.
func (r *Running) goBack(u *undo) (Plan, error) {
	if u.whole == nil {
		return r.putBack(u)
	}
	m := merger{
		precedence: KeepOverrides, // a drained real server gets no sessions back
		base:       u.wholeAfter.config, running: r.Config(), next: u.whole.config,
	}
	target := m.merge()
	plan, err := r.replace(target, u.whole.file)
	if err == nil && r.differsFromDisk(u.whole.file) {
		plan.warn("the file says otherwise: reading it again, or a restart, undoes this; " +
			"fulcrum config save writes the running configuration to it")
	}
	return plan, err
}

// differsFromDisk reports whether the director's own file said something else when it was last
// read.
func (r *Running) differsFromDisk(file *config.Config) bool {
	plan := NewPlan(file, r.onFile, nil, nil)
	return !plan.Empty()
}

// putBack undoes a change of one service.
func (r *Running) putBack(u *undo) (Plan, error) {
	var current *config.Service
	if u.became != nil {
		place, err := r.find(u.became.Name)
		if err != nil {
			return Plan{}, err
		}
		s := r.current.Services[place]
		current, u.place = &s, place
	}
	target := u.was
	if current != nil && target != nil {
		m := merger{precedence: KeepOverrides}
		target = m.service(u.became, current, u.was)
	}
	return r.put(current, target, u.place)
}
