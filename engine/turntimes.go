package engine

import (
	"math/bits"
	"time"
)

// TurnTimes tells how long a worker's turns took, from one poll of its ports to the next: what arrives meanwhile has to wait. Turns after
// which the worker slept for want of packets are not among them, but those in which something else had its CPU are.
type TurnTimes struct {
	// Counts are of turns that took less than TurnTimeLimit(i), and not less than the limit before.
	Counts [numTurnTimes]uint64
	Total  time.Duration
}

const (
	numTurnTimes  = 16
	shortestLimit = 4 // as a power of two, in µs
)

// TurnTimeLimit returns the limit of a count; the last one has none.
func TurnTimeLimit(i int) (limit time.Duration, limited bool) {
	return time.Microsecond << (shortestLimit + i), i < numTurnTimes-1
}

// add counts a turn.
func (t *TurnTimes) add(d time.Duration) {
	t.Counts[min(bits.Len64(uint64(d/time.Microsecond)>>shortestLimit), numTurnTimes-1)]++
	t.Total += d
}
