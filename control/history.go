package control

import "fulcrum/config"

// undo is what brings back the configuration before a change: the whole of it, or one service.
type undo struct {
	whole *config.Config
	// Where whole is nil: the service as it was, nil if the change added it, and as it became, nil if
	// the change removed it.
	was, became *config.Service
	place       int // of was in the list
}

// remember notes how a change is undone. The caller holds mu.
func (r *Running) remember(u undo) {
	if len(r.before) == mostBefore {
		copy(r.before, r.before[1:])
		r.before = r.before[:mostBefore-1]
	}
	r.before = append(r.before, u)
}

// Rollback goes back to the configuration before the last change.
func (r *Running) Rollback() (Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
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
