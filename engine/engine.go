package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/conntrack"
	"fulcrum/ports"
)

// Idle says what a worker does when its queues are empty.
type Idle uint8

const (
	IdleAdaptive Idle = iota // backs off to short sleeps
	IdleBusy                 // goes on polling
)

// Config describes an Engine: what is fixed from start to end.
type Config struct {
	Ports    []ports.Port
	CPUs     []int // one worker each, pinned there
	Sessions int   // for the whole director
	Timeouts conntrack.Timeouts
	Huge     bool // huge pages for sessions, if there are any
	Idle     Idle
	// EnterThread and LeaveThread, if set, are called on each worker's thread before its first and after its last
	// use of a queue: drivers may want to know their threads.
	EnterThread func() error
	LeaveThread func()
	// Seed makes hashing and local ports repeatable in tests; 0 draws secrets.
	Seed uint64
}

// Validate reports what is wrong with the configuration.
func (c *Config) Validate() error {
	switch {
	case len(c.Ports) == 0:
		return errors.New("engine: no port")
	case len(c.CPUs) != 1:
		return fmt.Errorf("engine: %d workers asked for; one is supported", len(c.CPUs))
	}
	return nil
}

// Engine is a running director: its workers and what they share.
type Engine struct {
	cfg      Config
	registry *registry
	snap     atomic.Pointer[snapshot]
	workers  []*Worker
	received atomic.Uint64 // packets of all workers, for those who wait for silence

	mu     sync.Mutex // serialises Apply
	epochs uint16
}

// New makes an engine that does what settings say. Nothing moves until Run.
func New(cfg Config, settings Settings) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, registry: newRegistry()}
	e.Apply(settings)
	for i := range cfg.CPUs {
		w, err := e.newWorker(i)
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
		e.workers = append(e.workers, w)
	}
	return e, nil
}

func (e *Engine) newWorker(i int) (*Worker, error) {
	w := &Worker{engine: e, neighbours: newNeighbourTable(e.cfg.Ports), random: newRandom(e.cfg.Seed)}
	var err error
	w.sessions, err = conntrack.New(conntrack.Config{
		Max:      e.cfg.Sessions / len(e.cfg.CPUs),
		Timeouts: e.cfg.Timeouts,
		Huge:     e.cfg.Huge,
		Ended:    w.sessionEnded,
		Seed:     e.cfg.Seed,
	})
	if err != nil {
		return nil, fmt.Errorf("worker %d: %w", i, err)
	}
	for _, p := range e.cfg.Ports {
		w.queues = append(w.queues, p.Queue(i))
	}
	w.out = make([]ports.Burst, len(w.queues))
	w.counters.ports = make([]PortTotals, len(w.queues))
	w.published.ports = make([][2]atomic.Uint64, len(w.queues))
	w.published.servers.Store(new([]publishedTraffic))
	return w, nil
}

func newRandom(seed uint64) *rand.Rand {
	if seed == 0 {
		return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return rand.New(rand.NewPCG(seed, seed))
}

// Close gives back the session tables. The workers must have stopped.
func (e *Engine) Close() error {
	var err error
	for _, w := range e.workers {
		err = errors.Join(err, w.sessions.Close())
	}
	return err
}

// Notes says what the engine has to do without.
func (e *Engine) Notes() []string {
	var notes []string
	for _, w := range e.workers {
		notes = append(notes, w.sessions.Notes()...)
	}
	return notes
}

// Apply publishes new settings, which have been validated. Workers take them up at their next turn.
func (e *Engine) Apply(s Settings) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.epochs++
	e.snap.Store(buildSnapshot(s, e.cfg.Ports, e.registry, e.epochs))
}

// Run runs the workers until ctx ends. It calls ready once all of them poll.
func (e *Engine) Run(ctx context.Context, ready func()) error {
	started := make(chan error, len(e.workers))
	stop := new(atomic.Bool)
	var running sync.WaitGroup
	for i, w := range e.workers {
		running.Go(func() { e.runWorker(w, e.cfg.CPUs[i], stop, started) })
	}
	err := e.awaitStart(started)
	if err == nil {
		ready()
		<-ctx.Done()
	}
	stop.Store(true)
	running.Wait()
	return err
}

func (e *Engine) awaitStart(started <-chan error) error {
	var err error
	for range e.workers {
		err = errors.Join(err, <-started)
	}
	return err
}

// runWorker is a worker's life on its own thread. The thread ends with it, because its CPU affinity would
// surprise whoever came next.
func (e *Engine) runWorker(w *Worker, cpu int, stop *atomic.Bool, started chan<- error) {
	runtime.LockOSThread()
	if err := e.enterThread(cpu); err != nil {
		started <- err
		return
	}
	if e.cfg.LeaveThread != nil {
		defer e.cfg.LeaveThread()
	}
	clock := NewClock()
	w.Turn(clock.Now())
	started <- nil
	w.loop(clock, stop)
	w.stop()
}

func (e *Engine) enterThread(cpu int) error {
	if err := pin(cpu); err != nil {
		return err
	}
	if e.cfg.EnterThread == nil {
		return nil
	}
	return e.cfg.EnterThread()
}

// loop turns until stop.
func (w *Worker) loop(clock *Clock, stop *atomic.Bool) {
	idle := idler{busy: w.engine.cfg.Idle == IdleBusy}
	for !stop.Load() {
		n := w.Turn(clock.Now())
		if n > 0 {
			w.engine.received.Add(uint64(n))
		}
		idle.turn(n == 0 && w.unsent() == 0)
	}
}

// AwaitSilence returns when no packet has come for the given time, or when ctx ends.
func (e *Engine) AwaitSilence(ctx context.Context, quiet time.Duration) {
	ticker := time.NewTicker(max(quiet/10, time.Millisecond))
	defer ticker.Stop()
	last, since := e.received.Load(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if n := e.received.Load(); n != last {
			last, since = n, time.Now()
		} else if time.Since(since) >= quiet {
			return
		}
	}
}
