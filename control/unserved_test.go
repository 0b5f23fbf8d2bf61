package control

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/config"
)

const unservedFile = `
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
[session]
max = 1000
[[service]]
name = "web"
protocol = "tcp"
address = "10.0.0.100:80"
mode = "nat"
[[service.real_server]]
address = "10.0.0.11:80"
[[service.real_server]]
address = "10.0.0.12:80"
`

// TestTwoAdministratorsAndTheLastServer: two administrators take the two last real servers away at
// the same time, and each asks to be refused if theirs is the last. One of them wins.
func TestTwoAdministratorsAndTheLastServer(t *testing.T) {
	zero := 0
	for name, take := range map[string]func(*Running, context.Context, ServerID) error{
		"weight": func(r *Running, ctx context.Context, id ServerID) error {
			_, err := r.ChangeRealServer(ctx, id, RealServerChange{Weight: &zero})
			return err
		},
		"drain": func(r *Running, ctx context.Context, id ServerID) error {
			_, err := r.Drain(ctx, id, DrainRequest{})
			return err
		},
		"remove": func(r *Running, ctx context.Context, id ServerID) error {
			_, err := r.RemoveRealServer(ctx, id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newUnserved(t)
			var both sync.WaitGroup
			errs := make([]error, 2)
			for i, server := range []string{"10.0.0.11:80", "10.0.0.12:80"} {
				both.Go(func() {
					errs[i] = take(r, RefuseLast(t.Context()), ServerID{"web", server})
				})
			}
			both.Wait()
			if (errs[0] == nil) == (errs[1] == nil) {
				t.Fatalf("%v and %v: one must win", errs[0], errs[1])
			}
			var refused *LastServerError
			if !errors.As(errors.Join(errs...), &refused) {
				t.Fatal(errs)
			}
			want := LastServerError{[]string{"web"}, []string{"10.0.0.100"}}
			if diff := cmp.Diff(want, *refused); diff != "" {
				t.Error(diff)
			}
			if s := r.Config().Services[0]; !serves(&s) {
				t.Errorf("%+v has no available real server", s)
			}
		})
	}
}

func newUnserved(t *testing.T) *Running {
	c, err := config.Parse("test.toml", []byte(unservedFile))
	if err != nil {
		t.Fatal(err)
	}
	return newTestRunning(t, c)
}
