package control

import (
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
