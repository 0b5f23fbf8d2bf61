package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// bed is a director whose wires and clock are in the test's hands. After every turn it holds the director to the
// conservation law, and at the end to having kept no buffer and no session.
type bed struct {
	testing.TB
	site   site
	engine *Engine
	worker *Worker
	pool   *memory.Pool
	ports  []*memory.Port
	now    uint32 // ms
}

// bedConfig is what a test may want otherwise than usual.
type bedConfig struct {
	sessions int // 1000
	buffers  int // 1024
	mtu      int // 1500
	txLimit  int
	wrap     func(ports.Port) ports.Port // puts something between the engine and a port
}

// newBed starts a director and looks away while it announces itself.
func newBed(t testing.TB, s site, n Settings, changes ...func(*bedConfig)) *bed {
	t.Helper()
	b := newSilentBed(t, s, n, changes...)
	b.turn()
	b.announced()
	return b
}

// announced takes what the director says of itself when it begins, and spares the test its repetition.
func (b *bed) announced() {
	b.worker.announcer = announcer{}
	b.collectAll()
}

// newSilentBed makes a director that has not begun to turn.
func newSilentBed(t testing.TB, s site, n Settings, changes ...func(*bedConfig)) *bed {
	t.Helper()
	cfg := bedConfig{sessions: 1000, buffers: 1024}
	for _, change := range changes {
		change(&cfg)
	}
	b := &bed{TB: t, site: s, now: 1_000_000}
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
	c := Config{CPUs: []int{0}, Sessions: cfg.sessions, Timeouts: testTimeouts(), Seed: 1}
	for i, p := range b.site.ports {
		port := memory.NewPort(memory.Config{
			Name: fmt.Sprintf("port %d", i), Index: i, MAC: p.mac, MTU: cfg.mtu, Pool: b.pool, TxLimit: cfg.txLimit,
		})
		b.ports = append(b.ports, port)
		if cfg.wrap != nil {
			c.Ports = append(c.Ports, cfg.wrap(port))
		} else {
			c.Ports = append(c.Ports, port)
		}
	}
	return c
}

