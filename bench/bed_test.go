package bench

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// wire connects the generator's queue to a device under test in the same goroutine. The device runs
// after each exchange.
type wire struct {
	ports.Source
	near   *memory.Port
	device func(frames [][]byte) // gets what the generator sent
}

func (w *wire) Exchange(tx, free, rx *ports.Burst) {
	w.Source.Exchange(tx, free, rx)
	w.device(w.near.Collect(0))
}

var testSite = Site{VIP: service, SubjectMAC: subjectMAC, MAC: generatorMAC}

// newGenerator returns a generator whose wire leads to a device. The device calls the given
// function to send.
func newGenerator(t *testing.T, device func(frames [][]byte, send func([]byte))) *Generator {
	t.Helper()
	pool := newPool(t)
	near := memory.NewPort(memory.Config{Pool: pool})
	w := &wire{Source: near.Queue(0).(ports.Source), near: near}
	w.device = func(frames [][]byte) {
		// Without a buffer the frame is lost, as on any wire.
		device(frames, func(frame []byte) { near.Deliver(0, frame) })
	}
	g, err := NewGenerator(testSite, w, new(atomic.Bool))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		near.Close()
		if n := pool.InUse(); n != 0 {
			t.Errorf("%d buffers leaked", n)
		}
	})
	return g
}

func newPool(t *testing.T) *memory.Pool {
	t.Helper()
	pool, err := memory.NewPool(8192)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	return pool
}

// newDirected returns a generator with a real director at the other end, configured as in the
// benchmark.
func newDirected(t *testing.T, mode modes.Mode, sessions int) *Generator {
	t.Helper()
	cfg, err := config.Parse("bench.toml", []byte(directorConfig{device: "net_null0", memory: dpdkMemory, mode: mode, sessions: sessions, idle: "busy", control: "/tmp/x"}.file()))
	if err != nil {
		t.Fatal(err)
	}
	far := memory.NewPort(memory.Config{Pool: newPool(t), MAC: subjectMAC})
	ec := control.EngineConfig(cfg)
	ec.Ports, ec.Idle, ec.Huge = []ports.Port{far}, engine.IdleAdaptive, false
	e, err := engine.New(ec, control.EngineSettings(cfg))
	if err != nil {
		t.Fatal(err)
	}
	stopped := startEngine(t, e)
	t.Cleanup(func() {
		stopped()
		far.Close()
		if r := e.Report(); r.Balance() != 0 {
			t.Errorf("the director lost %d packets: %+v", r.Balance(), r.Totals)
		}
		e.Close()
	})
	g := newGenerator(t, func(frames [][]byte, send func([]byte)) {
		for _, f := range frames {
			far.Deliver(0, f)
		}
		for _, f := range far.Collect(0) {
			send(f)
		}
	})
	// The director may have to wait for a CPU. Without loss this adds no time.
	g.quiet = 5 * time.Second
	return g
}

// testTrial is a short trial.
func testTrial(k Kind, flows int) Trial {
	return Trial{Kind: k, Flows: flows, Size: MinSize, Rate: 20_000, Create: true, Warmup: Duration(5 * time.Millisecond), Duration: Duration(50 * time.Millisecond)}
}

func run(t *testing.T, g *Generator, trial Trial) Result {
	t.Helper()
	r, err := g.Run(trial)
	if err != nil {
		t.Fatal(err)
	}
	if r.Sent == 0 || r.Offered != r.Sent+r.Refused+r.Missed {
		t.Errorf("offered %d, sent %d, refused %d, missed %d", r.Offered, r.Sent, r.Refused, r.Missed)
	}
	return r
}

// lossless checks that everything sent has arrived.
func lossless(t *testing.T, r Result) {
	t.Helper()
	if r.Lost() != 0 || r.Uncreated != 0 || r.Sent != r.Forwarded || r.Answers != r.Returned {
		t.Errorf("lost %d: %+v", r.Lost(), r)
	}
	if want := r.Forwarded; r.OneWay.Packets != want {
		t.Errorf("latency of %d packets; want %d", r.OneWay.Packets, want)
	}
	if want := r.Returned; r.RoundTrip.Packets != want {
		t.Errorf("round trips of %d packets; want %d", r.RoundTrip.Packets, want)
	}
}

// judged is a frame parsed by the director's own parser, with its checksums checked.
func judged(t *testing.T, frame []byte) packet.Parsed {
	t.Helper()
	var p packet.Parsed
	packet.Parse(frame, &p)
	if p.Kind != packet.TCP4 && p.Kind != packet.UDP4 {
		t.Fatalf("the parser takes %x for kind %d, fault %d", frame, p.Kind, p.Fault)
	}
	ip := packet.IPv4(frame[p.Network:])
	segment := frame[p.Transport:p.End]
	if packet.Fold(packet.Sum(segment, packet.PseudoHeader4(ip.Src(), ip.Dst(), ip.Protocol(), len(segment)))) != 0xffff {
		t.Fatalf("wrong transport checksum in %x", frame)
	}
	return p
}

// startEngine starts the director's worker. The returned function ends it.
func startEngine(t *testing.T, e *engine.Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- e.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
