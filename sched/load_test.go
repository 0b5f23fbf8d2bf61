package sched_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"fulcrum/sched"
)

// limited returns the load of a real server with the given thresholds.
func limited(upper, lower int32) (*sched.Load, func(upper, lower int32)) {
	load, at := new(sched.Load), new(atomic.Pointer[sched.Pool])
	limit := func(upper, lower int32) {
		publish(at, sched.RR, []sched.Server{{Weight: 1, Upper: upper, Lower: lower, Load: load}})
	}
	limit(upper, lower)
	return load, limit
}

func TestLoadCounts(t *testing.T) {
	var l sched.Load
	l.Begin()
	l.Begin()
	l.Begin()
	l.Activate()
	l.Activate()
	l.Deactivate()
	if l.Active() != 1 || l.Inactive() != 2 || l.Total() != 3 {
		t.Errorf("%d active, %d inactive, %d in all; want 1, 2, 3", l.Active(), l.Inactive(), l.Total())
	}
	l.End(true)
	l.End(false)
	l.End(false)
	if l.Active() != 0 || l.Inactive() != 0 || l.Total() != 0 {
		t.Errorf("%d active, %d inactive left", l.Active(), l.Inactive())
	}
}

func TestOverloadHysteresis(t *testing.T) {
	tests := []struct {
		name         string
		upper, lower int32
		free         int32 // the first count on the way down that clears the mark
	}{
		{"lower given", 10, 4, 3},
		{"lower is upper", 10, 10, 9},
		{"default", 8, 0, 5},
		{"default rounds as u - u/4", 10, 0, 7},
		{"one session", 1, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, _ := limited(tt.upper, tt.lower)
			for l.Total() < tt.upper {
				if l.Overloaded() {
					t.Fatalf("overloaded with %d sessions on the way up", l.Total())
				}
				l.Begin()
			}
			for ; l.Overloaded(); l.End(false) {
				if l.Total() <= tt.free {
					t.Fatalf("still overloaded with %d sessions", l.Total())
				}
			}
			if l.Total() != tt.free {
				t.Errorf("free again with %d sessions, want %d", l.Total(), tt.free)
			}
		})
	}
}

func TestEditedThresholds(t *testing.T) {
	l, limit := limited(4, 1)
	for range 4 {
		l.Begin()
	}
	l.End(false)
	if limit(4, 1); !l.Overloaded() {
		t.Error("the same thresholds again freed the real server")
	}
	if limit(5, 1); l.Overloaded() {
		t.Error("a raised upper threshold did not free the real server")
	}
	if limit(3, 1); l.Overloaded() {
		t.Error("an upper threshold lowered to the count marked it before the next session")
	}
	if l.Begin(); !l.Overloaded() {
		t.Error("the next session did not mark it")
	}
	if limit(2, 1); !l.Overloaded() {
		t.Error("a lowered upper threshold freed the real server")
	}
	if limit(0, 0); l.Overloaded() {
		t.Error("no thresholds, still overloaded")
	}
}

// An edit marks no real server and frees it only by the upper threshold: ip_vs_bind_dest marks it
// when the next session is bound, and ip_vs_unbind_dest frees it when one ends.
func TestThresholdsCountFromTheNextSession(t *testing.T) {
	l, limit := limited(0, 0)
	for range 5 {
		l.Begin()
	}
	if limit(3, 0); l.Overloaded() {
		t.Error("a first threshold below the count marked it")
	}
	l.Activate()
	l.Deactivate()
	if l.Overloaded() {
		t.Error("a change of state marked it")
	}
	if l.End(false); l.Overloaded() {
		t.Error("the end of a session marked it, with 4 left of 3")
	}
	if l.Begin(); !l.Overloaded() {
		t.Error("a new session did not mark it")
	}
	if limit(3, 9); !l.Overloaded() {
		t.Error("a raised lower threshold freed it before a session ended")
	}
	l.Activate()
	if !l.Overloaded() {
		t.Error("a change of state freed it")
	}
	if l.End(true); l.Overloaded() {
		t.Error("not freed with 4 sessions, below the lower threshold of 9")
	}
}

// In whatever order workers run, an idle real server does not stay marked as overloaded.
func TestConcurrentSessionsLeaveNothing(t *testing.T) {
	l, _ := limited(2, 1)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 5000 {
				l.Begin()
				l.Activate()
				l.Deactivate()
				l.Activate()
				l.End(true)
			}
		})
	}
	wait.Wait()
	if l.Total() != 0 || l.Active() != 0 || l.Overloaded() {
		t.Errorf("%d sessions left, %d active, overloaded %v", l.Total(), l.Active(), l.Overloaded())
	}
}
