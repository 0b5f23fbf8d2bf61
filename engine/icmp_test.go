package engine

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

func TestEcho(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.FullNAT, 1)))
	for _, address := range []string{"10.0.0.1", "10.1.0.1", vipAlone, "10.1.0.50"} {
		ask := echoRequest("192.168.5.9", address).
			with(func(p *pkt) { p.ttl, p.id, p.tos = 3, 99, 0xb8 })
		b.fromClient(ask)
		reply := icmp(address, "192.168.5.9", packet.ICMPEchoReply, 0, ask.rest, ask.payload)
		b.toClient(reply.with(func(p *pkt) {
			p.id, p.tos = 99, 0xb8
		}))
	}
	b.dropped("")
	if n := b.totals(); n.Consumed != 4 || n.Originated < 4 {
		t.Fatalf("consumed %d, originated %d", n.Consumed, n.Originated)
	}
}

// The checksum of a message that is all zeros must be 0xffff.
func TestEchoOfZeros(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.settings())
	ask := icmp("192.168.5.9", "10.0.0.1", packet.ICMPEchoRequest, 0, 0, nil)
	b.receive(0, ask.frame(s.gateway.mac, s.ports[0].mac))
	if got := s.collectOne(b); plainChecksum(got[34:42], 0) != 0 {
		t.Fatalf("wrong checksum:\n%s", dump(got))
	}
}

func TestEchoWithIPOptions(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.settings())
	options := []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
	ask := echoRequest("192.168.5.9", "10.0.0.1").with(func(p *pkt) { p.options = options })
	b.fromClient(ask)
	b.toClient(icmp("10.0.0.1", "192.168.5.9", packet.ICMPEchoReply, 0, ask.rest, ask.payload).
		with(func(p *pkt) { p.options = options }))
}

func TestEchoIsNotAnswered(t *testing.T) {
	s := twoArm
	for _, tt := range []struct {
		name, drops string
		ask         pkt
	}{
		{"for a real server", "not_ours=1", echoRequest("192.168.5.9", "10.1.0.11")},
		{"from nobody", "to_host=1", echoRequest("0.0.0.0", vipAlone)},
		{"from a group", "to_host=1", echoRequest("224.0.0.1", vipAlone)},
		{"from broadcast", "to_host=1", echoRequest("255.255.255.255", vipAlone)},
		{"from loopback", "to_host=1", echoRequest("127.0.0.1", vipAlone)},
		{"when it is a reply", "to_host=1",
			icmp("192.168.5.9", vipAlone, packet.ICMPEchoReply, 0, 1, nil)},
		{"when it is an error", "icmp_error=1",
			icmp("192.168.5.9", vipAlone, packet.ICMPUnreachable, 1, 0, make([]byte, 28))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
			b.fromClient(tt.ask)
			b.quiet()
			b.dropped(tt.drops)
		})
	}
}

func (s *site) collectOne(b *bed) []byte {
	b.Helper()
	got := b.ports[s.front].Collect(0)
	if len(got) != 1 {
		b.Fatalf("%d frames, want one; dropped %s", len(got), b.drops())
	}
	return got[0]
}

func TestTimeExceeded(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1)))
		b.fromClient(tcp(client, webVIP, "S").ttlOf(1))
		b.toClient(icmpError("10.0.0.1", tcp(client, webVIP, "S").ttlOf(1), packet.ICMPTimeExceeded,
			0, 0))
		b.sessions(0)
		p := b.begin(m, tcp(client, webVIP, "S"))
		long := tcp(client, webVIP, "A").ttlOf(1).carrying(strings.Repeat("x", 1000))
		b.fromClient(long)
		b.toClient(icmpError("10.0.0.1", long, packet.ICMPTimeExceeded, 0, 0))
		b.fromClient(tcp(client, webVIP, "A").ttlOf(0))
		b.toClient(icmpError("10.0.0.1", tcp(client, webVIP, "A").ttlOf(0), packet.ICMPTimeExceeded,
			0, 0))
		b.dropped("ttl_exceeded=3")
		if !m.TwoWay() {
			return
		}
		in := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolTCP}
		out := in.reply("SA", "").ttlOf(1)
		b.fromServer(0, out)
		own := s.own(s.back)
		want := icmpError(own.addr.String(), out, packet.ICMPTimeExceeded, 0, 0)
		b.sent(s.back, want.frame(own.mac, s.servers[0].mac))
	})
}

