package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"fulcrum/config"
	"fulcrum/control"
)

// runOptions are the flags of fulcrum run.
type runOptions struct {
	config     string
	report     string
	idleExit   time.Duration
	cpuProfile string
}

func newRunCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the director in the foreground",
		Long: "run starts the director that a configuration file describes. It logs to standard error, says \"director ready\" once\n" +
			"packets flow, stops on SIGTERM or SIGINT, and ends with a table of what it did on standard output; on SIGUSR1 it shows that table at once.\n" +
			"On SIGHUP it reads the file again and applies what has changed; a bad file changes nothing.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr()) },
	}
	c.Flags().StringVar(&o.config, "config", "", "the configuration file")
	c.Flags().StringVar(&o.report, "report", "", "also write what was done to this file, as JSON")
	c.Flags().DurationVar(&o.idleExit, "idle-exit", 0, "end once no packet has come for this long, such as 500ms")
	c.Flags().StringVar(&o.cpuProfile, "cpu-profile", "", "write a CPU profile of the run to this file")
	_ = c.Flags().MarkHidden("cpu-profile") // fails for unknown flags only
	return c
}

// gcPercent is how much garbage there may be, in parts of what is in use, unless GOGC says something else. A collection stops the workers, and Go
// makes one every two minutes whatever there is. Reading the metrics of 10,000 real servers every 15 seconds makes 40 MB of garbage
// meanwhile where 20 MB are in use, so that it is not read that makes them more.
const gcPercent = 400

func (o *runOptions) validate() error {
	switch {
	case o.config == "":
		return errors.New("run needs a configuration: give it with --config FILE")
	case o.idleExit < 0:
		return fmt.Errorf("--idle-exit %s is negative: give the time without a packet after which to end, such as 500ms", o.idleExit)
	}
	return nil
}

func (o *runOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if err := o.validate(); err != nil {
		return &exitError{code: 2, err: err}
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	// A reader of the final table that has gone must not keep the director from giving everything back.
	signal.Ignore(syscall.SIGPIPE)
	cfg, err := loadConfig(o.config, stderr)
	if err != nil {
		return err
	}
	cfg.File = fullPath(cfg.File)
	if err := o.tryReport(); err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: cfg.Director.Log}))
	d, err := newDirector(cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	unserve, err := d.open()
	if err != nil {
		return err
	}
	answered, reread := o.answerReaders(d, stdout), o.rereadOnHangup(d)
	err = o.profiled(func() error { return o.serve(ctx, d, stderr) })
	reread()
	answered()
	err = errors.Join(err, unserve())
	if err != nil {
		return explainFault(err)
	}
	return o.writeReport(d, stdout)
}

// answerReaders reports at each SIGUSR1, until the function that it returns is called.
func (o *runOptions) answerReaders(d *director, stdout io.Writer) (stop func()) {
	return onSignal(syscall.SIGUSR1, func() {
		if err := o.writeReport(d, stdout); err != nil {
			d.log.Warn(err.Error())
		}
	})
}

// rereadOnHangup applies the configuration file anew at each SIGHUP, until the function that it returns is called. A bad file changes nothing.
func (o *runOptions) rereadOnHangup(d *director) (stop func()) {
	return onSignal(syscall.SIGHUP, func() {
		tell(d.log, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
		defer tell(d.log, daemon.SdNotifyReady)
		next, err := config.Load(o.config)
		var plan control.Plan
		if err == nil {
			next.File = fullPath(next.File)
			plan, err = d.running.Apply(next)
		}
		if err != nil {
			for problem := range strings.Lines(err.Error()) {
				d.log.Error("the configuration was read again and nothing changed", "error", strings.TrimSpace(problem))
			}
			return
		}
		d.log.Info("the configuration was read again", "file", o.config, "changes", len(plan.Changes))
	})
}

// onSignal calls f at each such signal, until the function that it returns is called.
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
		signal.Stop(asked)
		close(asked)
		answering.Wait()
	}
}

// fullPath is a file's name for whoever asks for it from elsewhere.
func fullPath(file string) string {
	if full, err := filepath.Abs(file); err == nil {
		return full
	}
	return file
}

// loadConfig reads the configuration and shows everything that is wrong with it.
func loadConfig(file string, stderr io.Writer) (*config.Config, error) {
	cfg, err := config.Load(file)
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			fmt.Fprintln(stderr, p)
		}
		return nil, &exitError{code: 1}
	}
	return cfg, err
}

// serve runs the engine until a signal comes or, if asked for, silence. That the director is ready is said at every
// log level: scripts wait for it.
func (o *runOptions) serve(ctx context.Context, d *director, stderr io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { tell(d.log, daemon.SdNotifyStopping) })()
	return d.engine.Run(ctx, func() {
		slog.New(slog.NewTextHandler(stderr, nil)).Info("director ready", "ports", len(d.cfg.Ports), "services", len(d.cfg.Services))
		tell(d.log, daemon.SdNotifyReady)
		go watchdog(ctx, d.log, d.engine.Turns)
		if o.idleExit > 0 {
			go func() {
				d.engine.AwaitSilence(ctx, o.idleExit)
				cancel()
			}()
		}
	})
}

// profiled runs f, under the CPU profiler if that is asked for.
func (o *runOptions) profiled(f func() error) error {
	if o.cpuProfile == "" {
		return f()
	}
	file, err := os.Create(o.cpuProfile)
	if err != nil {
		return fmt.Errorf("write a CPU profile: %w; see --cpu-profile", err)
	}
	defer file.Close()
	if err := pprof.StartCPUProfile(file); err != nil {
		return fmt.Errorf("start a CPU profile: %w", err)
	}
	defer pprof.StopCPUProfile()
	return f()
}

// tryReport finds out, before anything is started, whether the report can be written.
func (o *runOptions) tryReport() error {
	if o.report == "" {
		return nil
	}
	file, err := os.OpenFile(o.report, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write the report: %w; see --report", err)
	}
	return file.Close()
}

// writeReport shows what the director did: first in the file, so that whoever sees the table finds it there.
func (o *runOptions) writeReport(d *director, stdout io.Writer) error {
	r := d.running.Report()
	if err := o.writeReportFile(r); err != nil {
		return err
	}
	if err := r.WriteTable(stdout); err != nil {
		return fmt.Errorf("write the final table: %w", err)
	}
	return nil
}

// writeReportFile writes the report as JSON, if it is asked for.
func (o *runOptions) writeReportFile(r *control.Report) error {
	if o.report == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.report, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w; see --report", err)
	}
	return nil
}
