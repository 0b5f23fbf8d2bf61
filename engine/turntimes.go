package engine

import (
	"math/bits"
	"time"
)

// TurnTimes counts a worker's turns by their length, from one poll of its ports to the next:
// packets that arrive meanwhile have to wait. It includes the naps of an idle worker, and the time
// in which another thread had the worker's CPU or the process was stopped.
type TurnTimes struct {
	// Counts[i] counts turns shorter than TurnTimeLimit(i), and not shorter than the limit before.
	Counts [numTurnTimes]uint64
	Total  time.Duration
	// Longest is the longest turn since the start.
	Longest time.Duration
}

const (
	numTurnTimes  = 16
	shortestLimit = 4 // as a power of two, in µs
)

// TurnTimeLimit returns the upper limit of count i; the last one has none, and limited is false.
func TurnTimeLimit(i int) (limit time.Duration, limited bool) {
	return time.Microsecond << (shortestLimit + i), i < numTurnTimes-1
}

// add counts a turn.
func (t *TurnTimes) add(d time.Duration) {
	t.Counts[min(bits.Len64(uint64(d/time.Microsecond)>>shortestLimit), numTurnTimes-1)]++
	t.Total += d
	t.Longest = max(t.Longest, d)
}
