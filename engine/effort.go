package engine

// effort counts a worker's turns and busy time. A tick of the clock belongs wholly to the turn in
// which it falls. Over many turns that gives each kind its share, at the cost of a comparison a
// turn.
type effort struct {
	turns   uint64
	busy    uint64 // ms in turns that brought packets
	begun   bool   // there was a turn; turns may count those of a process before
	working bool   // the last turn brought packets
	times   TurnTimes
}

// begin counts a turn, and reports whether it is the first of a millisecond. The time since the
// last turn began counts for the last turn's kind.
func (f *effort) begin(last, now uint32) (tick bool) {
	f.turns++
	if now == last && f.begun {
		return false
	}
	f.begun = true
	if f.working {
		f.busy += uint64(now - last)
	}
	return true
}

// Turns appends the number of turns of each worker to counts, as of the last 10 ms. A worker whose
// number does not grow is stuck. Any goroutine may call it.
func (e *Engine) Turns(counts []uint64) []uint64 {
	for _, w := range e.workers {
		counts = append(counts, w.published.turns.Load())
	}
	return counts
}
