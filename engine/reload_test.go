package engine

import (
	"fmt"
	"testing"
	"time"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/sched"
)

func TestRemovedServerLosesItsSessions(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1)))
		p := b.begin(m, tcp(client, webVIP, "S"))
		b.apply(s.serving(s.web(m, 0)))
		b.fromClient(tcp(client, webVIP, "A"))
		b.quiet()
		b.sessions(1)
		b.dropped("real_server_gone=1")
		b.apply(s.serving(s.web(m, 1)))
		p.sends(tcp(client, webVIP, "A")) // it came back in time
		p.answers("A", "")
		b.connections(0, 0, 1, 0)
	})
}

// TestOtherTimeouts: new timeouts apply to existing sessions, and to what is shown of them.
func TestOtherTimeouts(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
	b.begin(modes.NAT, udp(client, echoVIP, "?"))
	n := s.serving(s.echo(modes.NAT, 1))
	n.Timeouts.Set(conntrack.UDP, 5*time.Second)
	b.apply(n)
	if all := b.listed(9); len(all) != 1 || all[0].Left > 5*time.Second {
		t.Errorf("%+v", all)
	}
	b.wait(4_000)
	b.sessions(1)
	b.wait(4_000)
	b.sessions(0)
}

func TestAnswersOfARemovedServerAreDropped(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.FullNAT, 1)))
	p := b.begin(modes.FullNAT, tcp(client, webVIP, "S"))
	b.apply(s.serving(s.web(modes.FullNAT, 0)))
	b.fromServer(0, pkt{src: p.source, dst: p.server, protocol: packet.ProtocolTCP}.reply("SA", ""))
	b.quiet()
	b.dropped("real_server_gone=1")
}

// A removed service's sessions end as usual, and its VIP is not an address of the director any
// more.
func TestRemovedService(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	b.begin(modes.NAT, tcp(client, webVIP, "S"))
	b.apply(s.settings())
	b.fromClient(tcp(client, webVIP, "A"), tcp(clientAt(1), webVIP, "S"))
	b.receive(0, whoHas(at4(vipAlone).Addr(), s.neighbour))
	b.quiet()
	b.dropped("not_ours=1 real_server_gone=1")
}

// TestChangedMode: a session keeps the mode with which it began, in both directions; new sessions
// get the new mode. All count for the same real server.
func TestChangedMode(t *testing.T) {
	for _, s := range sites {
		for _, modesOfServer := range [][2]modes.Mode{
			{modes.NAT, modes.FullNAT}, {modes.FullNAT, modes.NAT}, {modes.DR, modes.IPIP},
			{modes.IPIP, modes.DR},
		} {
			old, next := modesOfServer[0], modesOfServer[1]
			t.Run(fmt.Sprintf("%s/%s to %s", s.name, old, next), func(t *testing.T) {
				b := newBed(t, s, s.serving(s.web(old, 1)))
				first := b.begin(old, tcp(client, webVIP, "S"))
				b.apply(s.serving(s.web(next, 1)))
				if old.TwoWay() {
					first.answers("SA", "")
				}
				first.sends(tcp(client, webVIP, "A"))
				second := b.begin(next, tcp(clientAt(1), webVIP, "S"))
				second.sends(tcp(clientAt(1), webVIP, "A"))
				first.sends(tcp(client, webVIP, "PA"))
				b.connections(0, 0, 2, 0)
				b.dropped("")
			})
		}
	}
}

// Weight 0 drains: existing sessions go on, new ones go to other real servers.
func TestDrain(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
	drained := s.serving(s.web(modes.NAT, 2))
	drained.Services[0].RealServers[0].Weight = 0
	b.apply(drained)
	p.answers("SA", "")
	p.sends(tcp(client, webVIP, "A"))
	for i := range 4 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
		got := b.ports[1].Collect(0)
		if len(got) != 1 {
			t.Fatalf("%d packets; dropped %s", len(got), b.drops())
		}
		if _, dst := flowOf(got[0]); dst.Addr() != s.servers[1].addr {
			t.Fatalf("a new session went to %v", dst)
		}
	}
	b.connections(0, 0, 1, 0)
	b.connections(0, 1, 4, 0)
}

func TestConnectionCountsSurviveReloads(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 2)))
	for i := range 6 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.connections(0, 0, 3, 0)
	n := s.serving(s.echo(modes.DR, 1), s.web(modes.DR, 3))
	n.Services[1].Scheduler = sched.WLC
	b.apply(n)
	b.connections(1, 0, 3, 0)
	b.connections(1, 1, 3, 0)
	b.connections(1, 2, 0, 0)
	for i := range 3 {
		b.fromClient(tcp(clientAt(10+i), webVIP, "S"))
	}
	b.connections(1, 2, 3, 0) // least connections counts the old sessions
	b.wait(62_000)
	b.sessions(0)
	b.connections(1, 0, 0, 0)
}

// rr continues after a reload where it stopped.
func TestRoundRobinGoesOnAfterReload(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 3)))
	for i, want := range []int{2, 1, 0, 2} {
		if i > 0 {
			b.apply(s.serving(s.web(modes.DR, 3)))
		}
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
		b.toServer(want, tcp(clientAt(i), webVIP, "S").hop())
	}
}
