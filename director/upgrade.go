package director

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/control"
	"fulcrum/handover"
)

// upgrade hands a running director over to its successor.
type upgrade struct {
	life context.Context // ends with the director
	stop context.CancelFunc

	mu        sync.Mutex // held while one goes on
	stopped   bool       // the director stops; guarded by mu
	successor int        // its process, once it has taken over; guarded by mu
	lost      error      // why it has not, though this director had stopped; guarded by mu
	finished  atomic.Bool

	over chan struct{} // closed once this director has nothing to do any more
}

// done reports whether a successor has taken over.
func (u *upgrade) done() bool { return u.finished.Load() }

func (u *upgrade) init() {
	u.life, u.stop = context.WithCancel(context.Background())
	u.over = make(chan struct{})
}

// prevent ends one that goes on, and lets none begin.
func (u *upgrade) prevent() {
	u.stop()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopped = true
}

// end says that the workers have ended. While they do so for a successor, its start decides.
func (u *upgrade) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	close(u.over)
}

// How long a successor may take: to read its file, start DPDK and enter all sessions, and then to
// begin.
const (
	warmTimeout  = 5 * time.Minute
	beginTimeout = time.Minute
)

// The reasons why an upgrade is not begun.
var (
	errUpgrading = errors.New("another upgrade goes on")
	errStopping  = errors.New("the director is stopping")
	errNoKeep    = errors.New("without session.keep an upgrade would end all sessions: " +
		"set it and restart the director once, or restart it with the new version")
	errNoUpgrade = errors.New("this director cannot start a successor")
)

// Upgrade starts a program as the successor of this director and hands over to it. It returns what
// that says of its start; then this director has ended, and its Stop leaves alone what the successor
// uses. An error before the successor may take over changes nothing. After that, Lost has the error
// too. Changes wait meanwhile. Any goroutine may call it between Start and Stop.
func (d *Director) Upgrade(ctx context.Context, program string) (*control.Succession, error) {
	u := &d.upgrade
	if !u.mu.TryLock() {
		return nil, errUpgrading
	}
	defer u.mu.Unlock()
	handing, can := d.cfg.Devices.(Handing)
	switch {
	case u.stopped:
		return nil, errStopping
	case !can || d.cfg.Launch == nil:
		return nil, errNoUpgrade
	case d.engine.KeepLock() == nil:
		return nil, errNoKeep
	}
	thaw, err := d.running.Freeze(ctx)
	if err != nil {
		return nil, err
	}
	s, err := d.warmUp(ctx, handing, program)
	if err != nil {
		thaw()
		return nil, fmt.Errorf("the director goes on: %w", err)
	}
	report, err := d.handOver(s)
	if err != nil {
		u.lost = err
		return nil, errors.Join(err, s.Abandon())
	}
	u.successor = s.Process()
	u.finished.Store(true)
	return report, s.Release()
}

// Successor returns the process that has taken over from this director, or 0.
func (d *Director) Successor() int {
	d.upgrade.mu.Lock()
	defer d.upgrade.mu.Unlock()
	return d.upgrade.successor
}

// Lost returns why a successor has not taken over though this director had stopped for it, or nil.
// Another director that is started goes on with the sessions.
func (d *Director) Lost() error {
	d.upgrade.mu.Lock()
	defer d.upgrade.mu.Unlock()
	return d.upgrade.lost
}

// warmUp starts a successor and waits until it is ready to take over.
func (d *Director) warmUp(
	ctx context.Context, handing Handing, program string,
) (*handover.Successor, error) {
	files, err := d.files()
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	defer files.Close()
	devices, more, err := handing.Handover()
	if err != nil {
		return nil, err
	}
	files.Add(deviceName, more)
	d.cfg.Log.Info("a successor is starting", "program", program)
	var s *handover.Successor
	err = d.cpus.lend(func() (err error) {
		s, err = d.cfg.Launch(program, files)
		return err
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, warmTimeout)
	defer cancel()
	defer context.AfterFunc(d.upgrade.life, cancel)()
	err = s.Offer(handover.Offer{Keep: d.cfg.Config.Session.Keep, Devices: devices})
	if err == nil {
		err = s.AwaitWarm(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Abandon())
	}
	return s, nil
}

// handOver stops what the successor takes over, and waits until that forwards packets. The time
// without a director begins when the workers stop, which is as late as can be.
func (d *Director) handOver(s *handover.Successor) (*control.Succession, error) {
	handing := d.cfg.Devices.(Handing)
	for _, p := range []Part{d.checking, d.moves, d.watching} {
		if err := d.parts.stop(p); err != nil {
			d.cfg.Log.Warn("stopping for the successor", "error", err)
		}
	}
	d.serving.leave()
	err := errors.Join(d.parts.stop(d.workers), d.parts.stop(d.hosting), handing.Yield())
	d.running.Report() // what it shows is kept: the successor counts on from there
	if err = errors.Join(err, s.Yield()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), beginTimeout)
	defer cancel()
	text, err := s.AwaitForwarding(ctx)
	if err != nil {
		return nil, err
	}
	report := new(control.Succession)
	err = json.Unmarshal(text, report)
	report.Process = s.Process()
	return report, err
}

// upgrader returns what the control API calls, or nil if there is no Upgrade.
func (s *serving) upgrader() func(context.Context, string) (*control.Succession, error) {
	if s.cfg.Launch == nil {
		return nil
	}
	return s.Upgrade
}

// stateFolder returns the folder of what is done live, or "".
func (d *Director) stateFolder() string {
	return cmp.Or(d.cfg.Config.Director.State, d.cfg.State)
}
