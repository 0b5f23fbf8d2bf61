package engine

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fulcrum/hostway"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/ports/memory"
	"fulcrum/sched"
)

// bed is a director whose ports and clock the test controls. It checks the conservation law after
// every turn, and at the end that no buffer and no session is left.
type bed struct {
	testing.TB
	site   site
	engine *Engine
	worker *Worker
	pool   *memory.Pool
	ports  []*memory.Port
	links  []*hostway.Link // of a director with host interfaces, by worker
	now    uint32          // ms
	closed bool
	// damage, if set, changes every frame on its way to a port.
	damage func(frame []byte)
}

// bedConfig holds what a test may change; comments give the defaults.
type bedConfig struct {
	sessions  int // 1000
	templates int // the engine's default
	buffers   int // 1024
	mtu       int // 1500
	txLimit   int
	flags     ports.RxFlags                   // of every received packet
	workers   int                             // 1
	queues    int                             // of each port; by default one for each worker
	rss       func(port int) *ports.RSS       // how a port spreads packets
	choose    func(port int) func([]byte) int // spreads by a rule that the port does not tell
	wrap      func(ports.Port) ports.Port     // wraps the engine's port
	host      bool                            // workers have links to the host
	keep      string                          // folder of kept sessions
	// predecessor is the director with that folder from which this one takes over.
	predecessor *bed
	now         uint32 // ms: 1,000,000
}

// newBed starts a director and removes its first announcements.
func newBed(t testing.TB, s site, n Settings, changes ...func(*bedConfig)) *bed {
	t.Helper()
	b := newSilentBed(t, s, n, changes...)
	b.turn()
	b.announced()
	return b
}

// announced takes the director's first announcements, so that the test does not see them.
func (b *bed) announced() {
	b.engine.announcements.setPorts(len(b.ports))
	b.collectAll()
}

// newSilentBed makes a director that has not turned yet.
func newSilentBed(t testing.TB, s site, n Settings, changes ...func(*bedConfig)) *bed {
	t.Helper()
	cfg := bedConfig{sessions: 1000, buffers: 1024, workers: 1, now: 1_000_000}
	for _, change := range changes {
		change(&cfg)
	}
	if cfg.queues == 0 {
		cfg.queues = cfg.workers
	}
	b := &bed{TB: t, site: s, now: cfg.now}
	var err error
	if b.pool, err = memory.NewPool(cfg.buffers); err != nil {
		t.Fatal(err)
	}
	if b.engine, err = New(b.config(cfg), n); err != nil {
		t.Fatal(err)
	}
	b.worker = b.engine.workers[0]
	t.Cleanup(b.close)
	return b
}

func (b *bed) config(cfg bedConfig) Config {
	c := Config{CPUs: make([]int, cfg.workers), Sessions: cfg.sessions, SessionsV6: cfg.sessions,
		Templates: cfg.templates, Seed: 1, Keep: cfg.keep,
		now: func() uint32 { return b.now }}
	if p := cfg.predecessor; p != nil {
		c.Successor, b.now, c.KeepLock = true, p.now, p.sharedLock()
	}
	for i, p := range b.site.ports {
		m := memory.Config{
			Name: fmt.Sprintf("port %d", i), Index: i, MAC: p.mac, MTU: cfg.mtu, Pool: b.pool,
			RxFlags: cfg.flags, TxLimit: cfg.txLimit, Queues: cfg.queues,
		}
		if cfg.rss != nil {
			m.RSS = cfg.rss(i)
		}
		if cfg.choose != nil {
			m.Choose = cfg.choose(i)
		}
		port := memory.NewPort(m)
		b.ports = append(b.ports, port)
		if cfg.wrap != nil {
			c.Ports = append(c.Ports, cfg.wrap(port))
		} else {
			c.Ports = append(c.Ports, port)
		}
	}
	for range cfg.workers {
		if cfg.host {
			b.links = append(b.links, hostway.NewLink(hostRing, 1518, func() {}))
		}
	}
	c.Host = b.links
	return c
}

// sharedLock returns the lock of the folder of sessions as a successor gets it.
func (b *bed) sharedLock() *os.File {
	fd, err := unix.Dup(int(b.engine.KeepLock().Fd()))
	if err != nil {
		b.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "lock")
}

// close stops the director and checks what it left behind, once.
func (b *bed) close() {
	if b.closed {
		return
	}
	b.closed = true
	for _, w := range b.engine.workers {
		if w.snap != nil {
			w.stop()
		}
	}
	b.balanced()
	if b.engine.kept == nil {
		b.noSessions()
	}
	for _, p := range b.ports {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	}
	if n := b.pool.InUse(); n != 0 {
		b.Errorf("%d buffers leaked", n)
	}
	if err := b.engine.Close(); err != nil {
		b.Error(err)
	}
	if err := b.pool.Close(); err != nil {
		b.Error(err)
	}
}

