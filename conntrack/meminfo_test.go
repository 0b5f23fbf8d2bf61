package conntrack

import "testing"

func TestLeavesEnough(t *testing.T) {
	for _, tt := range []struct {
		size, available int
		want            bool
	}{
		{0, 0, true}, {1, 0, false}, {15 << 30, 16 << 30, true}, {15<<30 + 1, 16 << 30, false},
		{17 << 30, 16 << 30, false},
	} {
		if got := leavesEnough(tt.size, tt.available); got != tt.want {
			t.Errorf("%d of %d bytes: %t", tt.size, tt.available, got)
		}
	}
}
