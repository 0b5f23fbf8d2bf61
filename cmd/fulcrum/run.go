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
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/director"
	"fulcrum/engine"
	"fulcrum/handover"
)

// runOptions holds the flags of fulcrum run.
type runOptions struct {
	config     string
	state      string
	report     string
	idleExit   time.Duration
	cpuProfile string
}

func newRunCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run [FILE]",
		Short: "Run the director in the foreground",
		Long: "run starts the director that a configuration file describes, " + defaultFile + "\n" +
			"unless another one is given. It logs to standard error, and logs\n" +
			"\"director ready\" once packets flow. It stops on SIGTERM or SIGINT and prints a table of its counts\n" +
			"to standard output. On SIGUSR1 it prints that table and continues. On SIGHUP it reads the file\n" +
			"again and applies the changes; an invalid file changes nothing.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, files []string) error {
			if err := o.choose(c, files); err != nil {
				return &exitError{code: 2, err: err}
			}
			return o.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&o.config, "config", defaultFile,
		"the configuration file, as FILE")
	c.Flags().StringVar(&o.state, "state", "",
		"keep what is done live in this folder, unless director.state names another one")
	completeFlag(c, "state", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	c.Flags().StringVar(&o.report, "report", "", "also write the counts to this file, as JSON")
	c.Flags().DurationVar(&o.idleExit, "idle-exit", 0,
		"end once no packet has arrived for this long, such as 500ms")
	c.Flags().StringVar(&o.cpuProfile, "cpu-profile", "",
		"write a CPU profile of the run to this file")
	_ = c.Flags().MarkHidden("cpu-profile") // fails only for an unknown flag
	return c
}

// defaultFile is the configuration file of the packages and the systemd unit.
const defaultFile = "/etc/fulcrum/fulcrum.toml"

// choose takes the configuration file that is given without --config.
func (o *runOptions) choose(c *cobra.Command, files []string) error {
	switch {
	case len(files) == 0 && o.config == "":
		return errors.New("no configuration: give a FILE")
	case len(files) == 0:
	case c.Flags().Changed("config"):
		return fmt.Errorf("%s and --config %s are two configuration files: give one of them", files[0],
			o.config)
	default:
		o.config = files[0]
	}
	return nil
}

// gcPercent is how far the heap may grow between two collections, in percent of what is in use,
// unless GOGC sets it. A collection stops the workers. Go makes one every two minutes in any case.
// Reading the metrics of 10,000 real servers every 15 seconds makes 40 MB of garbage in that time,
// with 20 MB in use: so it causes no further collections.
const gcPercent = 400

func (o *runOptions) validate() error {
	if o.idleExit < 0 {
		return fmt.Errorf("invalid --idle-exit %s: it is negative; give the time without packets, such as 500ms", o.idleExit)
	}
	return nil
}

func (o *runOptions) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := o.validate(); err != nil {
		return &exitError{code: 2, err: err}
	}
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	// The director gives everything back even if the reader of the final table has gone.
	signal.Ignore(syscall.SIGPIPE)
	before, err := handover.FromEnvironment()
	if err != nil {
		return err
	}
	cfg, err := o.prepare(stderr)
	if err != nil {
		if before != nil {
			before.Fail(fmt.Errorf("%s cannot be used: %w", o.config, err))
		}
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	log := newLog(stderr, cfg.Director.Log)
	d, err := director.New(director.Config{
		Config: cfg, File: o.config, State: o.state, Devices: &dpdkDevices{log: log},
		CompileFilter: compileFilter, Log: log, Predecessor: before, Launch: handover.Start,
	})
	if err != nil {
		return err
	}
	if err := d.Start(); err != nil {
		return explainFault(err)
	}
	// It is logged at every log level: scripts wait for it.
	ready := func() {
		loud := newLog(stderr, slog.LevelInfo)
		loud.Info("director ready", "ports", len(cfg.Ports), "services", len(cfg.Services))
		tell(log, daemon.SdNotifyReady)
	}
	w := &watcher{o, d, log, stdout}
	err = w.watch(ctx, ready)
	if next := d.Successor(); next != 0 {
		tell(log, fmt.Sprintf("MAINPID=%d", next))
		log.Info("the successor forwards packets; this process ends", "process", next)
		return errors.Join(err, d.Stop())
	}
	err = errors.Join(err, d.Stop())
	if lost := d.Lost(); lost != nil {
		return startAgain(log, lost)
	}
	if _, failed := errors.AsType[*engine.Fault](err); failed {
		return explainFault(err)
	}
	err = errors.Join(o.writeReport(d, stdout), err)
	if _, replaced := errors.AsType[*director.InterfaceReplaced](err); replaced {
		return &exitError{code: statusStartAgain, err: err}
	}
	return err
}

// startAgain puts this very program in the place of this process. Another process that was to take
// over has failed when it was too late.
func startAgain(log *slog.Logger, lost error) error {
	log.Error("the successor did not take over; the director starts again", "error", lost)
	return os.NewSyscallError("execve", syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// statusStartAgain is the exit status of a director that works again once it is started anew.
const statusStartAgain = 4

// prepare reads the configuration, and tries what can be tried before anything is started.
func (o *runOptions) prepare(stderr io.Writer) (*config.Config, error) {
	cfg, err := loadConfig(o.config, stderr)
	if err != nil {
		return nil, err
	}
	cfg.File = fullPath(cfg.File)
	return cfg, o.tryReport()
}

// fullPath returns the absolute path of a file, which other processes can use.
func fullPath(file string) string {
	if full, err := filepath.Abs(file); err == nil {
		return full
	}
	return file
}

// loadConfig reads the configuration and prints all its problems.
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

// profiled runs f, under the CPU profiler if --cpu-profile is given.
func (o *runOptions) profiled(f func()) error {
	if o.cpuProfile == "" {
		f()
		return nil
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
	f()
	return nil
}

// tryReport checks that the report can be written, before anything is started.
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

// writeReport writes the report to its file and then prints the table. A reader that sees the table
// finds the file complete.
func (o *runOptions) writeReport(d *director.Director, stdout io.Writer) error {
	r := d.Report()
	if err := o.writeReportFile(r); err != nil {
		return err
	}
	if err := r.WriteTable(stdout); err != nil {
		return fmt.Errorf("write the final table: %w", err)
	}
	return nil
}

// writeReportFile writes the report as JSON if --report is given.
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
