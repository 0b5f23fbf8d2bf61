package bench

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

const (
	// warmTurns come before the turns that are counted.
	warmTurns = 2
	// countedTurns is a full burst: every packet of a case goes the same way, but for places of the
	// index that several sessions share.
	countedTurns = 1
	countedTable = 1 << 17 // places for new sessions
)

// turns is a director without a driver, whose wires and clock are in the caller's hands. Everything
// about it is the same in every run.
type turns struct {
	c       Case
	engine  *engine.Engine
	pool    *memory.Pool
	port    *memory.Port
	pattern pattern
	order   shuffle
	next    uint32
	now     uint32 // ms
	frame   []byte
}

func newTurns(c Case) (*turns, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	sessions := max(c.Sessions*5/4, countedTable)
	cfg, err := config.Parse("bench.toml", []byte(directorConfig{
		device: "net_null0", memory: dpdkMemory, mode: c.Mode, sessions: sessions, six: c.Six,
		idle: "busy", control: "/nowhere",
	}.file()))
	if err != nil {
		return nil, err
	}
	t := &turns{
		c: c, pattern: newPattern(c.Six, subjectMAC), order: newShuffle(uint32(max(c.Sessions, 1))),
	}
	t.frame = make([]byte, t.pattern.length)
	if t.pool, err = memory.NewPool((warmTurns + countedTurns + 1) * ports.MaxBurst); err != nil {
		return nil, err
	}
	t.port = memory.NewPort(memory.Config{Pool: t.pool, MAC: subjectMAC})
	ec := control.EngineConfig(cfg)
	ec.Ports, ec.Huge, ec.Seed = []ports.Port{t.port}, false, 1
	t.engine, err = engine.New(ec, control.EngineSettings(cfg))
	return t, err
}

// begin lets the director announce its addresses, and begins the sessions that are to be hit.
func (t *turns) begin() error {
	const step, settled = 50, 10_000 // ms
	for ; t.now < settled; t.now += step {
		t.engine.Turn(t.now)
		t.port.Collect(0)
	}
	for sent := 0; sent < t.c.Sessions; sent += ports.MaxBurst {
		if err := t.forward(1); err != nil {
			return fmt.Errorf("beginning sessions: %w", err)
		}
	}
	return nil
}

// deliver puts full bursts on the wire, each packet of the next flow.
func (t *turns) deliver(bursts int) {
	for range bursts * ports.MaxBurst {
		flow := t.next
		if !t.c.Fresh {
			flow = t.order.at(t.next % uint32(t.c.Sessions))
		}
		t.pattern.write(t.frame, flow)
		t.port.Deliver(0, t.frame)
		t.next++
	}
}

// forward takes full bursts through the director, and returns an error unless all of their packets
// come out of it.
func (t *turns) forward(bursts int) error {
	t.deliver(bursts)
	t.turn(bursts)
	return t.collect(bursts)
}

func (t *turns) turn(n int) {
	for range n {
		t.engine.Turn(t.now)
	}
}

// collect takes what left. The last burst leaves with the exchange of one more turn.
func (t *turns) collect(bursts int) error {
	t.turn(1)
	if n := len(t.port.Collect(0)); n != bursts*ports.MaxBurst {
		return fmt.Errorf("%d of %d packets were forwarded; the director dropped %v", n,
			bursts*ports.MaxBurst, t.engine.Report().Drops)
	}
	return nil
}

// RunTurns is the process whose instructions are counted. It stops at a breakpoint when all is
// ready, before the turns that count, and after them: runtime.Breakpoint ends a process that nobody
// traces.
func RunTurns(c Case) error {
	t, err := newTurns(c)
	if err != nil {
		return err
	}
	if err := t.begin(); err != nil {
		return err
	}
	if err := t.forward(1); err != nil {
		return err
	}
	runtime.GC()
	debug.SetGCPercent(-1)
	t.deliver(warmTurns + countedTurns)
	runtime.Gosched() // so that the scheduler leaves this goroutine alone for the next 10 ms
	runtime.Breakpoint()
	t.turn(warmTurns)
	runtime.Breakpoint()
	t.turn(countedTurns)
	runtime.Breakpoint()
	return errors.New("the turns ran without being traced")
}
