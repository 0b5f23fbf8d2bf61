package bench

import "slices"

// spread summarises the values of several runs of the same measurement.
type spread struct{ median, low, high float64 }

// spreadOf summarises at least one run.
func spreadOf(runs []float64) spread {
	sorted := slices.Sorted(slices.Values(runs))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return spread{median, sorted[0], sorted[len(sorted)-1]}
}