// With DF the VIP tells the sender the size that fits, less a tunnel's header.
func TestFragmentationNeeded(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1)), func(c *bedConfig) { c.mtu = 1400 })
		p := b.begin(m, tcp(client, webVIP, "S"))
		room := 1400 - modes.Overhead(m, conntrack.Inbound, s.is6, s.is6)
		headers := 40
		if s.is6 {
			headers = 60
		}
		fits := tcp(client, webVIP, "A").carrying(strings.Repeat("x", room-headers)).
			with(func(q *pkt) { q.df = true })
		p.sends(fits)
		long := fits.carrying(strings.Repeat("x", room-headers+1))
		b.fromClient(long)
		b.toClient(icmpError(vipAlone, long, packet.ICMPUnreachable,
			packet.ICMPCodeFragmentationNeeded, uint32(room)))
		b.dropped("too_big=1")
		if !m.TwoWay() {
			return
		}
		out := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolTCP}.reply("A",
			strings.Repeat("x", 1401-headers))
		out.df = true
		b.fromServer(0, out)
		own := s.own(s.back)
		want := icmpError(own.addr.String(), out, packet.ICMPUnreachable,
			packet.ICMPCodeFragmentationNeeded, 1400)
		b.sent(s.back, want.frame(own.mac, s.servers[0].mac))
	})
}

// A SYN that exceeds the tunnel's MTU must not leave a session.
func TestFragmentationNeededForNewSession(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.echo(modes.IPIP, 1)))
	long := udp(client, echoVIP, strings.Repeat("x", 1453)).with(func(q *pkt) { q.df = true })
	b.fromClient(long)
	b.toClient(icmpError(vipAlone, long, packet.ICMPUnreachable, packet.ICMPCodeFragmentationNeeded,
		1480))
	b.sessions(0)
}

func TestPortUnreachable(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 0), s.echo(m, 0)))
		padded := udp(client, echoVIP, "?").with(func(p *pkt) { p.padding = 9 })
		for _, p := range []pkt{tcp(client, webVIP, "S"), padded} {
			b.fromClient(p)
			b.toClient(icmpError(vipAlone, p, packet.ICMPUnreachable,
				packet.ICMPCodePortUnreachable, 0))
		}
		b.dropped("no_real_server=2")
	})
}

// RFC 1122, 3.2.2: no error about a packet without a host as its source, nor about one to a group.
func TestNoErrorAboutPacketsWithoutASender(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 0)))
	for _, src := range []string{
		"0.0.0.0:1", "0.1.2.3:1", "127.0.0.1:1", "224.0.0.5:1", "239.1.1.1:1", "255.255.255.255:1",
	} {
		b.fromClient(tcp(src, webVIP, "S"))
	}
	b.quiet()
	b.dropped("bad_source=6")
	b.receive(0, tcp(client, webVIP, "S").frame(s.gateway.mac, packet.Broadcast))
	b.quiet()
	b.dropped("not_our_mac=1 bad_source=6")
}

func TestICMPErrorsAreLimited(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 0)))
	errors := func(n int) int {
		for i := range n {
			b.fromClient(tcp(clientAt(i), webVIP, "S"))
		}
		return len(b.ports[0].Collect(0))
	}
	if n := errors(100); n != int(errorRate.burst) {
		t.Fatalf("%d errors in a burst, want %d", n, errorRate.burst)
	}
	b.now += 10
	if n := errors(100); n != 10 {
		t.Fatalf("%d errors after 10 ms, want 10", n)
	}
	b.now += 60_000
	if n := errors(100); n != int(errorRate.burst) {
		t.Fatalf("%d errors after a minute, want %d", n, errorRate.burst)
	}
	// An echo is not an error.
	for range 100 {
		b.fromClient(echoRequest("192.168.5.9", "10.0.0.1"))
	}
	if n := len(b.ports[0].Collect(0)); n != 100 {
		t.Fatalf("%d echo replies, want 100", n)
	}
}

// A port without an address sends errors from the VIP if the packet was to the VIP, and otherwise
// none.
func TestErrorsFromAPortWithoutAddress(t *testing.T) {
	s := twoArm
	n := s.serving(s.web(modes.NAT, 1))
	n.Ports[0].Addresses = nil
	n.Routes = append(n.Routes, Route{netip.MustParsePrefix("10.0.0.254/32"), s.gateway.addr, 0})
	b := newBed(t, s, n)
	in := tcp(client, webVIP, "S").ttlOf(1)
	b.fromClient(in)
	b.toClient(icmpError(vipAlone, in, packet.ICMPTimeExceeded, 0, 0))
}

// RFC 1122, 3.2.2: no error about an IPv4 fragment that is not the first. IPv6 has no such rule.
func TestNoErrorAboutLaterFragments(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
		whole := s.in(udp(client, echoVIP, strings.Repeat("x", 100)))
		dying := whole.ttlOf(1)
		for i, p := range []pkt{whole, dying} {
			b.receive(s.front, ethernet(s.gateway.mac, s.own(s.front).mac, p.etherType(),
				fragmentsOf(p, 56)[i]))
		}
		b.dropped("ttl_exceeded=1")
		if got := len(collect(b.ports[s.front])); got != 0 && !s.is6 || got != 1 && s.is6 {
			t.Errorf("%s: %d errors", s.name, got)
		}
		collect(b.ports[s.back])
	}
}
