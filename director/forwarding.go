package director

import (
	"context"
	"errors"

	"fulcrum/control"
	"fulcrum/engine"
)

// forwarding is the part that creates the engine and its running configuration. It starts no
// worker.
type forwarding struct{ *Director }

func (f *forwarding) Start() (err error) {
	c := control.EngineConfig(f.cfg.Config)
	c.Ports = f.devices.ports
	c.EnterThread, c.LeaveThread = f.cfg.Devices.EnterThread, f.cfg.Devices.LeaveThread
	c.CompileFilter = f.cfg.CompileFilter
	c.Host = f.hosting.links()
	if before := f.cfg.Predecessor; before != nil {
		c.Successor, c.KeepLock = true, before.Files.Take(keepName)
	}
	if f.engine, err = engine.New(c, f.settings); err != nil {
		return err
	}
	note(f.cfg.Log, f.engine.Notes())
	for _, w := range f.cfg.Config.Warnings() {
		f.cfg.Log.Warn(w)
	}
	f.running = control.NewRunning(f.engine, f.cfg.Config)
	f.running.Log, f.running.Kernel = f.cfg.Log, f.guards
	if ways := f.hosting.ways(f.engine); ways != nil {
		f.running.UseWays(ways)
	}
	f.keeping.resume(f.running)
	f.Director.hosts.resume(f.running)
	if err := f.running.PrepareChecks(); err != nil {
		return errors.Join(err, f.Stop())
	}
	return nil
}

// Stop keeps the last report, since the devices' counters disappear when the ports close.
func (f *forwarding) Stop() error {
	f.running.Close()
	f.final.Store(f.running.Report())
	return f.engine.Close()
}

// workers is the part that runs the engine's workers.
type workers struct {
	director *Director
	life     context.Context // the workers run until it ends
	end      context.CancelCauseFunc
	ended    chan struct{} // closed once the workers have stopped
	err      error         // why they stopped; valid once ended is closed
}

func newWorkers(d *Director) *workers {
	w := &workers{director: d, ended: make(chan struct{})}
	w.life, w.end = context.WithCancelCause(context.Background())
	return w
}

func (w *workers) Start() error {
	ready := make(chan struct{})
	go func() {
		defer w.director.upgrade.end()
		defer close(w.ended)
		w.err = w.director.engine.Run(w.life, func() { close(ready) })
	}()
	select {
	case <-ready:
		w.director.noteKept()
		return nil
	case <-w.ended:
		w.end(nil)
		return w.err
	}
}

// Stop returns why the workers had ended before, if they had.
func (w *workers) Stop() error {
	w.end(nil)
	<-w.ended
	if why := context.Cause(w.life); why != context.Canceled {
		return errors.Join(w.err, why)
	}
	return w.err
}
