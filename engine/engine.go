package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"fulcrum/capture"
	"fulcrum/conntrack"
	"fulcrum/hostway"
	"fulcrum/neighbour"
	"fulcrum/persist"
	"fulcrum/ports"
	"fulcrum/steer"
)

// Idle says what a worker does when its queues are empty.
type Idle uint8

const (
	IdleAdaptive Idle = iota // backs off to short sleeps
	IdleBusy                 // keeps polling
)

// Config describes an Engine: what cannot change while it runs.
type Config struct {
	Ports    []ports.Port
	CPUs     []int // one worker for each, pinned to it; a CPU may be named twice
	Sessions int   // table size for the whole director
	// SessionsV6 is the table size for IPv6, for the whole director and in addition to Sessions.
	// Zero means no IPv6 sessions.
	SessionsV6 int
	// Templates is how many templates persistent services may have, in the whole director. Zero
	// means 100,000.
	Templates int
	Huge      bool // use huge pages for sessions if the system has any
	Idle      Idle
	// EnterThread and LeaveThread, if set, are called on each worker's thread, before its first and
	// after its last use of a queue. Drivers register their threads with them.
	EnterThread func() error
	LeaveThread func()
	// CompileFilter compiles an expression in libpcap's language for captures. Without it there are
	// no such captures. Any goroutine may call it.
	CompileFilter func(expression string) (*capture.Program, error)
	// Host connects each worker with the host: the kernel's stack behind the host interfaces of ports.
	// It is nil if no port has one.
	Host []*hostway.Link
	// Keep is a folder for sessions and counters that outlive the process; see KeptReport. Empty:
	// none do.
	Keep string
	// Successor has New take over the sessions of a director that still runs with the same folder, and
	// whose lock of it is KeepLock (Engine.KeepLock). What changes afterwards is for TakeOver.
	Successor bool
	KeepLock  *os.File
	now       func() uint32 // in tests; ms, as Clock.Now
	// Seed makes hashing and local ports repeatable in tests. Zero draws secrets.
	Seed uint64
}

// Validate reports the first error of the configuration.
func (c *Config) Validate() error {
	switch {
	case len(c.Ports) == 0:
		return errors.New("engine: no port")
	case len(c.CPUs) == 0:
		return errors.New("engine: no worker")
	case c.Sessions < len(c.CPUs):
		return fmt.Errorf("engine: %d sessions for %d workers; raise session.max",
			c.Sessions, len(c.CPUs))
	case c.SessionsV6 != 0 && c.SessionsV6 < len(c.CPUs):
		return fmt.Errorf("engine: %d IPv6 sessions for %d workers; raise session.max_v6",
			c.SessionsV6, len(c.CPUs))
	case c.Successor && (c.Keep == "" || c.KeepLock == nil):
		return errors.New("engine: a successor needs the folder of the sessions, and its lock")
	case c.Host != nil && len(c.Host) != len(c.CPUs):
		return fmt.Errorf("engine: %d links to the host for %d workers", len(c.Host), len(c.CPUs))
	}
	return nil
}

// Engine is a director: its workers and what they share.
type Engine struct {
	cfg      Config
	registry *registry
	drawSeed uint64       // of random numbers for schedulers; does not change
	counting sync.RWMutex // locked by Close, and for reading by those who read real servers' counters
	// templates is used by all workers, for new sessions of persistent services only.
	templates *persist.Table
	snap      atomic.Pointer[snapshot]
	workers   []*Worker
	steering  steer.Steering
	news      neighbour.News

	announcements announcements
	conflicts     conflicts
	limits        limits
	inquiries     inquiries

	hostVIPs atomic.Pointer[[]netip.Addr] // see SetHostVIPs
	host     *hostShared                  // nil if no port has a host interface
	checks   *checkTargets                // nil likewise
	kept     *keeping                     // nil if no sessions outlive the process

	capture atomic.Pointer[RunningCapture] // nil unless a capture runs
	// listing is held for one piece of a listing, so that several listings cost a worker as much
	// as one.
	listing sync.Mutex
}

