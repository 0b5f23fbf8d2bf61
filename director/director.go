package director

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"fulcrum/capture"
	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/handover"
)

// Config says what a Director runs, and on which devices. File and CompileFilter are
// optional.
type Config struct {
	// Config is the configuration to start with, from config.Load or config.Parse. The director's
	// status shows its File.
	Config *config.Config
	// File is the path that Reload reads. Error messages contain it.
	File string
	// State is the folder that keeps what is done live, unless director.state names one. Empty: none.
	State string
	// Devices opens the ports.
	Devices Devices
	// CompileFilter compiles the expressions of captures; see engine.Config. It may be nil.
	CompileFilter func(expression string) (*capture.Program, error)
	// Predecessor is a running director from which this one takes over; nil for none. The director
	// closes it.
	Predecessor *handover.Predecessor
	// Launch starts a program as the successor of this director, and passes files on. It may be nil:
	// then there is no Upgrade.
	Launch func(program string, files handover.Files) (*handover.Successor, error)
	// Log gets notes about ports and CPUs, results of drains, and faults of the running director.
	Log *slog.Logger
}

// Validate returns an error if a required field is missing.
func (c *Config) Validate() error {
	if c.Config == nil || c.Devices == nil || c.Log == nil {
		return errors.New("director: Config, Devices and Log are required")
	}
	return nil
}

// Director runs an engine on the ports of a configuration, with the control API and metrics.
type Director struct {
	cfg      Config
	parts    sequence
	settings engine.Settings
	vigil    vigil
	health   *health

	cpus     *cpus
	keeping  *keeping
	devices  *devices
	hosting  *hosting
	workers  *workers
	serving  *serving
	guards   *guarding
	hosts    *following
	watching *watching
	moves    *moves
	checking *checking
	upgrade  upgrade
	engine   *engine.Engine                 // valid once the part forwarding has started
	running  *control.Running               // valid with engine
	final    atomic.Pointer[control.Report] // the last report; nil until the workers have stopped
}

// New creates a director. It opens nothing before Start.
func New(c Config) (*Director, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	settings := control.EngineSettings(c.Config)
	d := &Director{cfg: c, settings: settings, vigil: vigil{log: c.Log}}
	d.cpus = &cpus{cfg: c}
	d.devices = &devices{Director: d}
	d.hosting = &hosting{Director: d}
	d.workers = newWorkers(d)
	d.serving = &serving{Director: d}
	d.keeping = &keeping{Director: d}
	d.health = newHealth(d)
	d.guards = newGuarding(d)
	d.hosts = &following{Director: d}
	d.watching, d.moves, d.checking = &watching{Director: d}, &moves{Director: d}, &checking{Director: d}
	d.upgrade.init()
	d.parts.parts = []Part{
		d.cpus, d.keeping, d.devices, d.hosting, d.hosts, &forwarding{d}, d.guards,
		&tracking{following: d.hosts}, &answers{d.serving}, &taking{d}, d.watching,
		d.serving, d.workers, d.moves, d.checking,
	}
	return d, nil
}

// Start starts all parts and returns once the workers forward packets. Call it once. If it returns
// an error it has released everything.
func (d *Director) Start() error {
	err := d.fits()
	if err == nil {
		err = d.parts.Start()
	}
	if err != nil {
		d.refuse(err)
		return err
	}
	d.keeping.resumeDrains()
	d.health.set(forwards)
	return d.succeed()
}

// Stop stops all parts and releases everything. If a worker failed, the error contains its
// *engine.Fault; if it ended because of an interface, its *InterfaceReplaced.
func (d *Director) Stop() error {
	d.health.set(stopping)
	d.upgrade.prevent()
	return d.parts.Stop()
}

// Done returns a channel that is closed once the workers have stopped, because one of them failed,
// because the interface of a port was replaced, because a successor took over, or because of Stop.
// Any goroutine may call it.
func (d *Director) Done() <-chan struct{} { return d.upgrade.over }

// Reload reads the configuration's file again and applies what has changed. An invalid file changes
// nothing. A socket whose file was removed is created again first. Any goroutine may call
// it between Start and Stop.
func (d *Director) Reload() (_ control.Plan, err error) {
	defer func() { d.serving.metrics.NoteReload(err) }()
	if err := d.serving.renewSockets(); err != nil {
		d.cfg.Log.Warn("a socket cannot be created again", "error", err)
	}
	next, err := config.Load(d.cfg.File)
	if err != nil {
		return control.Plan{}, err
	}
	next.File = d.cfg.Config.File
	ctx := control.WithActor(context.Background(), control.Actor{Name: "SIGHUP"})
	return d.running.Apply(ctx, next, control.Application{})
}

// Report returns the counters since Start; after Stop, the last ones. Any goroutine may call it
// after Start.
func (d *Director) Report() *control.Report {
	if r := d.final.Load(); r != nil {
		return r
	}
	return d.running.Report()
}

// AwaitSilence returns once no packet has arrived for the duration quiet, or when ctx ends. Any
// goroutine may call it between Start and Stop.
func (d *Director) AwaitSilence(ctx context.Context, quiet time.Duration) {
	d.engine.AwaitSilence(ctx, quiet)
}

// AllTurn reports whether every worker has turned since the last call. It logs when a worker gets
// stuck and when all turn again. One goroutine may call it, between Start and Stop.
func (d *Director) AllTurn() bool { return d.vigil.allTurn(d.engine.Turns(nil)) }

// note logs notes of ports, CPUs and the engine, such as about a missing offload.
func note(log *slog.Logger, notes []string) {
	for _, n := range notes {
		log.Info(n)
	}
}
