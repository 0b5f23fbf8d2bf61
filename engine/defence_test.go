package engine

import "testing"

// TestDefenceHysteresis: "auto" is active from seven eighths of a table on, and until less than
// three quarters are in use.
func TestDefenceHysteresis(t *testing.T) {
	for _, c := range []struct {
		used, size int
		limit      int
		want       bool
	}{
		{699, 800, pressedFrom, false},
		{700, 800, pressedFrom, true},
		{600, 800, pressedUntil, true},
		{599, 800, pressedUntil, false},
		{0, 0, pressedUntil, false}, // no IPv6 sessions
	} {
		if got := isPressed(c.used, c.size, c.limit); got != c.want {
			t.Errorf("%d of %d in use, limit %d/8: %v", c.used, c.size, c.limit, got)
		}
	}
	w := Worker{ways: denialWays}
	if w.limit() != pressedUntil {
		t.Error("an active defence ends where it begins")
	}
	w.ways = ordinaryWays
	if w.limit() != pressedFrom {
		t.Error("an inactive defence begins where it ends")
	}
}
