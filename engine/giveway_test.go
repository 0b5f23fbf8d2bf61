package engine

import (
	"net/netip"
	"testing"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/ports"
)

// invented numbers the clients of floods, so that none is that of a test's client.
const invented = 10_000

// floods are what invented sources send, one session each.
var floods = map[string]func(i int) []pkt{
	"SYN": func(i int) []pkt { return []pkt{tcp(clientAt(i), webVIP, "S")} },
	"SYN and ACK": func(i int) []pkt {
		return []pkt{tcp(clientAt(i), webVIP, "S"), tcp(clientAt(i), webVIP, "A")}
	},
	"SYN and FIN": func(i int) []pkt {
		return []pkt{tcp(clientAt(i), webVIP, "S"), tcp(clientAt(i), webVIP, "FA")}
	},
	"datagram": func(i int) []pkt { return []pkt{udp(clientAt(i), echoVIP, "?")} },
}

// flooding is a flood of a bed.
type flooding struct {
	*bed
	next func(i int) []pkt
	sent int
}

// more sends the packets of n more invented sources, a burst at a time.
func (f *flooding) more(n int) {
	f.Helper()
	for range n {
		for _, p := range f.next(invented + f.sent) {
			f.deliver(f.site.front, f.site.in(p).frame(f.site.gateway.mac,
				f.site.own(f.site.front).mac))
		}
		if f.sent++; f.sent%(ports.MaxBurst/2) == 0 {
			f.turn()
			f.collectAll()
		}
	}
	f.turn()
	f.collectAll()
}

// sends has a client of a path send a packet after more of the flood.
func (f *flooding) sends(p *path, in pkt) {
	f.Helper()
	f.more(50)
	p.tunnel = f.worker.outerID + 1 // the flood counted on
	p.sends(in)
}

// TestFloodsLeaveRoom: while invented sources fill the table many times over, sessions that have
// shown data go on, and every new client is served, even by the service under attack.
func TestFloodsLeaveRoom(t *testing.T) {
	for name, next := range floods {
		t.Run(name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, s site, m modes.Mode) {
				b := newBed(t, s, s.serving(s.web(m, 1), s.echo(m, 1)),
					func(c *bedConfig) { c.sessions = 1000 })
				f := flooding{bed: b, next: next}
				var talking []*path
				for i := range 10 {
					talking = append(talking, f.connects(m, i))
				}
				f.more(1500)
				for i := range 5 {
					f.connects(m, 100+i)
				}
				for i, p := range talking {
					f.sends(p, tcp(clientAt(i), webVIP, "PA"))
				}
				b.dropped("")
			})
		})
	}
}

// connects has a client connect and send data, with some of the flood before each packet.
func (f *flooding) connects(m modes.Mode, i int) *path {
	f.Helper()
	f.more(50)
	p := f.begin(m, tcp(clientAt(i), webVIP, "S"))
	p.answers("SA", "")
	f.sends(p, tcp(clientAt(i), webVIP, "A"))
	f.sends(p, tcp(clientAt(i), webVIP, "PA"))
	return p
}

// TestUsedUpPortsGiveWay: invented sources that hold every local port do not keep clients out, and
// a port that is free is taken first.
func TestUsedUpPortsGiveWay(t *testing.T) {
	if testing.Short() {
		t.Skip("64,000 sessions take long under the race detector")
	}
	s := twoArm
	v := s.echo(modes.FullNAT, 1)
	v.LocalAddresses = []netip.Addr{s.local[0]}
	b := newBed(t, s, s.serving(v), func(c *bedConfig) { c.sessions = localPorts + 100 })
	b.flood(localPorts)
	b.sessions(localPorts)
	for i := range 50 {
		ask := udp(clientAt(localPorts+i), echoVIP, "?")
		b.explained(s.front, ask.frame(s.gateway.mac, s.own(s.front).mac))
		if n := len(b.ports[1].Collect(0)); n != 0 {
			t.Fatalf("%d more packets sent", n)
		}
	}
	b.dropped("")
	b.sessions(localPorts)
	b.connections(0, 0, 0, localPorts)
}

