package engine

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Backing off: a worker polls on for a while after the last packet, then sleeps a little between polls, then a
// little longer, and after half a second or so without any packet longer still.
const (
	spins      = 256
	shortNaps  = 1024
	longNaps   = 10_000
	shortSleep = 10 * time.Microsecond
	longSleep  = 50 * time.Microsecond
	deepSleep  = 250 * time.Microsecond
)

// idler counts the turns in a row that brought nothing.
type idler struct {
	busy  bool
	empty int
}

// turn notes a turn, sleeps if it is time to, and reports whether it did. What waits to be sent is no reason to forget how long nothing
// has come, but one to stay awake.
func (i *idler) turn(received, unsent bool) (slept bool) {
	if received {
		i.empty = 0
		return false
	}
	i.empty++
	switch {
	case i.busy || unsent || i.empty < spins:
		return false
	case i.empty < shortNaps:
		nap(shortSleep)
	case i.empty < longNaps:
		nap(longSleep)
	default:
		nap(deepSleep)
	}
	return true
}

// pin binds the thread to a CPU and lets it sleep to the microsecond; the kernel's default slack is 50 of them.
func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin a worker to CPU %d: %w; see director.workers", cpu, err)
	}
	return unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0)
}
