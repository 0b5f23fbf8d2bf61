package director

import (
	"log/slog"
	"slices"
)

// vigil watches over the workers. It says when one gets stuck and when it goes on, and nothing
// between.
type vigil struct {
	log   *slog.Logger
	last  []uint64
	stuck []int
}

// allTurn reports whether every worker has turned since it was last asked.
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
	v.log.Error("workers do not turn any more; the watchdog hears nothing until they do", "workers", stuck)
}
