package engine

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Back-off: a worker keeps polling for a while after the last packet, then sleeps briefly between
// polls, then longer. After about half a second without a packet it sleeps longest.
const (
	spins      = 256
	shortNaps  = 1024
	longNaps   = 10_000
	shortSleep = 10 * time.Microsecond
	longSleep  = 50 * time.Microsecond
	deepSleep  = 250 * time.Microsecond
)

// idler counts the turns in a row without a packet.
type idler struct {
	busy  bool
	empty int
}

// turn notes a turn, sleeps if it is time to, and reports whether it slept. Unsent packets keep the
// worker awake, but do not reset the count of empty turns.
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

// pin binds the thread to a CPU and sets its timer slack to 1 µs; the kernel's default is 50 µs.
func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pin a worker to CPU %d: %w; see director.workers", cpu, err)
	}
	return unix.Prctl(unix.PR_SET_TIMERSLACK, 1000, 0, 0, 0)
}
