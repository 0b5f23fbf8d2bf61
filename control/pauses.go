package control

import (
	"math"
	"runtime/metrics"
)

// Pauses counts the pauses in which Go's garbage collector stopped all threads, including the
// workers, since the program's start. The numbers come from runtime/metrics,
// /sched/pauses/total/gc. A worker makes no garbage; reading counters and changing the
// configuration does.
type Pauses struct {
	Count     uint64  `json:"count"`
	LongestUs float64 `json:"longest_us"` // microseconds, rounded up to the runtime's next bucket
}

// GCPauses is the name of the histogram behind Pauses in Go's runtime/metrics.
const GCPauses = "/sched/pauses/total/gc:seconds"

// readPauses reads the runtime's histogram.
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