// New makes an engine with the given settings. It processes nothing until Run. The caller closes it
// with Close.
func New(cfg Config, settings Settings) (*Engine, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.now == nil {
		cfg.now = NewClock().Now
	}
	e := &Engine{
		cfg: cfg, registry: newRegistry(len(cfg.CPUs)), drawSeed: newRandom(cfg.Seed).Uint64(),
	}
	secret := newRandom(cfg.Seed).Uint64()
	var before *keptRun
	if cfg.Keep != "" {
		var err error
		if before, err = e.keepIn(cfg.Keep, secret); err != nil {
			return nil, err
		}
		secret = e.kept.run.Secret
	}
	e.steering = steer.New(cfg.Ports, len(cfg.CPUs), secret)
	e.limits.setKey(newRandom(cfg.Seed))
	e.inquiries.setKey(newRandom(cfg.Seed))
	e.announcements.setPorts(len(cfg.Ports))
	if cfg.Host != nil {
		e.host, e.checks = newHostShared(newRandom(cfg.Seed)), newCheckTargets()
	}
	if err := e.Apply(settings); err != nil {
		return nil, errors.Join(err, e.closeKept())
	}
	var err error
	if e.templates, err = newTemplates(&e.cfg); err != nil {
		return nil, errors.Join(err, e.snap.Load().sources.close(), e.closeKept())
	}
	for i := range cfg.CPUs {
		w, err := e.newWorker(i)
		e.workers = append(e.workers, w)
		if err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	e.connect()
	if err := e.takeOverKept(before); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// connect gives the workers their queues and the hand-off rings between them.
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

// Reconnect fetches the queues of all ports again. Some ports were not open when New was called
// (ports.Late). No worker may run.
func (e *Engine) Reconnect() {
	for _, w := range e.workers {
		w.queues, w.receives = nil, nil
	}
	for _, p := range e.cfg.Ports {
		e.connectPort(p)
	}
}

// connectPort gives each worker a queue of the port. If the port has fewer queues, some workers
// share one for sending and receive nothing.
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
	w := &Worker{
		engine: e, number: i, neighbours: newNeighbours(e.cfg.Ports, i),
		random: newRandom(e.cfg.Seed), fragments: newFragments(e.cfg.Seed),
	}
	var err error
	w.sessions, err = conntrack.New(conntrack.Config{
		Max:      e.cfg.Sessions / len(e.cfg.CPUs),
		MaxV6:    e.cfg.SessionsV6 / len(e.cfg.CPUs),
		Timeouts: e.snap.Load().settings.Timeouts,
		Huge:     e.cfg.Huge,
		Ended:    w.sessionEnded,
		Service:  w.serviceOfSession,
		Own:      w.ownTimeouts,
		Seed:     e.cfg.Seed,
		File:     e.fileOfWorker(i),
	})
	if err != nil {
		return w, fmt.Errorf("worker %d: %w", i, err)
	}
	if e.cfg.Host != nil {
		w.link = e.cfg.Host[i]
	}
	w.out = make([]ports.Burst, len(e.cfg.Ports))
	w.counters.ports = make([]PortTotals, len(e.cfg.Ports))
	w.counters.handedOver = make([]uint64, len(e.cfg.CPUs))
	w.published.ports = make([][numPortTotals]atomic.Uint64, len(e.cfg.Ports))
	w.published.handedOver = make([]atomic.Uint64, len(e.cfg.CPUs))
	if w.peers, err = reserve[peer](maxServers, "real servers"); err != nil {
		return w, err
	}
	if w.roads, err = reserve[road](maxServers, "real servers"); err != nil {
		return w, err
	}
	if w.tunnels, err = reserve[tunnel](maxServers, "real servers"); err != nil {
		return w, err
	}
	w.published.servers, err = reserve[publishedServer](maxServers, "real servers")
	return w, err
}

func newRandom(seed uint64) *rand.Rand {
	if seed == 0 {
		return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	return rand.New(rand.NewPCG(seed, seed))
}

// Close frees the session tables, the templates, the sources and the counters of real servers. All
// workers must have stopped.
func (e *Engine) Close() error {
	kept := e.closeCounters()
	e.counting.Lock()
	defer e.counting.Unlock()
	err := errors.Join(kept, e.templates.Close(), e.snap.Load().sources.close())
	for _, w := range e.workers {
		err = errors.Join(err, w.close())
	}
	return errors.Join(err, e.closeKept())
}

// close frees the worker's memory. The worker may be half made.
func (w *Worker) close() error {
	err := errors.Join(giveBack(w.peers), giveBack(w.roads), giveBack(w.tunnels),
		giveBack(w.published.servers))
	w.peers, w.roads, w.tunnels, w.published.servers = nil, nil, nil, nil
	if w.sessions != nil {
		err = errors.Join(err, w.sessions.Close())
	}
	return err
}

// Notes lists what the engine has to do without, in words for the operator.
func (e *Engine) Notes() []string {
	var notes []string
	for _, w := range e.workers {
		notes = append(notes, w.sessions.Notes()...)
	}
	if e.kept != nil {
		if note := keptPlace(e.cfg.Keep); note != "" {
			notes = append(notes, note)
		}
	}
	return notes
}

// Turn runs one turn of each worker on the caller's goroutine, instead of Run, at a time in ms
// modulo 2^32. It returns how many packets came. It is for callers that bring packets and time
// themselves, and use nothing else of the engine meanwhile.
func (e *Engine) Turn(now uint32) (received int) {
	for _, w := range e.workers {
		received += w.Turn(now)
	}
	return received
}

// Run runs the workers until ctx ends or a worker fails; then it returns a Fault. It calls ready
// once all workers poll.
func (e *Engine) Run(ctx context.Context, ready func()) error {
	n := len(e.workers)
	r := run{started: make(chan error, n), failed: make(chan *Fault, n)}
	r.turning.Add(len(e.workers))
	var running sync.WaitGroup
	for i, w := range e.workers {
		running.Go(func() { e.runWorker(w, e.cfg.CPUs[i], &r) })
	}
	err := e.awaitStart(r.started)
	if err == nil {
		if e.kept != nil {
			e.kept.turned(e.cfg.now(), e.cfg.Ports)
		}
		ready()
		err = e.whileRunning(ctx, r.failed)
	}
	r.stop.Store(true)
	running.Wait()
	return err
}

// whileRunning keeps house until ctx ends, or until a worker fails; then it returns the Fault.
func (e *Engine) whileRunning(ctx context.Context, failed <-chan *Fault) error {
	keeping, stop := context.WithCancel(ctx)
	var keeper sync.WaitGroup
	keeper.Go(func() { e.keep(keeping) })
	defer keeper.Wait()
	defer stop()
	select {
	case <-ctx.Done():
		return nil
	case f := <-failed:
		return f
	}
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

// runWorker runs a worker on a thread of its own. The thread ends with the worker, because other
// goroutines must not inherit its CPU affinity.
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
		return // a failed worker's packets and sessions cannot be trusted
	}
	r.turning.Wait()
	w.stop()
}

// start runs the worker's first turn and reports its result to Run.
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

// guarded calls f and returns its panic as a Fault.
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

// patience is how many naps a worker takes while another worker is far behind with its hand-offs:
// the other one may be waiting for this CPU. Meanwhile packets wait in the device.
const patience = 100

// loop turns until stop.
func (w *Worker) loop(clock *Clock, stop *atomic.Bool) {
	idle := idler{busy: w.engine.cfg.Idle == IdleBusy}
	now := clock.Now()
	for !stop.Load() {
		began := clock.read
		n := w.Turn(now)
		if n > 0 {
			w.received.Add(uint64(n))
		}
		idle.turn(n > 0, w.unsent() > 0)
		w.waitForOthers(&idle)
		now = clock.Now()
		w.effort.times.add(clock.read - began)
	}
}

// waitForOthers sleeps while another worker is far behind.
func (w *Worker) waitForOthers(idle *idler) {
	for i := 0; i < patience && w.ahead && !idle.busy; i++ {
		nap(longSleep)
		w.publishHandoffs()
	}
}

// AwaitSilence returns when no packet has come for the given time, or when ctx ends. Any goroutine
// may call it.
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

// silence measures the time since the last packet.
type silence struct {
	received uint64
	since    time.Time
}

// lasted takes the number of packets received by now and returns the time since that number last
// grew.
func (s *silence) lasted(received uint64, now time.Time) time.Duration {
	if received != s.received {
		*s = silence{received, now}
	}
	return now.Sub(s.since)
}

// received counts the packets that all workers have received.
func (e *Engine) received() uint64 {
	n := uint64(0)
	for _, w := range e.workers {
		n += w.received.Load()
	}
	return n
}
