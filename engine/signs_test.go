package engine

import (
	"slices"
	"testing"

	"fulcrum/modes"
)

// reported returns what the report says of a real server of the first service, with the workers'
// latest counts.
func (b *bed) reported(i int) RealServerReport {
	b.Helper()
	b.wait(publishInterval)
	return b.engine.Report().Services[0].RealServers[i]
}

// TestSYNsUnanswered: sessions that end without an answer to their SYN are counted where answers
// pass the director, and the real server is silent until a packet comes from it.
func TestSYNsUnanswered(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1)))
		expect := func(when string, silent bool, syns uint64) {
			t.Helper()
			rs := b.reported(0)
			if !m.TwoWay() {
				silent, syns = false, 0
			}
			if rs.Silent != silent || rs.SYNsUnanswered != syns || rs.Unresolved {
				t.Fatalf("%s: %+v", when, rs.ServerSigns)
			}
		}
		expect("at first", false, 0)
		b.fromClient(tcp(client, webVIP, "S"), tcp(clientAt(1), webVIP, "S"))
		b.wait(900)
		b.fromClient(tcp(client, webVIP, "S"))
		expect("while they last", false, 0)
		b.wait(130_000)
		b.sessions(0)
		expect("after two without an answer", true, 2)
		b.collectAll()

		p := b.begin(m, tcp(clientAt(2), webVIP, "S"))
		expect("at the next", true, 2)
		p.answers("SA", "")
		expect("once it has answered", false, 2)
		b.wait(130_000)
		expect("after the client did not answer", false, 2)
		b.fromClient(tcp(clientAt(3), webVIP, "S"))
		b.wait(130_000)
		expect("after one more without an answer", true, 3)
		b.wait(signMemory)
		expect("long after", false, 3)
		b.collectAll()
	})
}

// TestAnswerBeforeTheSYNEnds: an answer to another client after a SYN that got none counts more
// than the end of the latter's session, which comes later.
func TestAnswerBeforeTheSYNEnds(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	b.fromClient(tcp(clientAt(1), webVIP, "S"))
	b.collectAll()
	b.wait(1000)
	p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
	p.answers("SA", "")
	b.wait(130_000)
	if rs := b.reported(0); rs.Silent || rs.SYNsUnanswered != 1 {
		t.Errorf("%+v", rs.ServerSigns)
	}
}

// TestHastyEndIsNoSilence: a session that ends within a second after its SYN says nothing about its
// real server.
func TestHastyEndIsNoSilence(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	b.fromClient(tcp(client, webVIP, "S"))
	b.collectAll()
	b.wait(answerTime - 100)
	for slot := range uint32(1000) {
		if b.worker.sessions.At(slot).Live() {
			b.worker.sessions.End(slot)
		}
	}
	b.sessions(0)
	if rs := b.reported(0); rs.Silent || rs.SYNsUnanswered != 0 {
		t.Errorf("%+v", rs.ServerSigns)
	}
}

// TestOneWorkerHearsForAll: a packet from the real server at one worker takes back what another one
// has noticed.
func TestOneWorkerHearsForAll(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)), func(c *bedConfig) { c.workers = 2 })
	for i := range 8 { // at both workers
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.wait(130_000)
	if rs := b.reported(0); !rs.Silent || rs.SYNsUnanswered != 8 {
		t.Fatalf("%+v", rs.ServerSigns)
	}
	b.collectAll()
	p := b.begin(modes.NAT, tcp(clientAt(9), webVIP, "S"))
	p.answers("SA", "")
	if rs := b.reported(0); rs.Silent || rs.SYNsUnanswered != 8 {
		t.Errorf("%+v", rs.ServerSigns)
	}
}

// TestUnresolved: a real server is unresolved while its next hop does not answer. A static
// neighbour is always resolved.
func TestUnresolved(t *testing.T) {
	for _, s := range sites {
		t.Run(s.name, func(t *testing.T) {
			n := s.serving(s.web(modes.NAT, 2))
			n.Neighbours = slices.DeleteFunc(n.Neighbours, func(v StaticNeighbour) bool {
				return v.Address == s.servers[0].addr
			})
			b := newBed(t, s, n)
			for _, ms := range []uint32{100, 5000, 60_000} { // asked, failed, asked again
				b.wait(ms)
				if !b.reported(0).Unresolved || b.reported(1).Unresolved {
					t.Fatalf("after %d ms: %+v", ms, b.engine.Report().Services[0].RealServers)
				}
			}
			b.collectAll()
			n.Neighbours = s.settings().Neighbours
			b.apply(n)
			b.wait(100)
			if rs := b.reported(0); rs.Unresolved {
				t.Errorf("%+v", rs)
			}
		})
	}
}

// TestOverloaded: the report tells that the upper threshold was reached.
func TestOverloaded(t *testing.T) {
	s := twoArm.twin()
	v := s.web(modes.NAT, 2)
	v.RealServers[0].UpperThreshold = 1
	b := newBed(t, s, s.serving(v))
	for i := range 2 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	if !b.reported(0).Overloaded || b.reported(1).Overloaded {
		t.Errorf("%+v", b.engine.Report().Services[0].RealServers)
	}
	b.collectAll()
}

// TestGone: a removed real server is reported as long as it has sessions.
func TestGone(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		b := newBed(t, s, s.serving(s.web(modes.NAT, 3)))
		for i := range 6 {
			b.fromClient(tcp(clientAt(i), webVIP, "S"))
		}
		b.collectAll()
		b.apply(s.serving(s.web(modes.NAT, 1)))
		v := b.engine.Report().Services[0]
		if len(v.Gone) != 2 || v.Gone[0].Address.Addr() != s.servers[1].addr || v.Gone[1].Active != 2 {
			t.Errorf("%+v", v.Gone)
		}
		b.wait(130_000)
		if v := b.engine.Report().Services[0]; v.Gone != nil {
			t.Errorf("%+v", v.Gone)
		}
	}
}

// TestAnotherServerOfAnID: what was noticed about a real server is not told of the next one with
// its id.
func TestAnotherServerOfAnID(t *testing.T) {
	var s publishedServer
	s.meet(1)
	s.unanswered.Store(3)
	s.signs.Store(unresolved | unanswered)
	s.meet(1)
	if s.unanswered.Load() != 3 {
		t.Error("it forgot")
	}
	s.meet(2)
	if s.unanswered.Load() != 0 || s.signs.Load() != 0 {
		t.Error("it did not begin anew")
	}
}
