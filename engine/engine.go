package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/conntrack"
	"fulcrum/neighbour"
	"fulcrum/ports"
	"fulcrum/steer"
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
	CPUs     []int // one worker each, pinned there; a CPU may come twice
	Sessions int   // for the whole director
	// SessionsV6 are IPv6 sessions, for the whole director besides Sessions; 0 is none.
	SessionsV6 int
	Huge       bool // huge pages for sessions, if there are any
	Idle       Idle
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
	case len(c.CPUs) == 0:
		return errors.New("engine: no worker")
	case c.Sessions < len(c.CPUs):
		return fmt.Errorf("engine: %d sessions for %d workers; raise session.max", c.Sessions, len(c.CPUs))
	case c.SessionsV6 != 0 && c.SessionsV6 < len(c.CPUs):
		return fmt.Errorf("engine: %d IPv6 sessions for %d workers; raise session.max_v6", c.SessionsV6, len(c.CPUs))
	}
	return nil
}

// Engine is a running director: its workers and what they share.
type Engine struct {
	cfg      Config
	registry *registry
	snap     atomic.Pointer[snapshot]
	workers  []*Worker
	steering steer.Steering
	news     neighbour.News

	announcements announcements
	limits        limits

	capturing sync.Mutex // held by the one capture that there may be
	listing   sync.Mutex // held for each piece of a listing: all of them together cost a worker as much as one
}

// New makes an engine that does what settings say. Nothing moves until Run.
func New(cfg Config, settings Settings) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, registry: newRegistry(len(cfg.CPUs))}
	e.steering = steer.New(cfg.Ports, len(cfg.CPUs), newRandom(cfg.Seed).Uint64())
	e.limits.tooBig.setKey(newRandom(cfg.Seed))
	if err := e.Apply(settings); err != nil {
		return nil, err
	}
	for i := range cfg.CPUs {
		w, err := e.newWorker(i)
		e.workers = append(e.workers, w)
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	e.connect()
	return e, nil
}

// connect gives the workers their queues and their ways to each other.
func (e *Engine) connect() {
	for _, p := range e.cfg.Ports {
		e.connectPort(p)
	}
	if len(e.workers) == 1 {
		return
	}
	all := newHandoffs(len(e.workers))
	for i, w := range e.workers {
		w.outgoing = all[i]
		for _, row := range all {
			w.incoming = append(w.incoming, row[i])
		}
	}
}

// connectPort gives each worker a queue of the port. Where there are fewer, some share one for sending and receive nothing.
func (e *Engine) connectPort(p ports.Port) {
	queues := make([]ports.Queue, min(p.Queues(), len(e.workers)))
	for i := range queues {
		queues[i] = p.Queue(i)
		if len(queues) < len(e.workers) {
			queues[i] = ports.NewShared(queues[i])
		}
	}
	for i, w := range e.workers {
		w.queues = append(w.queues, queues[i%len(queues)])
		w.receives = append(w.receives, i < len(queues))
	}
}

func (e *Engine) newWorker(i int) (*Worker, error) {
	w := &Worker{engine: e, number: i, neighbours: newNeighbours(e.cfg.Ports, i), random: newRandom(e.cfg.Seed), fragments: newFragments(e.cfg.Seed)}
	var err error
	w.sessions, err = conntrack.New(conntrack.Config{
		Max:      e.cfg.Sessions / len(e.cfg.CPUs),
		MaxV6:    e.cfg.SessionsV6 / len(e.cfg.CPUs),
		Timeouts: e.snap.Load().settings.Timeouts,
		Huge:     e.cfg.Huge,
		Ended:    w.sessionEnded,
		Seed:     e.cfg.Seed,
	})
	if err != nil {
		return w, fmt.Errorf("worker %d: %w", i, err)
	}
	w.out = make([]ports.Burst, len(e.cfg.Ports))
	w.counters.ports = make([]PortTotals, len(e.cfg.Ports))
	w.counters.handedOver = make([]uint64, len(e.cfg.CPUs))
	w.published.ports = make([][2]atomic.Uint64, len(e.cfg.Ports))
	w.published.handedOver = make([]atomic.Uint64, len(e.cfg.CPUs))
	if w.peers, err = reserve[peer](maxServers); err != nil {
		return w, err
	}
	w.published.servers, err = reserve[publishedTraffic](maxServers)
	return w, err
}

