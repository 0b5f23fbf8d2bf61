package bench

import "slices"

// spread is what several runs of the same gave.
type spread struct{ median, low, high float64 }

// spreadOf summarises runs, of which there is one at least.
func spreadOf(runs []float64) spread {
	sorted := slices.Sorted(slices.Values(runs))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return spread{median, sorted[0], sorted[len(sorted)-1]}
}
