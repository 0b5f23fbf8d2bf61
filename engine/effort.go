package engine

// effort is how much a worker has to do. Time is counted by the clock's ticks: one belongs wholly to the turn in which it
// fell, which over many turns gives each kind its share, at the cost of a subtraction a turn.
type effort struct {
	turns   uint64
	busy    uint64 // ms in turns that brought packets
	working bool   // the last turn brought packets
	times   TurnTimes
}

// begin counts a turn, and gives the time since the last one began to what the last one was.
func (f *effort) begin(last, now uint32) {
	f.turns++
	if f.working {
		f.busy += uint64(now - last)
	}
}

// Turns appends to counts how many turns each worker has done, as of some milliseconds ago. One that does not grow any more is
// stuck.
func (e *Engine) Turns(counts []uint64) []uint64 {
	for _, w := range e.workers {
		counts = append(counts, w.published.turns.Load())
	}
	return counts
}
