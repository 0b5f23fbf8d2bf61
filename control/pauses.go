package control

import (
	"math"
	"runtime/metrics"
)

// Pauses are how often and how long Go's garbage collector has stopped all threads at once, the workers' among them, as its
// own runtime counts it (runtime/metrics, /sched/pauses/total/gc). A worker makes no garbage; whoever reads counters or
// changes the configuration does.
type Pauses struct {
	Count     uint64  `json:"count"`
	LongestUs float64 `json:"longest_us"` // microseconds, rounded up to the runtime's next bucket
}

// GCPauses is the name that Go's runtime/metrics gives to the histogram behind Pauses.
const GCPauses = "/sched/pauses/total/gc:seconds"

// readPauses asks the runtime.
func readPauses() Pauses {
	sample := []metrics.Sample{{Name: GCPauses}}
	metrics.Read(sample)
	return pausesOf(sample[0].Value.Float64Histogram())
}

func pausesOf(h *metrics.Float64Histogram) Pauses {
	var p Pauses
	for i, n := range h.Counts {
		if n == 0 {
			continue
		}
		p.Count += n
		longest := h.Buckets[i+1]
		if math.IsInf(longest, 1) {
			longest = h.Buckets[i]
		}
		p.LongestUs = longest * 1e6
	}
	return p
}
