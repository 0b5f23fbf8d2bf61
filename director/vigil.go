package director

import (
	"log/slog"
	"slices"
)

// vigil watches the workers. It logs when the set of stuck workers changes.
type vigil struct {
	log   *slog.Logger
	last  []uint64 // turns of each worker at the last call
	stuck []int    // the stuck workers at the last call
}

// allTurn reports whether every worker has turned since the last call.
func (v *vigil) allTurn(turns []uint64) bool {
	var stuck []int
	for i := range v.last {
		if turns[i] == v.last[i] {
			stuck = append(stuck, i)
		}
	}
	if !slices.Equal(stuck, v.stuck) {
		v.say(stuck)
	}
	v.last, v.stuck = turns, stuck
	return len(stuck) == 0
}

func (v *vigil) say(stuck []int) {
	if len(stuck) == 0 {
		v.log.Info("all workers turn again")
		return
	}
	v.log.Error("workers are stuck; the watchdog is not notified until they turn again",
		"workers", stuck)
}
