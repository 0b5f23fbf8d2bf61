package engine

import (
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/sched"
)

// noAllocs fails if a burst allocates. prepare readies burst n.
func (s *salvo) noAllocs(prepare func(n int)) {
	s.bed.Helper()
	n := 0
	allocs := testing.AllocsPerRun(100, func() {
		prepare(n)
		s.fire()
		n++
	})
	if allocs != 0 {
		s.bed.Fatalf("%v allocations a burst; dropped %q", allocs, s.bed.drops())
	}
}

func TestNoAllocs(t *testing.T) {
	for _, m := range allModes {
		for _, first := range []pkt{tcp(client, webVIP, "S"), udp(client, echoVIP, "?")} {
			name := m.String() + "/udp"
			next := first
			if first.protocol == packet.ProtocolTCP {
				name, next = m.String()+"/tcp", tcp(client, webVIP, "A")
			}
			t.Run(name+"/new", func(t *testing.T) { noAllocsForNew(t, m, first) })
			t.Run(name+"/established", func(t *testing.T) {
				noAllocsForEstablished(t, m, first, next)
			})
		}
	}
}

func newAllocBed(t *testing.T, m modes.Mode) (*bed, *salvo) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.web(m, 3), twoArm.echo(m, 3)),
		func(c *bedConfig) { c.sessions = 10_000 })
	return b, newSalvo(b)
}

func noAllocsForNew(t *testing.T, m modes.Mode, first pkt) {
	b, s := newAllocBed(t, m)
	defer s.end()
	f := b.fromClients(first, 0)
	s.noAllocs(func(n int) {
		for i := range ports.MaxBurst {
			setSource(f, uint16(1000+n*ports.MaxBurst+i))
			s.load(i, f)
		}
	})
	b.sessions(101 * ports.MaxBurst)
	b.dropped("")
}

func noAllocsForEstablished(t *testing.T, m modes.Mode, first, next pkt) {
	b, s := newAllocBed(t, m)
	defer s.end()
	frames := make([][]byte, ports.MaxBurst)
	for i := range frames {
		b.receive(b.site.front, b.fromClients(first, i))
		frames[i] = b.fromClients(next, i)
	}
	b.collectAll()
	s.noAllocs(func(int) {
		for i, f := range frames {
			s.load(i, f)
		}
	})
	b.sessions(ports.MaxBurst)
	b.dropped("")
}

// Floods consist of packets that are answered or dropped, so these must not allocate either.
func TestNoAllocsOffTheWay(t *testing.T) {
	maglev := twoArm.web(modes.NAT, 2)
	maglev.Address, maglev.Scheduler = at4(hashedVIP), sched.MH
	n := twoArm.serving(twoArm.web(modes.NAT, 0), twoArm.echo(modes.IPIP, 1), maglev)
	n.ScheduleICMP = true
	b := newBed(t, twoArm, n)
	for _, f := range [][]byte{
		// No real server: answered by ICMP, up to the rate limit.
		b.fromClients(tcp(client, webVIP, "S"), 0),
		b.fromClients(udp(client, echoVIP, "?").ttlOf(1), 0), // time exceeded
		b.fromClients(tcp(client, "8.8.8.8:80", "S"), 0),
		b.fromClients(echoRequest(client, vipAlone), 0),
		b.fromClients(errorAbout(client), 0), // scheduled
		whoHas(at4(vipAlone).Addr(), twoArm.neighbour),
		make([]byte, 20),
	} {
		s := newSalvo(b)
		s.noAllocs(func(int) {
			b.now += 100
			b.worker.now = b.now
			for i := range ports.MaxBurst {
				s.load(i, f)
			}
		})
		s.end()
	}
}

func TestNoAllocsInAnEmptyTurn(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.web(modes.NAT, 3)))
	allocs := testing.AllocsPerRun(1000, func() { b.now += 3; b.worker.Turn(b.now) })
	if allocs != 0 {
		t.Fatalf("%v allocations a turn", allocs)
	}
}
