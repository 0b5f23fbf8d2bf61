package engine

import (
	"fulcrum/lvs"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

// stateOf returns the state of a client's session with a service.
func (b *bed) stateOf(from, service string, protocol uint8) conntrack.State {
	b.Helper()
	src, dst := at4(from), at4(service)
	for slot := range b.worker.sessions.Cap() {
		s := b.worker.sessions.At(uint32(slot))
		if s.Live() && s.Protocol == protocol &&
			s.In.Src == packet.Addr4(src.Addr()) && s.In.SrcPort == src.Port() &&
			s.In.Dst == packet.Addr4(dst.Addr()) && s.In.DstPort == dst.Port() {
			return s.State
		}
	}
	b.Fatalf("no session from %s to %s", from, service)
	return conntrack.None
}

func (b *bed) inState(want conntrack.State) {
	b.Helper()
	if got := b.stateOf(client, webVIP, packet.ProtocolTCP); got != want {
		b.Fatalf("the session is in state %v, want %v", got, want)
	}
}

func TestOnlySynStartsASession(t *testing.T) {
	for _, tt := range []struct {
		flags           string
		starts, ifSlopy bool
	}{
		{"S", true, true}, {"SA", true, true}, {"SF", true, true},
		{"A", false, true}, {"FA", false, true}, {"PA", false, true}, {"", false, true},
		{"R", false, false}, {"RA", false, false}, {"SR", false, false},
	} {
		for _, sloppy := range []bool{false, true} {
			n := oneArm.serving(oneArm.web(modes.NAT, 1))
			n.SloppyTCP = sloppy
			b := newBed(t, oneArm, n)
			p := tcp(client, webVIP, tt.flags)
			if tt.starts || sloppy && tt.ifSlopy {
				b.begin(modes.NAT, p)
				b.sessions(1)
				b.dropped("")
				continue
			}
			b.fromClient(p)
			b.quiet()
			b.sessions(0)
			b.dropped("no_session=1")
		}
	}
}

func TestSloppySessionIsEstablished(t *testing.T) {
	n := oneArm.serving(oneArm.web(modes.DR, 1))
	n.SloppyTCP = true
	b := newBed(t, oneArm, n)
	b.begin(modes.DR, tcp(client, webVIP, "A"))
	b.inState(conntrack.Established)
	b.connections(0, 0, 1, 0)
}

func TestWhatNobodyClaims(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.web(modes.FullNAT, 1)))
	for _, tt := range []struct {
		p    pkt
		want Verdict
	}{
		{tcp(client, webVIP, "A"), DropNoSession},
		{tcp(client, "10.1.0.50:2000", "SA"), DropNoSession},
		{tcp(client, vipAlone+":81", "S"), DropNoService},
		{tcp(client, vipAlone+":81", "A"), DropNoService},
		{udp(client, vipAlone+":80", "?"), DropNoService},
		{tcp(client, "10.0.0.1:80", "S"), DropToHost},
		{udp(client, "10.1.0.1:80", "?"), DropToHost},
		{tcp(client, "10.1.0.11:80", "S"), DropNotOurs},
		{udp(client, "8.8.8.8:53", "?"), DropNotOurs},
		{udp(client, "0.0.0.0:80", "?"), DropNotOurs},
		{pkt{src: at4(client), dst: at4(vipAlone), protocol: 47, ttl: 64}, DropNoService},
		{pkt{src: at4(client), dst: at4("10.0.0.1"), protocol: 50, ttl: 64}, DropToHost},
		{pkt{src: at4(client), dst: at4("10.1.0.50"), protocol: 50, ttl: 64}, DropToHost},
		{pkt{src: at4(client), dst: at4("8.8.8.8"), protocol: 50, ttl: 64}, DropNotOurs},
	} {
		before := b.totals().Drops[tt.want]
		b.fromClient(tt.p)
		if b.totals().Drops[tt.want] != before+1 {
			t.Errorf("%v -> %v protocol %d is not %v; dropped %s", tt.p.src, tt.p.dst,
				tt.p.protocol, tt.want, b.drops())
		}
	}
	b.quiet()
}

// UDP and TCP with the same addresses and ports are different services and different sessions.
func TestProtocolsAreKeptApart(t *testing.T) {
	s := oneArm
	tcpService, udpService := s.web(modes.NAT, 1), s.web(modes.NAT, 2)
	udpService.Protocol = lvs.UDP
	udpService.RealServers = udpService.RealServers[1:]
	b := newBed(t, s, s.serving(tcpService, udpService))
	b.fromClient(tcp(client, webVIP, "S"), udp(client, webVIP, "?"))
	got := b.ports[0].Collect(0)
	if len(got) != 2 {
		t.Fatalf("%d packets sent; dropped %s", len(got), b.drops())
	}
	for i := range got {
		if _, dst := flowOf(got[i]); dst.Addr() != s.servers[i].addr {
			t.Errorf("packet %d went to %v", i, dst)
		}
	}
	b.sessions(2)
}

// Packets of real servers outside of any session are not_ours, in every mode.
func TestForeignAnswersAreNotOurs(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1)))
		b.begin(m, tcp(client, webVIP, "S"))
		src := s.servers[0].addr.String() + ":80"
		b.fromServer(0, tcp(src, "192.168.5.9:4001", "SA"), tcp(src, "8.8.8.8:443", "S"))
		b.quiet()
		b.dropped("not_ours=2")
	})
}

// A session keeps its real server while others come and go.
func TestSessionSticksToItsServer(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 3)))
	b.fromClient(tcp(client, webVIP, "S"))
	b.toServer(2, tcp(client, webVIP, "S").hop())
	for i := range 5 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.collectAll()
	b.fromClient(tcp(client, webVIP, "A"))
	b.toServer(2, tcp(client, webVIP, "A").hop())
}

func TestIdleSessionsEnd(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
	p.answers("SA", "")
	p.sends(tcp(client, webVIP, "A"))
	b.inState(conntrack.Established)
	b.wait(80_000)
	p.answers("PA", "still there")
	b.wait(89_000)
	b.sessions(1)
	b.wait(4_000)
	b.sessions(0)
	b.fromClient(tcp(client, webVIP, "A"))
	b.quiet()
	b.dropped("no_session=1")
}
