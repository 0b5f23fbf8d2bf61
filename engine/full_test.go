package engine

import (
	"net/netip"
	"testing"

	"fulcrum/modes"
)

// A full table evicts half-open sessions, the oldest first, and then refuses new ones: the others
// are confirmed.
func TestFullTable(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1)), func(c *bedConfig) { c.sessions = 4 })
		start := func(i int) *path { return b.begin(m, tcp(clientAt(i), webVIP, "S")) }
		establish := func(p *path, i int) {
			p.answers("SA", "")
			p.sends(tcp(clientAt(i), webVIP, "A"))
			p.sends(tcp(clientAt(i), webVIP, "PA"))
		}
		establish(start(0), 0)
		start(1)
		start(2)
		establish(start(3), 3)
		b.connections(0, 0, 4, 0)

		establish(start(4), 4) // in place of 1
		b.sessions(4)
		b.fromClient(tcp(clientAt(1), webVIP, "A"))
		b.dropped("no_session=1")
		establish(start(5), 5) // in place of 2
		b.connections(0, 0, 4, 0)
		if n := b.worker.sessions.Evicted(); n != 2 {
			t.Fatalf("%d evicted, want 2", n)
		}
		b.fromClient(tcp(clientAt(6), webVIP, "S"))
		b.quiet()
		b.dropped("no_session=1 sessions_full=1")
		b.connections(0, 0, 4, 0)
		for _, i := range []int{0, 3, 4, 5} {
			b.fromClient(tcp(clientAt(i), webVIP, "A"))
		}
		b.dropped("no_session=1 sessions_full=1")
	})
}

// A flood of SYNs costs no established session and no buffer.
func TestSynFlood(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.FullNAT, 3)), func(c *bedConfig) { c.sessions = 100 })
	for i := range 20 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"), tcp(clientAt(i), webVIP, "A"))
	}
	for i := range 3000 {
		b.deliver(0, tcp(clientAt(100+i), webVIP, "S").frame(s.gateway.mac, s.ports[0].mac))
		if i%64 == 63 {
			b.turn()
			b.collectAll()
		}
	}
	b.turn()
	b.collectAll()
	b.sessions(100)
	for i := range 20 {
		b.fromClient(tcp(clientAt(i), webVIP, "A"))
	}
	b.dropped("")
	if n := len(b.ports[1].Collect(0)); n != 20 {
		t.Fatalf("%d of 20 established sessions survived", n)
	}
}

// TestExplainFullTableWithoutRoute: a packet without route to its real server is dropped as
// no_route, even if the table is full.
func TestExplainFullTableWithoutRoute(t *testing.T) {
	s := twoArm
	n := s.serving(s.echo(modes.NAT, 1), s.web(modes.NAT, 1))
	n.Routes = nil
	n.Services[1].RealServers[0].Address = at4("172.30.0.1:80")
	n.Services[0].Address = netip.AddrPortFrom(n.Services[1].Address.Addr(), 7)
	b := newBed(t, s, n, func(c *bedConfig) { c.sessions = 1 })
	b.fromClient(udp(client, n.Services[0].Address.String(), "?"))
	b.sessions(1)
	p := tcp(client, webVIP, "S")
	b.explained(s.front, p.frame(s.gateway.mac, s.own(s.front).mac))
	b.dropped("no_route=1")
}
