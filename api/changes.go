package api

import (
	"context"
	"errors"
	"fmt"

	"fulcrum/config"
	"fulcrum/control"
)

// mostChanges is how many changes may be in progress or wait for their turn, and how many plans.
const mostChanges = 64

// errBusy says that too many requests wait.
var errBusy = fmt.Errorf("%d such requests wait for their turn already: nothing was changed; try again",
	mostChanges)

// errAbandoned says what control.ErrAbandoned means for the client, should it still read.
var errAbandoned = errors.New("the client closed the connection, or its side of it, before the " +
	"change began: nothing was changed; keep the connection open for the answer")

// places has an element for each request of a kind that is in progress or waits for its turn.
type places chan struct{}

func newPlaces() places { return make(places, mostChanges) }

// take carries out a request, unless all places are taken.
func take[T any](p places, do func() (T, error)) (*body[T], error) {
	select {
	case p <- struct{}{}:
	default:
		return nil, problem(errBusy)
	}
	defer func() { <-p }()
	v, err := do()
	if err != nil {
		return nil, problem(err)
	}
	return answer(v), nil
}

// parse parses a configuration in its turn. A large one takes seconds, so it is not parsed for a
// client that has left.
func (a *api) parse(ctx context.Context, in *FileInput) (*config.Config, error) {
	if err := a.parsing.Begin(ctx); err != nil {
		return nil, err
	}
	defer a.parsing.End()
	return in.parse()
}

// plan returns what applying a file would change.
func (a *api) plan(ctx context.Context, in *PlanInput) (control.Plan, error) {
	if err := a.parsing.Begin(ctx); err != nil {
		return control.Plan{}, err
	}
	defer a.parsing.End()
	next, err := in.parse()
	if err != nil {
		return control.Plan{}, err
	}
	return a.running.Plan(next, in.precedence()), nil
}

// apply applies a file as the request says.
func (a *api) apply(ctx context.Context, in *ApplyInput) (control.Plan, error) {
	next, err := a.parse(ctx, &in.FileInput)
	if err != nil {
		return control.Plan{}, err
	}
	return a.running.Apply(ctx, next, in.application())
}
