package control

import (
	"math"
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestPausesOf(t *testing.T) {
	h := &metrics.Float64Histogram{
		Counts:  []uint64{0, 3, 1, 0},
		Buckets: []float64{0, 1e-6, 5e-6, 20e-6, math.Inf(1)},
	}
	if p := pausesOf(h); p.Count != 4 || math.Abs(p.LongestUs-20) > 1e-9 {
		t.Errorf("%+v", p)
	}
	h.Counts[3] = 1
	if p := pausesOf(h); p.Count != 5 || math.Abs(p.LongestUs-20) > 1e-9 {
		t.Errorf("without an upper bound: %+v", p)
	}
}

// TestPausesAreCounted checks that the runtime has the metric and counts a collection.
func TestPausesAreCounted(t *testing.T) {
	before := readPauses()
	runtime.GC()
	if after := readPauses(); after.Count <= before.Count || after.LongestUs <= 0 {
		t.Errorf("%+v, then %+v", before, after)
	}
}
