package bench

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestBuckets: a bucket's highest duration is at least the counted one, and less than a 64th
// longer.
func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.Uint32().Draw(t, "ns")
		i := bucket(ns)
		if high := highest(i); high < ns || float64(high-ns) > float64(ns)/subBuckets {
			t.Errorf("%d is in bucket %d, up to %d", ns, i, high)
		}
		if i > 0 && highest(i-1) >= ns {
			t.Errorf("%d is in bucket %d, but %d reaches to %d", ns, i, i-1, highest(i-1))
		}
	})
	if i := bucket(math.MaxUint32); i != len(Histogram{}.counts)-1 {
		t.Errorf("the longest duration is in bucket %d of %d", i, len(Histogram{}.counts))
	}
}

// TestQuantiles: quantiles equal those of the sorted durations, to the width of a bucket.
func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Uint32(), 1, 300).Draw(t, "all")
		h := new(Histogram)
		for _, ns := range all {
			h.Add(ns)
		}
		slices.Sort(all)
		for _, q := range CurveQuantiles {
			want := all[max(0, int(math.Ceil(q*float64(len(all))))-1)]
			if got := h.Quantile(q); got < want || float64(got-want) > float64(want)/subBuckets {
				t.Errorf("quantile %g of %v is %d; want %d", q, all, got, want)
			}
		}
		if h.Max() != all[len(all)-1] || h.Total() != uint64(len(all)) {
			t.Errorf("max %d, total %d", h.Max(), h.Total())
		}
	})
}

func TestEmptyHistogram(t *testing.T) {
	if l := new(Histogram).Latency(); l.Packets != 0 || l.P50 != 0 || l.Max != 0 ||
		len(l.Curve) != len(CurveQuantiles) {
		t.Errorf("%+v", l)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	h := new(Histogram)
	if n := testing.AllocsPerRun(100, func() { h.Add(12345) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
