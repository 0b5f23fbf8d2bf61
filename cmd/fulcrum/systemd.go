package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// tell gives systemd a state of ours (sd_notify(3)). Without systemd nothing happens.
func tell(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn(fmt.Sprintf("systemd does not hear %q: %v; see NotifyAccess= of the unit", state, err))
	}
}

// watchdog tells systemd, as long as ctx lasts, that the director is alive. It is if every worker still turns: one that is
// stuck, in a driver or in a mistake of ours, makes systemd restart the director after WatchdogSec.
func watchdog(ctx context.Context, log *slog.Logger, turns func([]uint64) []uint64) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn(fmt.Sprintf("no watchdog: %v", err))
	}
	if err != nil || interval == 0 {
		return
	}
	ticker := time.NewTicker(interval / 2) // as sd_watchdog_enabled(3) has it
	defer ticker.Stop()
	v := vigil{log: log}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if v.allTurn(turns(nil)) {
			tell(log, daemon.SdNotifyWatchdog)
		}
	}
}

// vigil watches over the workers. It says when one gets stuck and when it goes on, and nothing between.
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
