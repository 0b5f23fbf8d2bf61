package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"fulcrum/director"
)

// watcher handles signals while a director runs.
type watcher struct {
	*runOptions
	director *director.Director
	log      *slog.Logger
	stdout   io.Writer
}

// watch handles signals until await returns. It calls ready once it can handle them.
func (w *watcher) watch(ctx context.Context, ready func()) error {
	defer w.answerReaders()()
	defer w.rereadOnHangup()()
	ready()
	return w.profiled(func() { w.await(ctx) })
}

// await returns when a signal arrives, when the director has failed, or with --idle-exit after
// silence.
func (w *watcher) await(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { watchdog(ctx, w.log, w.director.AllTurn) })
	if w.idleExit > 0 {
		watching.Go(func() {
			w.director.AwaitSilence(ctx, w.idleExit)
			cancel()
		})
	}
	select {
	case <-ctx.Done():
		tell(w.log, daemon.SdNotifyStopping)
	case <-w.director.Done():
	}
}

// answerReaders reports at each SIGUSR1 until the returned function is called.
func (w *watcher) answerReaders() (stop func()) {
	return onSignal(syscall.SIGUSR1, func() {
		if err := w.writeReport(w.director, w.stdout); err != nil {
			w.log.Warn(err.Error())
		}
	})
}

// rereadOnHangup reloads the configuration file at each SIGHUP until the returned function is
// called.
func (w *watcher) rereadOnHangup() (stop func()) {
	return onSignal(syscall.SIGHUP, func() {
		tell(w.log, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
		defer tell(w.log, daemon.SdNotifyReady)
		plan, err := w.director.Reload()
		if err != nil {
			for problem := range strings.Lines(err.Error()) {
				problem = strings.TrimSpace(problem)
				w.log.Error("the configuration was read again and nothing changed", "error", problem)
			}
			return
		}
		w.log.Info("the configuration was read again", "file", w.config, "changes", len(plan.Changes))
	})
}

// onSignal calls f at each such signal until the returned function is called. Later signals are
// ignored, because a director that stops still has to give everything back.
func onSignal(s os.Signal, f func()) (stop func()) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, s)
	var answering sync.WaitGroup
	answering.Go(func() {
		for range asked {
			f()
		}
	})
	return func() {
		signal.Ignore(s)
		signal.Stop(asked)
		close(asked)
		answering.Wait()
	}
}
