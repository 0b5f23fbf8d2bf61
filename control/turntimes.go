package control

import (
	"fmt"
	"time"

	"fulcrum/engine"
)

// TurnCount counts the turns of a worker that took less than a limit, but no less than the limit of
// the TurnCount before. A packet that arrives waits for the end of a turn, so long turns are the
// worker's part of the packets' latency.
type TurnCount struct {
	BelowUs int64  `json:"below_us"` // microseconds; 0 is no limit
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

// LongestTurn returns the bound of a worker's longest turn since its start, such as "below 32µs".
// It returns "-" if the worker has not turned yet.
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
