package engine

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/modes"
)

// succeed makes a director that takes over from one that goes on.
func (b *bed) succeed(n Settings, folder string, workers int, changes ...func(*bedConfig)) *bed {
	b.Helper()
	changes = append(changes, keptIn(folder, workers), func(c *bedConfig) { c.predecessor = b })
	return newSilentBed(b.TB, b.site, n, changes...)
}

// takeOver has it take over.
func (b *bed) takeOver(from *bed) {
	b.Helper()
	for _, w := range from.engine.workers {
		w.stop()
		w.snap = nil // close does not stop it again
	}
	from.engine.Report()
	b.now = from.now
	b.engine.Reconnect()
	if err := b.engine.TakeOver(); err != nil {
		b.Fatal(err)
	}
	from.close()
	b.turn()
	b.announced()
}

// keptState is what has to be the same of a session at two directors.
type keptState struct {
	out             conntrack.Flow
	state           conntrack.State
	seen, delta     uint32
	packets, server uint32
	template        bool
}

// states returns all sessions by the keys of their clients' packets.
func (b *bed) states() map[conntrack.Key]keptState {
	all := map[conntrack.Key]keptState{}
	for _, w := range b.engine.workers {
		for slot := range uint32(w.sessions.Cap()) {
			s := w.sessions.At(slot)
			if !s.Live() {
				continue
			}
			in, out := w.sessions.Flows(slot)
			all[conntrack.Key{Flow: in, Protocol: s.Protocol}] = keptState{
				out: out, state: s.State, seen: s.LastSeen, delta: s.SeqDelta,
				packets: s.PacketsIn + s.PacketsOut<<16, server: s.Server, template: s.Template != 0,
			}
		}
	}
	return all
}

func (b *bed) loads(services int) (all []int32) {
	for service := range services {
		for i := range 3 {
			load := b.poolOf(service).At(i).Load
			all = append(all, load.Active(), load.Inactive())
		}
	}
	return all
}

// live has clients begin and end sessions, and use them.
func (b *bed) live(m modes.Mode, r *rand.Rand, steps int) {
	for range steps {
		at := clientAt(r.IntN(40))
		switch r.IntN(8) {
		case 0, 1:
			b.fromClient(tcp(at, webVIP, "S"))
		case 2, 3:
			b.fromClient(tcp(at, webVIP, "A"))
		case 4:
			b.fromClient(tcp(at, webVIP, "FA"))
		case 5:
			b.fromClient(tcp(at, webVIP, "R"))
		case 6:
			b.fromClient(udp(at, echoVIP, "?"))
		case 7:
			b.now += uint32(r.IntN(4000))
			b.turn()
		}
		b.collectAll()
	}
}

// TestSuccessor: a director takes over from one that goes on meanwhile, and has the very sessions
// that the other one had at its end.
func TestSuccessor(t *testing.T) {
	eachKept(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		for seed := range uint64(4) {
			r := rand.New(rand.NewPCG(seed, 1))
			folder, n := t.TempDir(), s.serving(s.web(m, 3), s.echo(m, 3).kept())
			b := newBed(t, s, n, keptIn(folder, workers))
			b.live(m, r, 100)
			next := b.succeed(n, folder, workers)
			b.live(m, r, int(seed)*50)
			states, loads := b.states(), b.loads(2)
			next.takeOver(b)
			if got := next.states(); !maps.Equal(got, states) {
				t.Fatalf("seed %d: %d sessions, want %d:\n%+v\n%+v", seed, len(got), len(states), got, states)
			}
			if got := next.loads(2); !slices.Equal(got, loads) {
				t.Errorf("seed %d: connections %v, want %v", seed, got, loads)
			}
			next.keptReport(len(states), nil)
			next.live(m, r, 100)
			next.close()
		}
	})
}

// TestSuccessorWithOtherWorkers: the successor may have another number of workers.
func TestSuccessorWithOtherWorkers(t *testing.T) {
	eachKept(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		r := rand.New(rand.NewPCG(7, 1))
		folder, n := t.TempDir(), s.serving(s.web(m, 3), s.echo(m, 3).kept())
		b := newBed(t, s, n, keptIn(folder, workers))
		b.live(m, r, 100)
		next := b.succeed(n, folder, 2)
		b.live(m, r, 100)
		states, loads := b.states(), b.loads(2)
		next.takeOver(b)
		if got := next.states(); !maps.Equal(got, states) {
			t.Fatalf("%d sessions, want %d:\n%+v\n%+v", len(got), len(states), got, states)
		}
		if got := next.loads(2); !slices.Equal(got, loads) {
			t.Errorf("connections %v, want %v", got, loads)
		}
		next.close()
	})
}

// TestSuccessorFails: a successor that ends before it takes over changes nothing.
func TestSuccessorFails(t *testing.T) {
	s, folder := oneArm, t.TempDir()
	n := s.serving(s.web(modes.NAT, 3))
	b := newBed(t, s, n, keptIn(folder, 1))
	at := b.ask(modes.NAT, tcp(client, webVIP, "S"))
	for range 2 {
		b.succeed(n, folder, 1).close()
	}
	b.ask(modes.NAT, tcp(client, webVIP, "A"))
	b = b.restart(n, folder, 1)
	b.keptReport(1, nil)
	if now := b.ask(modes.NAT, tcp(client, webVIP, "A")); now != at {
		t.Errorf("%+v, was %+v", now, at)
	}
}

// TestSuccessorNeedsSessions: there is nothing to take over in an empty folder, and without its lock.
func TestSuccessorNeedsSessions(t *testing.T) {
	s := oneArm
	n := s.serving(s.web(modes.NAT, 3))
	b := newBed(t, s, n, keptIn(t.TempDir(), 1))
	c := b.engine.cfg
	c.Successor, c.Keep = true, t.TempDir()
	if _, err := New(c, n); err == nil {
		t.Error("made without a lock")
	}
	c.KeepLock = b.sharedLock()
	if _, err := New(c, n); err == nil {
		t.Error("made without sessions")
	}
}
