package bench

import (
	"testing"

	"fulcrum/control"
)

// TestTurnsFrom: a turn counts as long if it took as long as the limit or longer, which the next
// limit shows. The last count has no limit.
func TestTurnsFrom(t *testing.T) {
	before := []control.TurnCount{
		{BelowUs: 64, Turns: 5}, {BelowUs: 128, Turns: 5}, {BelowUs: 256, Turns: 5}, {Turns: 5},
	}
	after := []control.TurnCount{
		{BelowUs: 64, Turns: 105}, {BelowUs: 128, Turns: 15}, {BelowUs: 256, Turns: 7}, {Turns: 6},
	}
	for limit, want := range map[int64]uint64{0: 113, 64: 13, 128: 3, 256: 1} {
		if got := turnsFrom(limit, before, after); got != want {
			t.Errorf("%d turns of %d µs and more, want %d", got, limit, want)
		}
	}
}