// close stops the director and looks for what it left behind.
func (b *bed) close() {
	if b.worker.snap != nil {
		b.worker.stop()
	}
	b.balanced()
	b.noSessions()
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

// noSessions checks that every connection that was counted has been taken off again.
func (b *bed) noSessions() {
	if n := b.worker.sessions.Len(); n != 0 {
		b.Errorf("%d sessions left at the end", n)
	}
	for id, live := range b.engine.registry.live {
		if live.load.Total() != 0 {
			b.Errorf("real server %d (%v) still has %d active and %d inactive connections at the end",
				id, live.key.address, live.load.Active(), live.load.Inactive())
		}
	}
}

// totals returns the worker's own counts.
func (b *bed) totals() Totals {
	t := b.worker.counters.totals
	t.Held = b.worker.held()
	return t
}

// balanced checks the conservation law.
func (b *bed) balanced() {
	b.Helper()
	t := b.totals()
	if n := t.Balance(); n != 0 {
		b.Fatalf("%d packets unaccounted for: %+v", n, t)
	}
}

// turn lets the worker turn until it has received and sent all that there is.
func (b *bed) turn() {
	b.Helper()
	for range 3 {
		for b.worker.Turn(b.now) > 0 {
			b.balanced()
		}
		b.balanced()
	}
}

// wait lets time pass, in the steps of a lazy worker.
func (b *bed) wait(ms uint32) {
	b.Helper()
	for ms > 0 {
		step := min(ms, 100)
		b.now += step
		ms -= step
		b.worker.Turn(b.now)
		b.balanced()
	}
	b.turn()
}

// deliver puts frames on a port's wire; the worker has not seen them yet.
func (b *bed) deliver(port int, frames ...[]byte) {
	b.Helper()
	for _, f := range frames {
		if !b.ports[port].Deliver(0, f) {
			b.Fatal("the pool has no buffer for a frame: InUse", b.pool.InUse())
		}
	}
}

// receive delivers frames and lets the worker work.
func (b *bed) receive(port int, frames ...[]byte) {
	b.Helper()
	b.deliver(port, frames...)
	b.turn()
}

// fromClient delivers packets as the gateway would.
func (b *bed) fromClient(packets ...pkt) {
	b.Helper()
	for _, p := range packets {
		b.receive(b.site.front, p.frame(b.site.gateway.mac, b.site.own(b.site.front).mac))
	}
}

// fromServer delivers packets as the i-th real server would that has the director as its gateway.
func (b *bed) fromServer(i int, packets ...pkt) {
	b.Helper()
	for _, p := range packets {
		b.receive(b.site.back, p.frame(b.site.servers[i].mac, b.site.own(b.site.back).mac))
	}
}

// sent expects the frames, byte for byte and in order, and no others on that port.
func (b *bed) sent(port int, want ...[]byte) {
	b.Helper()
	b.same(port, b.ports[port].Collect(0), want)
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

// sentInAnyOrder expects the frames and no others.
func (b *bed) sentInAnyOrder(port int, want ...[]byte) {
	b.Helper()
	slices.SortFunc(want, bytes.Compare)
	got := b.ports[port].Collect(0)
	slices.SortFunc(got, bytes.Compare)
	b.same(port, got, want)
}

// toServer expects packets at the i-th real server.
func (b *bed) toServer(i int, want ...pkt) {
	b.Helper()
	b.sent(b.site.back, framesOf(want, b.site.own(b.site.back).mac, b.site.servers[i].mac)...)
}

// toClient expects packets at the gateway.
func (b *bed) toClient(want ...pkt) {
	b.Helper()
	b.sent(b.site.front, framesOf(want, b.site.own(b.site.front).mac, b.site.gateway.mac)...)
}

func framesOf(packets []pkt, src, dst packet.MAC) [][]byte {
	var frames [][]byte
	for _, p := range packets {
		frames = append(frames, p.frame(src, dst))
	}
	return frames
}

// quiet expects that nothing was sent.
func (b *bed) quiet() {
	b.Helper()
	for i := range b.ports {
		b.sent(i)
	}
}

// collectAll takes what was sent, port by port.
func (b *bed) collectAll() [][][]byte {
	var all [][][]byte
	for _, p := range b.ports {
		all = append(all, p.Collect(0))
	}
	return all
}

// drops lists what was dropped so far, as "no_session=2 not_ours=1".
func (b *bed) drops() string {
	var list []string
	for v, n := range b.totals().Drops {
		if n != 0 {
			list = append(list, fmt.Sprintf("%v=%d", Verdict(v), n))
		}
	}
	return strings.Join(list, " ")
}

// dropped expects the drops since the start, all of them.
func (b *bed) dropped(want string) {
	b.Helper()
	if got := b.drops(); got != want {
		b.Fatalf("dropped %q, want %q", got, want)
	}
}

// connections expects a service's active and inactive connections at its i-th real server.
func (b *bed) connections(service, i int, active, inactive int32) {
	b.Helper()
	pool := b.worker.snap.pools[service]
	load := b.worker.snap.servers[pool.servers[i]].load
	if load.Active() != active || load.Inactive() != inactive {
		b.Fatalf("real server %d has %d active and %d inactive connections, want %d and %d",
			i, load.Active(), load.Inactive(), active, inactive)
	}
}

// sessions expects so many sessions.
func (b *bed) sessions(want int) {
	b.Helper()
	if n := b.worker.sessions.Len(); n != want {
		b.Fatalf("%d sessions, want %d", n, want)
	}
}

// apply changes the settings as the control side would.
func (b *bed) apply(n Settings) {
	b.Helper()
	b.engine.Apply(n)
	b.turn()
	b.announced()
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
