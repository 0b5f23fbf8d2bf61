package engine

import (
	"testing"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

// A SYN on an ended session begins another session, which goes to the next real server.
func TestReuse(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mode   modes.Mode
		before func(*path)
		state  conntrack.State
		anew   bool
	}{
		{"time_wait", modes.NAT, func(p *path) { p.answers("FA", ""); p.sends(tcp(client, webVIP, "FA")) }, conntrack.TimeWait, true},
		{"close", modes.NAT, func(p *path) { p.sends(tcp(client, webVIP, "R")) }, conntrack.Close,
			true},
		{"fin_wait with replies", modes.NAT, func(p *path) { p.answers("FA", "") },
			conntrack.FinWait, false},
		{"close_wait", modes.NAT, func(p *path) { p.sends(tcp(client, webVIP, "FA")) },
			conntrack.CloseWait, false},
		{"established", modes.NAT, func(*path) {}, conntrack.Established, false},
		{"fin_wait without replies", modes.DR, func(p *path) { p.sends(tcp(client, webVIP, "FA")) },
			conntrack.FinWait, true},
		{"fin_wait without replies in a tunnel", modes.IPIP,
			func(p *path) { p.sends(tcp(client, webVIP, "FA")) }, conntrack.FinWait, true},
		{"established one way", modes.DR, func(*path) {}, conntrack.Established, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := twoArm
			v := s.web(tt.mode, 2)
			// So rr begins with servers[0].
			v.RealServers[0], v.RealServers[1] = v.RealServers[1], v.RealServers[0]
			b := newBed(t, s, s.serving(v))
			p := b.begin(tt.mode, tcp(client, webVIP, "S"))
			p.answers("SA", "")
			p.sends(tcp(client, webVIP, "A"))
			tt.before(p)
			if got := b.stateOf(client, webVIP, packet.ProtocolTCP); got != tt.state {
				t.Fatalf("in state %v, want %v", got, tt.state)
			}
			b.fromClient(tcp(client, webVIP, "S"))
			b.sessions(1)
			to := 0
			if tt.anew {
				to = 1
				b.connections(0, 1, 0, 0)
				b.connections(0, 0, 1, 0)
			}
			if got := b.ports[s.back].Collect(0); len(got) != 1 ||
				string(got[0][:6]) != string(s.servers[to].mac[:]) {
				t.Fatalf("the SYN did not go to real server %d; dropped %s", to, b.drops())
			}
		})
	}
}

// In fullnat the new connection has a local port of its own, so that late segments of the old one
// cannot disturb it.
func TestReusedFullNATSessionHasANewLocalPort(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.web(modes.FullNAT, 1)))
	old := b.begin(modes.FullNAT, tcp(client, webVIP, "S"))
	old.answers("RA", "")
	fresh := b.begin(modes.FullNAT, tcp(client, webVIP, "S"))
	if fresh.source == old.source {
		t.Fatalf("both connections come from %v", old.source)
	}
	fresh.answers("SA", "")
	late := pkt{src: old.source, dst: old.server, protocol: packet.ProtocolTCP}.reply("A", "late")
	b.fromServer(0, late)
	b.quiet()
	b.dropped("no_session=1")
}

// A SYN|RST ends an ended session, but never begins one.
func TestResetDoesNotReuse(t *testing.T) {
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.NAT, 1)))
	p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
	p.answers("RA", "")
	b.inState(conntrack.Close)
	b.fromClient(tcp(client, webVIP, "SR"))
	b.quiet()
	b.sessions(0)
	b.dropped("no_session=1")
}

// The server's SYN-ACK on a closed session is an answer, not a new connection.
func TestSynFromTheServerDoesNotReuse(t *testing.T) {
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.NAT, 1)))
	p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
	p.answers("RA", "")
	p.answers("SA", "")
	b.sessions(1)
}
