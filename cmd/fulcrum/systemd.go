package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// tell sends a state to systemd (sd_notify(3)). Without systemd it does nothing.
func tell(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn(fmt.Sprintf("tell systemd %q: %v; see NotifyAccess= of the unit", state, err))
	}
}

// watchdog reports to systemd until ctx ends that the director is alive, which holds while every
// worker turns. If one hangs, in a driver or by a bug of ours, systemd restarts the director after
// WatchdogSec.
func watchdog(ctx context.Context, log *slog.Logger, allTurn func() bool) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn(fmt.Sprintf("read the watchdog's interval: %v; the watchdog is off", err))
	}
	if err != nil || interval == 0 {
		return
	}
	ticker := time.NewTicker(interval / 2) // as sd_watchdog_enabled(3) recommends
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