// TestUsedUpPortsPassOn: a new session goes on to a real server with free ports rather than take
// another's.
func TestUsedUpPortsPassOn(t *testing.T) {
	s := twoArm
	v := s.echo(modes.FullNAT, 2)
	v.LocalAddresses = v.LocalAddresses[:1]
	b := newBed(t, s, s.serving(v))
	b.worker.peers[0].turn, b.worker.peers[1].turn = 0, 1000
	b.sources(2 * maxProbes)
	b.worker.peers[0].turn = 0
	before := b.worker.sessions.Len()
	for i := range 2 {
		b.fromClient(udp(clientAt(1000+i), echoVIP, "?"))
	}
	b.dropped("")
	b.sessions(before + 2)
}

// limited returns a service with a limit.
func limited(v Service, most int) Service {
	v.MaxSessions = most
	return v
}

// TestMaxSessions: a service at its limit gets no more sessions, unless one of its own gives way.
// Other services do not notice. The limit may change at any time.
func TestMaxSessions(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		echo := func(most int) Settings { return s.serving(s.web(m, 1), limited(s.echo(m, 1), most)) }
		b := newBed(t, s, echo(3))
		ask := func(i int, want string) {
			t.Helper()
			b.collectAll()
			b.explained(s.front, s.in(udp(clientAt(i), echoVIP, "?")).frame(s.gateway.mac,
				s.own(s.front).mac))
			b.collectAll()
			b.dropped(want)
		}
		for i := range 3 {
			ask(i, "")
			b.fromClient(udp(clientAt(i), echoVIP, "?"))
		}
		ask(3, "service_full=1")
		b.fromClient(tcp(clientAt(9), webVIP, "S"))
		b.sessions(4)
		b.apply(echo(4))
		ask(4, "service_full=1") // in the free place
		ask(5, "service_full=1") // in place of 4, which sent one packet
		b.sessions(5)
		b.connections(1, 0, 0, 4)
		b.apply(echo(2)) // those beyond the limit stay
		b.fromClient(udp(clientAt(5), echoVIP, "?"))
		ask(6, "service_full=2")
		b.apply(echo(0))
		ask(7, "service_full=2")
		b.sessions(6)
	})
}

// TestSessionsOfServices: every worker's count of a limited service's sessions is that of its
// table, also if the limit came after them.
func TestSessionsOfServices(t *testing.T) {
	s := twoArm
	both := func(most int) Settings {
		return s.serving(limited(s.web(modes.DR, 2), most), limited(s.echo(modes.FullNAT, 2), most))
	}
	b := newBed(t, s, both(0), func(c *bedConfig) { c.sessions = 500 })
	next := 0
	clients := func(n int) {
		for range n {
			b.deliver(0, tcp(clientAt(next), webVIP, "S").frame(s.gateway.mac, s.ports[0].mac))
			b.deliver(0, udp(clientAt(next), echoVIP, "?").frame(s.gateway.mac, s.ports[0].mac))
			if next++; next%20 == 0 {
				b.turn()
				b.collectAll()
			}
		}
	}
	check := func() {
		t.Helper()
		b.wait(2000)
		b.collectAll()
		for _, v := range b.engine.snap.Load().order {
			if got, want := v.live.sessions(), b.sessionsOf(v.live.id.Protocol); got != want {
				t.Errorf("%s counts %d sessions; want %d", v.name, got, want)
			}
		}
	}
	clients(1000)
	b.apply(both(1_000_000))
	check()
	clients(1000)
	check()
	b.apply(both(0))
	clients(100)
	b.apply(both(1_000_000))
	check()
	b.worker.sessions.EndAll()
	check()
}

// sessionsOf returns how many sessions of a protocol the worker's table holds.
func (b *bed) sessionsOf(p lvs.Protocol) (n int) {
	for slot := range uint32(b.worker.sessions.Cap()) {
		if x := b.worker.sessions.At(slot); x.Live() && lvs.Protocol(x.Protocol) == p {
			n++
		}
	}
	return n
}
