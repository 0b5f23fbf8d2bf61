package control

import (
	"context"
	"slices"
	"testing"
	"time"
)

// TestDrainStates: a drain is over when no established session is left. One that removes the real
// server waits for the closing ones too, until its deadline.
func TestDrainStates(t *testing.T) {
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for _, tt := range []struct {
		left, closing int
		drained       bool
		remove        bool
		deadline      time.Time
		want          DrainState
	}{
		{5, 134, true, false, time.Time{}, Draining},
		{5, 134, true, false, future, Draining},
		{5, 134, true, true, past, DrainOver},
		{0, 134, true, false, time.Time{}, Drained},
		{0, 134, true, true, time.Time{}, Draining},
		{0, 134, true, true, future, Draining},
		{0, 134, true, true, past, Drained},
		{0, 0, true, true, future, Drained},
		{5, 0, false, true, past, Cancelled},
	} {
		d := drain{request: DrainRequest{Remove: tt.remove}, deadline: tt.deadline}
		if got := d.stateWith(tt.left, tt.closing, tt.drained); got != tt.want {
			t.Errorf("%+v: %s", tt, got)
		}
	}
}

// TestDeadlineIsWallTime: a deadline passes while the machine sleeps, so it has no monotonic clock.
func TestDeadlineIsWallTime(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, planned))
	id := ServerID{"web", "10.0.0.11:8080"}
	if _, err := r.Drain(t.Context(), id, DrainRequest{DeadlineSeconds: 1000}); err != nil {
		t.Fatal(err)
	}
	r.drains.mu.Lock()
	defer r.drains.mu.Unlock()
	if at := r.drains.all[id].deadline; at != at.Round(0) {
		t.Errorf("the deadline %v has a monotonic clock", at)
	}
}

// TestDrainsAreLogged: a drain is in the log with its options, also if the weight was 0 before, and
// so is its end by a request.
func TestDrainsAreLogged(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, planned))
	id := ServerID{"web", "10.0.0.11:8080"}
	ctx := WithActor(t.Context(), Actor{Name: "someone"})
	never := DrainRequest{DeadlineSeconds: 1000, EndSessions: true} // it is over at once
	for range 2 {
		if _, err := r.Drain(ctx, id, never); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.CancelDrain(ctx, id); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range r.Audits() {
		if a.Who.Name == "someone" {
			got = append(got, a.Command)
		}
	}
	const drain = "drain, deadline 1000s, end sessions"
	if want := []string{drain, drain, "cancel drain"}; !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
}

// TestDrainWhenTheDirectorStops: a drain whose end comes while the director stops is not over. The
// next process removes the real server.
func TestDrainWhenTheDirectorStops(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, planned))
	id := ServerID{"web", "10.0.0.11:8080"}
	d := &drain{request: DrainRequest{Remove: true}, cancel: func() {}}
	d.Service, d.RealServer, d.State = id.Service, id.Server, Draining
	r.drains.all[id] = d
	stopped, stop := context.WithCancel(t.Context())
	stop()
	r.endDrain(stopped, id, d, Drained)
	if kept := r.stored().Drains; len(kept) != 1 {
		t.Errorf("the state has %v", kept)
	}
}
