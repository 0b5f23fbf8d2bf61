package main

import (
	"context"
	"fmt"
	"log/slog"
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
func watchdog(ctx context.Context, log *slog.Logger, allTurn func() bool) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn(fmt.Sprintf("no watchdog: %v", err))
	}
	if err != nil || interval == 0 {
		return
	}
	ticker := time.NewTicker(interval / 2) // as sd_watchdog_enabled(3) has it
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if allTurn() {
			tell(log, daemon.SdNotifyWatchdog)
		}
	}
}
