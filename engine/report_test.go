package engine

import (
	"fmt"
	"net/netip"
	"testing"

	"fulcrum/modes"
)

func TestReport(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 2), s.echo(modes.FullNAT, 1)))
	for i := range 3 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.fromClient(tcp(clientAt(0), webVIP, "R"))
	p := b.collectAllThen(func() *path {
		return b.begin(modes.FullNAT, udp(client, echoVIP, "1234"))
	})
	p.answers("", "12345678")
	b.fromClient(tcp(client, vipAlone+":9", "S"), echoRequest("192.168.5.9", vipAlone))
	b.now += publishInterval
	b.turn()

	r := b.engine.Report()
	if r.Totals != b.totals() || r.Balance() != 0 {
		t.Fatalf("totals %+v, the worker's %+v", r.Totals, b.totals())
	}
	if r.Drops[DropNoService] != 1 || r.Consumed != 1 || r.Received != 8 {
		t.Fatalf("totals %+v", r.Totals)
	}
	if r.Ports[0].Received != 7 || r.Ports[1].Received != 1 ||
		r.Ports[0].Received+r.Ports[1].Received != r.Received {
		t.Fatalf("ports %+v", r.Ports)
	}
	if r.Ports[0].Transmitted+r.Ports[1].Transmitted != r.Transmitted {
		t.Fatalf("ports %+v, in all %d", r.Ports, r.Transmitted)
	}
	web, echo := r.Services[0], r.Services[1]
	if web.Connections != 3 || web.InPackets != 4 || web.InBytes != 160 || web.OutPackets != 0 {
		t.Fatalf("web: %+v", web.Traffic)
	}
	if want := (Traffic{1, 1, 32, 1, 36}); echo.Traffic != want {
		t.Fatalf("echo: %+v, want %+v", echo.Traffic, want)
	}
	if len(web.RealServers) != 2 ||
		web.RealServers[0].Connections+web.RealServers[1].Connections != 3 {
		t.Fatalf("web: %+v", web.RealServers)
	}
	active := web.RealServers[0].Active + web.RealServers[1].Active
	inactive := web.RealServers[0].Inactive + web.RealServers[1].Inactive
	if active+inactive != 3 || r.Sessions != 4 || echo.RealServers[0].Inactive != 1 {
		t.Fatalf("active %d, inactive %d, sessions %d, echo %+v", active, inactive, r.Sessions,
			echo.RealServers)
	}
}

// collectAllThen discards what was sent so far and calls next.
func (b *bed) collectAllThen(next func() *path) *path {
	b.Helper()
	b.collectAll()
	return next()
}

// The counters of real servers are copied a chunk at a time. After enough turns the report has all
// of them, also those of new settings.
func TestReportOfManyServers(t *testing.T) {
	s := oneArm
	v := s.echo(modes.DR, 0)
	add := func(n int) {
		for range n {
			a := netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", 20+len(v.RealServers)))
			v.RealServers = append(v.RealServers,
				RealServer{Address: netip.AddrPortFrom(a, 7), Weight: 1})
		}
	}
	add(100)
	b := newBed(t, s, s.serving(v))
	add(100)
	b.apply(s.serving(v))
	for i := range 200 {
		b.fromClient(udp(clientAt(i), echoVIP, "?"))
	}
	for range 4 {
		b.now += publishInterval
		b.turn()
	}
	for i, rs := range b.engine.Report().Services[0].RealServers {
		if rs.Connections != 1 || rs.InPackets != 1 {
			t.Fatalf("real server %d: %+v", i, rs)
		}
	}
}

// A real server that comes back keeps its counters.
func TestReturningServerKeepsItsCounters(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 1)))
	b.fromClient(tcp(client, webVIP, "S"))
	b.apply(s.serving(s.web(modes.DR, 0)))
	b.now += publishInterval
	b.turn()
	if r := b.engine.Report(); r.Sessions != 1 || len(r.Services[0].RealServers) != 0 {
		t.Fatalf("%+v", r)
	}
	b.apply(s.serving(s.web(modes.DR, 2)))
	if r := b.engine.Report(); r.Services[0].RealServers[0].Connections != 1 ||
		r.Services[0].RealServers[1].Connections != 0 {
		t.Fatalf("%+v", r.Services)
	}
}

// A service's counters do not decrease when one of its real servers is removed or changes its mode:
// readers take decreasing counters for a restart.
func TestServiceKeepsItsCounters(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 2)))
	for i := range 4 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.now += publishInterval
	b.turn()
	before := b.engine.Report().Services[0].Traffic
	for _, v := range []Service{
		s.web(modes.DR, 1), s.web(modes.NAT, 1), s.web(modes.DR, 0), s.web(modes.DR, 2),
	} {
		b.apply(s.serving(v))
		if after := b.engine.Report().Services[0].Traffic; before.Connections != 4 ||
			after != before {
			t.Errorf("%s, %d real servers: %+v, before %+v", v.Mode, len(v.RealServers), after,
				before)
		}
	}
}

func TestNotes(t *testing.T) {
	b := newSilentBed(t, oneArm, oneArm.settings())
	if notes := b.engine.Notes(); len(notes) != 0 {
		t.Fatalf("notes without a reason: %q", notes)
	}
}

func TestBalanceSumsEverything(t *testing.T) {
	n := Totals{Received: 10, Originated: 5, Transmitted: 8, Consumed: 1, Held: 2}
	n.Drops[DropNoSession], n.Drops[DropStopped] = 3, 1
	if got := n.Balance(); got != 0 {
		t.Fatalf("balance %d, want 0", got)
	}
	n.Drops[DropMultiSegment]++
	if got := n.Balance(); got != -1 {
		t.Fatalf("balance %d, want -1", got)
	}
}