// noSessions checks that every counted connection has been subtracted again.
func (b *bed) noSessions() {
	for i, w := range b.engine.workers {
		if n := w.sessions.Len(); n != 0 {
			b.Errorf("worker %d has %d sessions left at the end", i, n)
		}
	}
	if n := b.engine.snap.Load().sources.sessions(); n != 0 {
		b.Errorf("%d sessions of sources are still counted at the end", n)
	}
	for id, live := range b.engine.registry.live {
		b.noUses(live)
		if live.load.Total() != 0 {
			b.Errorf("real server %d (%v) still has %d active and %d inactive connections at the end",
				id, live.id, live.load.Active(), live.load.Inactive())
		}
	}
}

// noUses checks that no session from a local address is still counted.
func (b *bed) noUses(live *liveServer) {
	use := live.use.Load()
	if use == nil {
		return
	}
	for _, a := range use.numbers.addresses {
		if n := use.sessions(a); n != 0 {
			b.Errorf("%d sessions from %v at %v are still counted at the end", n, a, live.id)
		}
	}
}

// totals returns the workers' own counts, summed.
func (b *bed) totals() Totals {
	var sum Totals
	for _, w := range b.engine.workers {
		t := totalsOf(w)
		for _, n := range [...][2]*uint64{
			{&sum.Received, &t.Received}, {&sum.Originated, &t.Originated},
			{&sum.Transmitted, &t.Transmitted}, {&sum.Consumed, &t.Consumed},
			{&sum.Held, &t.Held}, {&sum.HandedOver, &t.HandedOver}, {&sum.TakenOver, &t.TakenOver},
			{&sum.Evicted, &t.Evicted}, {&sum.DroppedEntries, &t.DroppedEntries},
			{&sum.Resets, &t.Resets},
			{&sum.ResetsSuppressed, &t.ResetsSuppressed}, {&sum.Routed, &t.Routed},
			{&sum.Unlimited, &t.Unlimited}, {&sum.SourcesForgotten, &t.SourcesForgotten},
			{&sum.ToHost, &t.ToHost}, {&sum.FromHost, &t.FromHost},
		} {
			*n[0] += *n[1]
		}
		for i, n := range t.Drops {
			sum.Drops[i] += n
		}
	}
	sum.settle()
	return sum
}

func totalsOf(w *Worker) Totals {
	t := w.counters.totals
	t.Held = w.held()
	return t
}

// balanced checks the conservation law, for each worker and for all.
func (b *bed) balanced() {
	b.Helper()
	for i, w := range b.engine.workers {
		if t := totalsOf(w); t.Balance() != 0 {
			b.Fatalf("worker %d: %d packets unaccounted for: %+v", i, t.Balance(), t)
		}
	}
	if t := b.totals(); t.Balance() != 0 {
		b.Fatalf("%d packets unaccounted for: %+v", t.Balance(), t)
	}
}

// turn turns the workers until they have received and sent all packets.
func (b *bed) turn() {
	b.Helper()
	for range 3 {
		for b.turnAll() > 0 {
			b.balanced()
		}
		b.balanced()
	}
}

// turnAll turns each worker once, and returns how many packets they received from ports and from
// each other.
func (b *bed) turnAll() int {
	n := 0
	for _, w := range b.engine.workers {
		n += w.Turn(b.now)
	}
	return n
}

// wait lets time pass, in the steps of a worker that sleeps.
func (b *bed) wait(ms uint32) {
	b.Helper()
	for ms > 0 {
		step := min(ms, 100)
		b.now += step
		ms -= step
		b.turnAll()
		b.balanced()
	}
	b.turn()
}

// deliver puts frames on a port's wire; no worker has received them yet.
func (b *bed) deliver(port int, frames ...[]byte) {
	b.Helper()
	for _, f := range frames {
		if b.damage != nil {
			f = bytes.Clone(f)
			b.damage(f)
		}
		if !b.ports[port].Receive(f) {
			b.Fatal("the pool has no buffer for a frame: InUse", b.pool.InUse())
		}
	}
}

// receive delivers frames and turns the workers.
func (b *bed) receive(port int, frames ...[]byte) {
	b.Helper()
	b.deliver(port, frames...)
	b.turn()
}

// fromClient delivers packets from the gateway.
func (b *bed) fromClient(packets ...pkt) {
	b.Helper()
	for _, p := range packets {
		b.receive(b.site.front, b.site.in(p).frame(b.site.gateway.mac,
			b.site.own(b.site.front).mac))
	}
}

// fromServer delivers packets from the i-th real server, which has the director as its gateway.
func (b *bed) fromServer(i int, packets ...pkt) {
	b.Helper()
	for _, p := range packets {
		b.receive(b.site.back, b.site.in(p).frame(b.site.servers[i].mac,
			b.site.own(b.site.back).mac))
	}
}

