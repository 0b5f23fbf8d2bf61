package control

import (
	"fmt"
	"time"

	"fulcrum/engine"
)

// TurnCount is how many turns of a worker took less than a limit, and not less than the one before. A packet that comes waits for the end of
// a turn, so that the long ones are what a worker has of the packets' latency.
type TurnCount struct {
	BelowUs int64  `json:"below_us"` // microseconds; 0 is without limit
	Turns   uint64 `json:"turns"`
}

func newTurnCounts(t engine.TurnTimes) []TurnCount {
	counts := make([]TurnCount, len(t.Counts))
	for i, n := range t.Counts {
		counts[i].Turns = n
		if limit, limited := engine.TurnTimeLimit(i); limited {
			counts[i].BelowUs = limit.Microseconds()
		}
	}
	return counts
}

// LongestTurn says how long a worker's longest turn took at most, since its start.
func (w *WorkerReport) LongestTurn() string {
	for i := len(w.TurnTimes) - 1; i >= 0; i-- {
		if c := w.TurnTimes[i]; c.Turns > 0 && c.BelowUs > 0 {
			return fmt.Sprintf("below %v", time.Duration(c.BelowUs)*time.Microsecond)
		} else if c.Turns > 0 {
			return fmt.Sprintf("over %v", time.Duration(w.TurnTimes[i-1].BelowUs)*time.Microsecond)
		}
	}
	return "-"
}
