package director

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
)

// Config says what a Director runs, and on what.
type Config struct {
	// Config is the configuration to start with, as config.Load or config.Parse returned it. Its
	// File is shown to those who ask for the director's status.
	Config *config.Config
	// File is what Reload reads, by the name that messages have.
	File    string
	Devices Devices
	// Log hears what was found, of drains and of what goes wrong while the director runs.
	Log *slog.Logger
}

// Validate reports what is missing.
func (c *Config) Validate() error {
	if c.Config == nil || c.Devices == nil || c.Log == nil {
		return errors.New("director: a configuration, devices and a log are needed")
	}
	return nil
}

// Director is an engine on the ports of a configuration, with its ways to the outside.
type Director struct {
	cfg      Config
	parts    sequence
	settings engine.Settings
	vigil    vigil

	devices *devices
	workers *workers
	engine  *engine.Engine                 // valid from the engine's start on
	running *control.Running               // likewise
	final   atomic.Pointer[control.Report] // what was done, once the workers have stopped
}

// New makes a director, which begins with Start.
func New(c Config) (*Director, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	settings := control.EngineSettings(c.Config)
	d := &Director{cfg: c, settings: settings, vigil: vigil{log: c.Log}}
	kept := &cpus{cfg: c}
	d.devices = &devices{cfg: c, cpus: kept}
	d.workers = &workers{director: d, ended: make(chan struct{})}
	d.parts.parts = []Part{kept, d.devices, &forwarding{d}, &serving{Director: d}, d.workers}
	return d, nil
}

// Start starts everything and returns once packets flow. It is called once. After an error nothing
// is left behind.
func (d *Director) Start() error { return d.parts.Start() }

// Stop stops everything and gives it back. Its error has the engine.Fault of a worker, if that is
// why the workers stopped.
func (d *Director) Stop() error { return d.parts.Stop() }

// Done is closed once the workers have stopped, because one of them failed or Stop was called.
// Anyone may wait for it.
func (d *Director) Done() <-chan struct{} { return d.workers.ended }

// Reload reads the configuration's file again and applies what has changed. A bad file changes
// nothing. Valid between Start and Stop, for any goroutine.
func (d *Director) Reload() (control.Plan, error) {
	next, err := config.Load(d.cfg.File)
	if err != nil {
		return control.Plan{}, err
	}
	next.File = d.cfg.Config.File
	return d.running.Apply(next)
}

// Report returns what has been done so far, or had been done in the end. Valid after Start, also
// after Stop, for any goroutine.
func (d *Director) Report() *control.Report {
	if r := d.final.Load(); r != nil {
		return r
	}
	return d.running.Report()
}

// AwaitSilence returns once no packet has come for a time, or when ctx ends. Valid between Start
// and Stop, for any goroutine.
func (d *Director) AwaitSilence(ctx context.Context, quiet time.Duration) {
	d.engine.AwaitSilence(ctx, quiet)
}

// AllTurn reports whether every worker has turned since it was last asked. It tells the log when
// one gets stuck and when it goes on. Valid between Start and Stop, for one goroutine.
func (d *Director) AllTurn() bool { return d.vigil.allTurn(d.engine.Turns(nil)) }

// note tells a log what something has to do without.
func note(log *slog.Logger, notes []string) {
	for _, n := range notes {
		log.Info(n)
	}
}