// sent expects exactly these frames on a port, byte for byte and in order.
func (b *bed) sent(port int, want ...[]byte) {
	b.Helper()
	b.same(port, collect(b.ports[port]), want)
}

func (b *bed) same(port int, got, want [][]byte) {
	b.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			b.Fatalf("port %d did not send\n%sit dropped %s", port, dump(want[i]), b.drops())
		case i >= len(want):
			b.Fatalf("port %d sent, unexpected,\n%s", port, dump(got[i]))
		case !bytes.Equal(got[i], want[i]):
			b.Fatalf("port %d sent\n%swant\n%s", port, dump(got[i]), dump(want[i]))
		}
		judge(b, got[i])
	}
}

// sentInAnyOrder expects exactly these frames in any order.
func (b *bed) sentInAnyOrder(port int, want ...[]byte) {
	b.Helper()
	slices.SortFunc(want, bytes.Compare)
	got := collect(b.ports[port])
	slices.SortFunc(got, bytes.Compare)
	b.same(port, got, want)
}

// toServer expects packets at the i-th real server.
func (b *bed) toServer(i int, want ...pkt) {
	b.Helper()
	b.sent(b.site.back, b.site.framesOf(want, b.site.own(b.site.back).mac,
		b.site.servers[i].mac)...)
}

// toClient expects packets at the gateway.
func (b *bed) toClient(want ...pkt) {
	b.Helper()
	b.sent(b.site.front, b.site.framesOf(want, b.site.own(b.site.front).mac, b.site.gateway.mac)...)
}

func (s *site) framesOf(packets []pkt, src, dst packet.MAC) [][]byte {
	var frames [][]byte
	for _, p := range packets {
		frames = append(frames, s.in(p).frame(src, dst))
	}
	return frames
}

// quiet expects that no frame was sent.
func (b *bed) quiet() {
	b.Helper()
	for i := range b.ports {
		b.sent(i)
	}
}

// collectAll takes the sent frames, port by port.
func (b *bed) collectAll() [][][]byte {
	var all [][][]byte
	for _, p := range b.ports {
		all = append(all, collect(p))
	}
	return all
}

// collect takes the frames that all queues of a port have sent, queue by queue.
func collect(p *memory.Port) [][]byte {
	var frames [][]byte
	for i := range p.Queues() {
		frames = append(frames, p.Collect(i)...)
	}
	return frames
}

// drops lists the drops so far, as "no_session=2 not_ours=1".
func (b *bed) drops() string {
	var list []string
	for v, n := range b.totals().Drops {
		if n != 0 {
			list = append(list, fmt.Sprintf("%v=%d", Verdict(v), n))
		}
	}
	return strings.Join(list, " ")
}

// dropped expects exactly these drops since the start.
func (b *bed) dropped(want string) {
	b.Helper()
	if got := b.drops(); got != want {
		b.Fatalf("dropped %q, want %q", got, want)
	}
}

// poolOf returns the pool of a service, by its index in the settings.
func (b *bed) poolOf(service int) *sched.Pool {
	return b.engine.snap.Load().order[service].live.pool.Load()
}

// connections expects a service's active and inactive connections at its i-th real server.
func (b *bed) connections(service, i int, active, inactive int32) {
	b.Helper()
	load := b.poolOf(service).At(i).Load
	if load.Active() != active || load.Inactive() != inactive {
		b.Fatalf("real server %d has %d active and %d inactive connections, want %d and %d",
			i, load.Active(), load.Inactive(), active, inactive)
	}
}

// sessions expects a number of sessions.
func (b *bed) sessions(want int) {
	b.Helper()
	n := 0
	for _, w := range b.engine.workers {
		n += w.sessions.Len()
	}
	if n != want {
		b.Fatalf("%d sessions, want %d", n, want)
	}
}

// apply changes the settings as control does.
func (b *bed) apply(n Settings) {
	b.Helper()
	b.engine.Apply(n)
	b.turn()
	b.announced()
}

// keep gives up what no session needs any more, as the engine does every second.
func (b *bed) keep() {
	b.Helper()
	b.turn() // the workers adopt the newest settings
	b.keepAt(time.Now())
	b.turn()
}

func (b *bed) keepAt(now time.Time) {
	b.engine.keepAt(now, func(worker int, do func(*Worker) bool) error {
		for !do(b.engine.workers[worker]) {
		}
		return nil
	})
}

// eachSite runs a test in every topology.
func eachSite(t *testing.T, test func(*testing.T, site)) {
	for _, s := range sites {
		t.Run(s.name, func(t *testing.T) { test(t, s) })
	}
}

// eachMode runs a test for every mode in every topology.
func eachMode(t *testing.T, test func(*testing.T, site, modes.Mode)) {
	for _, m := range allModes {
		t.Run(m.String(), func(t *testing.T) {
			eachSite(t, func(t *testing.T, s site) { test(t, s, m) })
		})
	}
}
