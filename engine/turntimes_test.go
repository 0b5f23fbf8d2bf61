package engine

import (
	"testing"
	"time"
)

// TestTurnTimes: a turn counts below the first limit that exceeds it.
func TestTurnTimes(t *testing.T) {
	for _, d := range []time.Duration{
		0, 1, 15 * time.Microsecond, 16*time.Microsecond - 1, 16 * time.Microsecond,
		31 * time.Microsecond, 32 * time.Microsecond,
		time.Millisecond, 100 * time.Millisecond, time.Second, time.Hour,
	} {
		var times TurnTimes
		times.add(d)
		for i, n := range times.Counts {
			limit, limited := TurnTimeLimit(i)
			below := !limited || d < limit
			over := i == 0
			if i > 0 {
				before, _ := TurnTimeLimit(i - 1)
				over = d >= before
			}
			if want := below && over; (n == 1) != want {
				t.Errorf("%v: %d turns below %v (limited: %v)", d, n, limit, limited)
			}
		}
		if times.Total != d {
			t.Errorf("%v in all, want %v", times.Total, d)
		}
	}
}
