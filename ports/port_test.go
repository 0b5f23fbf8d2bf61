package ports

import "testing"

// TestStatsSince: each counter is the difference, and none is negative.
func TestStatsSince(t *testing.T) {
	s := Stats{9, 9, 9, 9, 9, 9, 9, 9}
	if got := s.Since(Stats{1, 2, 3, 4, 5, 6, 7, 10}); got != (Stats{8, 7, 6, 5, 4, 3, 2, 0}) {
		t.Errorf("%+v", got)
	}
}