func newRandom(seed uint64) *rand.Rand {
	if seed == 0 {
		return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return rand.New(rand.NewPCG(seed, seed))
}

// Close gives back the session tables and what was counted of real servers. The workers must have
// stopped.
func (e *Engine) Close() error {
	e.registry.mu.Lock() // what was counted may be being read
	defer e.registry.mu.Unlock()
	var err error
	for _, w := range e.workers {
		err = errors.Join(err, w.close())
	}
	return err
}

// close gives back the worker's memory, also that of one that could not be made.
func (w *Worker) close() error {
	err := errors.Join(giveBack(w.peers), giveBack(w.published.servers))
	w.peers, w.published.servers = nil, nil
	if w.sessions != nil {
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

// Run runs the workers until ctx ends, or until one of them fails: then it returns a Fault. It calls ready once all of them
// poll.
func (e *Engine) Run(ctx context.Context, ready func()) error {
	r := run{started: make(chan error, len(e.workers)), failed: make(chan *Fault, len(e.workers))}
	r.turning.Add(len(e.workers))
	var running sync.WaitGroup
	for i, w := range e.workers {
		running.Go(func() { e.runWorker(w, e.cfg.CPUs[i], &r) })
	}
	err := e.awaitStart(r.started)
	if err == nil {
		ready()
		select {
		case <-ctx.Done():
		case f := <-r.failed:
			err = f
		}
	}
	r.stop.Store(true)
	running.Wait()
	return err
}

// run is what the workers of one Run share.
type run struct {
	started chan error
	failed  chan *Fault
	stop    atomic.Bool
	turning sync.WaitGroup // workers that may still hand packets over
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
func (e *Engine) runWorker(w *Worker, cpu int, r *run) {
	runtime.LockOSThread()
	if err := e.enterThread(cpu); err != nil {
		r.turning.Done()
		r.started <- err
		return
	}
	if e.cfg.LeaveThread != nil {
		defer e.cfg.LeaveThread()
	}
	fault := w.start(r)
	if fault == nil {
		fault = w.work(r)
	}
	r.turning.Done()
	if fault != nil {
		r.failed <- fault
		return // what it holds cannot be trusted
	}
	r.turning.Wait()
	w.stop()
}

// start turns for the first time, and says how that went.
func (w *Worker) start(r *run) *Fault {
	fault := w.guarded(func() { w.Turn(NewClock().Now()) })
	if fault != nil {
		r.started <- fault
		return fault
	}
	r.started <- nil
	return nil
}

// work turns until the run stops.
func (w *Worker) work(r *run) *Fault {
	return w.guarded(func() { w.loop(NewClock(), &r.stop) })
}

// guarded makes a panic a Fault.
func (w *Worker) guarded(f func()) (fault *Fault) {
	defer func() {
		if v := recover(); v != nil {
			fault = w.fault(v, debug.Stack())
		}
	}()
	f()
	return nil
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

// patience is how many naps a worker takes until those to which it hands packets over are no longer far behind: they may be waiting
// for its CPU. Meanwhile packets wait in the device.
const patience = 100

// loop turns until stop.
func (w *Worker) loop(clock *Clock, stop *atomic.Bool) {
	idle := idler{busy: w.engine.cfg.Idle == IdleBusy}
	began := time.Duration(0) // when the last turn did; 0 if the worker has slept since, or there was none
	for !stop.Load() {
		now := clock.Now()
		if began > 0 {
			w.effort.times.add(clock.read - began)
		}
		began = clock.read
		n := w.Turn(now)
		if n > 0 {
			w.received.Add(uint64(n))
		}
		slept := idle.turn(n > 0, w.unsent() > 0)
		if w.waitForOthers(&idle) || slept {
			began = 0
		}
	}
}

// waitForOthers sleeps while another worker is far behind, and reports whether it had to.
func (w *Worker) waitForOthers(idle *idler) (slept bool) {
	for i := 0; i < patience && w.ahead && !idle.busy; i++ {
		nap(longSleep)
		w.publishHandoffs()
		slept = true
	}
	return slept
}

// AwaitSilence returns when no packet has come for the given time, or when ctx ends.
func (e *Engine) AwaitSilence(ctx context.Context, quiet time.Duration) {
	ticker := time.NewTicker(max(quiet/10, time.Millisecond))
	defer ticker.Stop()
	s := silence{e.received(), time.Now()}
	for s.lasted(e.received(), time.Now()) < quiet {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// silence is the time since the last packet, as far as it is known.
type silence struct {
	received uint64
	since    time.Time
}

// lasted is told how many packets have been received by now, and says for how long there has been none.
func (s *silence) lasted(received uint64, now time.Time) time.Duration {
	if received != s.received {
		*s = silence{received, now}
	}
	return now.Sub(s.since)
}

// received counts the packets of all workers.
func (e *Engine) received() uint64 {
	n := uint64(0)
	for _, w := range e.workers {
		n += w.received.Load()
	}
	return n
}
