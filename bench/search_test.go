package bench

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestSearch finds the capacity of a device that loses everything beyond it, and a little more if
// some loss is allowed.
func TestSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		capacity := rapid.Float64Range(1e5, 2e7).Draw(t, "capacity")
		allowed := rapid.SampledFrom([]float64{0, tolerable}).Draw(t, "allowed")
		got, err := highestRate(2.5e7, allowed, func(rate float64) (float64, error) {
			return max(0, rate-capacity) / rate, nil
		})
		if highest := capacity / (1 - allowed); err != nil || got > highest*1.0001 ||
			got < highest*(1-2*searchPrecision) {
			t.Errorf("found %g of %g, %v", got, highest, err)
		}
	})
}

// TestSearchForgivesOnce: one interruption at a rate does not matter, two do.
func TestSearchForgivesOnce(t *testing.T) {
	for interruptions, found := range map[int]bool{1: true, 2: false} {
		tried := map[float64]int{}
		got, err := highestRate(1e6, 0, func(rate float64) (float64, error) {
			if tried[rate]++; tried[rate] <= interruptions || rate > 9e5 {
				return 1, nil
			}
			return 0, nil
		})
		if err != nil || (math.Abs(got-9e5) < 3e4) != found || (got == 0) == found {
			t.Errorf("%d interruptions: %g, %v", interruptions, got, err)
		}
	}
}

func TestSearchPassesErrorsOn(t *testing.T) {
	broken := errors.New("broken")
	if _, err := highestRate(1e6, 0, func(float64) (float64, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		runs []float64
		want spread
	}{
		{[]float64{3}, spread{3, 3, 3}}, {[]float64{5, 1, 3}, spread{3, 1, 5}}, {[]float64{4, 1, 2, 10}, spread{3, 1, 10}},
	} {
		if got := spreadOf(c.runs); got != c.want {
			t.Errorf("%v: %v; want %v", c.runs, got, c.want)
		}
	}
}
