package control

import (
	"context"
	"errors"
)

// ErrAbandoned says that a change was not begun because its context had ended: the client left, or
// its time ran out. Nothing was changed.
var ErrAbandoned = errors.New("the request was abandoned before its turn: nothing was changed")

// Turn lets one caller at a time go on, in the order in which they came. Unlike a mutex it lets
// callers leave while they wait. Create one with NewTurn. It is safe for concurrent use.
type Turn chan struct{}

// NewTurn returns a turn that is free.
func NewTurn() Turn { return make(Turn, 1) }

// Begin waits for the caller's turn, which holds until End. If ctx ends before, it returns
// ErrAbandoned, and the caller must not call End.
func (t Turn) Begin(ctx context.Context) error {
	select {
	case t <- struct{}{}:
	case <-ctx.Done():
		return ErrAbandoned
	}
	// Of two channels that are ready, select takes any.
	if ctx.Err() != nil {
		t.End()
		return ErrAbandoned
	}
	return nil
}

// End gives the turn to the caller that has waited longest.
func (t Turn) End() { <-t }
