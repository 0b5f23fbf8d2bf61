package control

import (
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

// LongestTurn returns a worker's longest turn since its start, such as "32µs". It returns "-" if
// the worker has not turned yet.
func (w *WorkerReport) LongestTurn() string {
	if w.LongestTurnUs == 0 {
		return "-"
	}
	return (time.Duration(w.LongestTurnUs) * time.Microsecond).String()
}
