package engine

import (
	"context"
	"fmt"
	"fulcrum/lvs"
	"net/netip"
	"slices"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

// whileTurning runs f, which asks the workers, and turns them until f returns.
func (b *bed) whileTurning(f func()) {
	b.Helper()
	done := make(chan bool)
	go func() { defer close(done); f() }()
	for {
		select {
		case <-done:
			return
		default:
			b.turnAll()
		}
	}
}

// listed returns all sessions, listed n at a time.
func (b *bed) listed(n int) (all []SessionInfo) {
	b.Helper()
	b.whileTurning(func() {
		at, more := Cursor(0), true
		for more {
			left := n
			err := b.engine.Sessions(b.Context(), at, func(s *SessionInfo, after Cursor) bool {
				all, at = append(all, *s), after
				left--
				return left > 0
			})
			more = left == 0
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	return all
}

// TestSessionsAreListed: the listing matches the clients' traffic, in every mode, of both families
// and of several workers, with any page size.
func TestSessionsAreListed(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 2), s.echo(m, 1)), crowd(2))
		const clients = 20
		for i := range clients {
			b.fromClient(tcp(clientAt(i), webVIP, "S"), udp(clientAt(i), echoVIP, "?"))
		}
		b.now += 500
		b.turn()
		all := b.listed(1 << 30)
		if len(all) != 2*clients {
			t.Fatalf("%d sessions, want %d", len(all), 2*clients)
		}
		for _, n := range []int{1, 7} {
			if paged := b.listed(n); !slices.Equal(paged, all) {
				t.Errorf("by pages of %d:\n%+v\nat once:\n%+v", n, paged, all)
			}
		}
		for _, info := range all {
			b.plausible(m, &info)
		}
	})
}

// plausible checks the description of a session whose client sent one packet half a second ago.
func (b *bed) plausible(m modes.Mode, s *SessionInfo) {
	b.Helper()
	vip, state := b.site.in(tcp(client, webVIP, "S")).dst, conntrack.SynRecv
	if s.Protocol == packet.ProtocolUDP {
		vip, state = b.site.in(udp(client, echoVIP, "")).dst, conntrack.UDP
	}
	local := s.Local.IsValid() && slices.Contains(b.site.local, s.Local.Addr())
	timeout := testTimeouts()[state]
	if s.VIP != vip || s.State != state || s.Mode != m || local != (m == modes.FullNAT) ||
		s.Service != "test" || s.PacketsIn != 1 || s.PacketsOut != 0 ||
		s.Idle.Milliseconds() != 500 || s.Left.Milliseconds() != int64(timeout)-500 ||
		s.Client.Addr() == vip.Addr() ||
		!slices.ContainsFunc(b.site.servers,
			func(h host) bool { return h.addr == s.RealServer.Addr() }) {
		b.Errorf("%+v", s)
	}
}

// TestListingOfRemovedServers: the listing shows their sessions, and the service while it exists.
func TestListingOfRemovedServers(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.web(modes.NAT, 1)))
	b.fromClient(tcp(client, webVIP, "S"))
	b.apply(twoArm.serving(twoArm.web(modes.NAT, 0)))
	if all := b.listed(9); len(all) != 1 || all[0].Service != "test" ||
		all[0].RealServer.Addr() != twoArm.servers[0].addr {
		t.Errorf("%+v", all)
	}
	b.apply(twoArm.settings())
	if all := b.listed(9); len(all) != 1 || all[0].Service != "" ||
		all[0].RealServer.Addr() != twoArm.servers[0].addr {
		t.Errorf("%+v", all)
	}
}

// TestListingMakesNoGarbage: a worker allocates nothing for a listing, and reads a bounded piece of
// a large table for a letter.
func TestListingMakesNoGarbage(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.web(modes.FullNAT, 2)))
	for i := range 600 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	c := new(shownSessions)
	if allocs := testing.AllocsPerRun(100, func() { b.worker.showSessions(c, 0) }); allocs != 0 ||
		c.n != listChunk || c.next != listChunk || !c.more {
		t.Errorf("%v allocations, %d sessions, goes on at %d: %v", allocs, c.n, c.next, c.more)
	}
}

// TestEndSessions: the sessions of one real server end, others do not, and the next packets belong
// to no session.
func TestEndSessions(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		web := s.web(modes.NAT, 2)
		b := newBed(t, s, s.serving(web, s.echo(modes.NAT, 1)), crowd(2))
		for i := range 300 {
			b.fromClient(tcp(clientAt(i), webVIP, "S"))
		}
		b.fromClient(udp(client, echoVIP, "?")) // session of the same real server's other service
		b.whileTurning(func() {
			n, err := b.engine.EndSessions(b.Context(), web.serverID(0))
			if n != 150 || err != nil {
				t.Errorf("%d ended, %v; want 150", n, err)
			}
		})
		b.sessions(151)
		b.connections(0, 0, 0, 0)
		b.connections(0, 1, 150, 0)
		unknown := lvs.RealServerID{Service: web.ID(), Address: at4("9.9.9.9:9")}
		if _, err := b.engine.EndSessions(context.Background(), unknown); err == nil {
			t.Error("sessions of nobody ended")
		}
	})
}

// TestNeighboursAreListed: with their state, port and MAC.
func TestNeighboursAreListed(t *testing.T) {
	n := twoArm.serving(twoArm.web(modes.DR, 2))
	n.Neighbours = n.Neighbours[:3] // up to the first real server
	b := newBed(t, twoArm, n)
	b.fromClient(tcp(client, webVIP, "S"), tcp("192.168.5.9:4001", webVIP, "S"))
	got := map[netip.Addr]string{}
	b.whileTurning(func() {
		err := b.engine.Neighbours(b.Context(), func(n *NeighbourInfo) {
			got[n.Address] = fmt.Sprint(n.State, " ", n.Port, " ", n.MAC, " ", n.Pinned, " ",
				n.Waiting)
		})
		if err != nil {
			t.Error(err)
		}
	})
	for _, want := range []struct {
		who   host
		shows string
	}{
		{twoArm.gateway, fmt.Sprint("static 0 ", twoArm.gateway.mac, " true 0")},
		{twoArm.neighbour, fmt.Sprint("static 0 ", twoArm.neighbour.mac, " false 0")},
		{twoArm.servers[0], fmt.Sprint("static 1 ", twoArm.servers[0].mac, " true 0")},
		{twoArm.servers[1], fmt.Sprint("incomplete 1 ", packet.MAC{}, " true 1")},
	} {
		if got[want.who.addr] != want.shows {
			t.Errorf("%s is shown as %q, want %q", want.who.addr, got[want.who.addr], want.shows)
		}
	}
}

// BenchmarkShowSessions measures a worker's time for one letter of a listing, with a million
// sessions that are in no cache.
func BenchmarkShowSessions(b *testing.B) {
	const most = 1 << 20
	d := newBenchBed(b, modes.NAT, most)
	w := d.worker
	for i := range uint32(most) {
		narrow := packet.Key4{Flow4: packet.Flow4{Src: i, Dst: 1, SrcPort: 1, DstPort: 1},
			Protocol: packet.ProtocolUDP}
		k := narrow.Wide()
		hashes := conntrack.Hashes{In: w.sessions.Hash(&k)}
		if _, ok := w.sessions.Insert(&k, hashes, &packet.Flow{}, false, d.now); !ok {
			break // the table's index is nearly full
		}
		w.snap.servers[0].load.Begin()
	}
	c := new(shownSessions)
	for b.Loop() {
		if w.showSessions(c, c.next); !c.more {
			c.next = 0
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*listChunk), "ns/session")
}
