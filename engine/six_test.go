package engine

import (
	"fulcrum/lvs"
	"net/netip"
	"strings"
	"testing"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/sched"
)

// crossing is a director with clients of one family and real servers, behind the other port, of the
// other family.
type crossing struct {
	*bed
	clients6 bool
	gateway  host // towards the clients
	server   host
	vip      netip.AddrPort
}

// newCrossing makes a director with a service of one real server.
func newCrossing(t *testing.T, mode modes.Mode, protocol uint8, clients6 bool,
	changes ...func(*Service)) *crossing {
	t.Helper()
	s, six := twoArm, twoArm.twin()
	n := s.settings()
	n.Ports[0].Addresses = append(n.Ports[0].Addresses, six.settings().Ports[0].Addresses...)
	n.Ports[1].Addresses = append(n.Ports[1].Addresses, six.settings().Ports[1].Addresses...)
	n.Routes = append(n.Routes, six.settings().Routes...)
	n.Neighbours = append(n.Neighbours, six.settings().Neighbours...)
	c := &crossing{clients6: clients6, gateway: s.gateway, server: six.servers[0]}
	vip, local := at4(webVIP), six.local
	if clients6 {
		c.gateway, c.server, vip, local = six.gateway, s.servers[0], sixPort(vip), s.local
	}
	c.vip = vip
	v := Service{Name: "crossing", Address: vip, Protocol: lvs.Protocol(protocol), Mode: mode,
		Scheduler:   sched.RR,
		RealServers: []RealServer{{Address: netip.AddrPortFrom(c.server.addr, serverPort(mode, vip)), Weight: 1}}}
	if mode == modes.FullNAT {
		v.LocalAddresses = local
	}
	for _, change := range changes {
		change(&v)
	}
	n.Services = []Service{v}
	c.bed = newBed(t, s, n)
	return c
}

func (c *crossing) in(p pkt) pkt {
	if c.clients6 {
		return p.six()
	}
	return p
}

func (c *crossing) comes(p pkt) {
	c.Helper()
	c.receive(0, c.in(p).frame(c.gateway.mac, c.site.ports[0].mac))
}

func (c *crossing) answers(p pkt) {
	c.Helper()
	c.receive(1, p.frame(c.server.mac, c.site.ports[1].mac))
}

func (c *crossing) arrives(p pkt) {
	c.Helper()
	c.sent(1, p.frame(c.site.ports[1].mac, c.server.mac))
}

func (c *crossing) returns(p pkt) {
	c.Helper()
	c.sent(0, c.in(p).frame(c.site.ports[0].mac, c.gateway.mac))
}

// TestTunnelsAcrossFamilies: 4in6 and 6in4.
func TestTunnelsAcrossFamilies(t *testing.T) {
	for _, clients6 := range []bool{true, false} {
		c := newCrossing(t, modes.IPIP, packet.ProtocolUDP, clients6)
		own := c.site.ports[1].addr
		if !clients6 {
			own = six(own)
		}
		padded := udp(client, webVIP, "two").with(func(p *pkt) { p.tos = 0xb9; p.padding = 5 })
		for _, p := range []pkt{udp(client, webVIP, "one"), padded} {
			id := c.worker.outerID + 1
			c.comes(p)
			c.arrives(tunnelled(c.in(p).hop(), own, c.server.addr, id))
		}
		c.dropped("")
	}
}

// source returns the client's address as the first packet's translation shows it.
func (c *crossing) source(first pkt) netip.AddrPort {
	c.Helper()
	c.comes(first)
	got := c.ports[1].Collect(0)
	if len(got) != 1 {
		c.Fatalf("%d frames sent; dropped %s", len(got), c.drops())
	}
	judge(c, got[0])
	src, _ := flowOf(got[0])
	return src
}

// TestFullNATFromSixToFour: IPv6 clients of an IPv4 real server, by RFC 7915's rules.
func TestFullNATFromSixToFour(t *testing.T) {
	for _, protocol := range []uint8{packet.ProtocolTCP, packet.ProtocolUDP} {
		c := newCrossing(t, modes.FullNAT, protocol, true)
		make := func(flags, payload string) pkt {
			p := tcp(client, webVIP, flags)
			p.protocol, p.payload = protocol, []byte(payload)
			return p
		}
		source := c.source(make("S", ""))
		server := c.worker.snap.order[0].live.settings.RealServers[0].Address
		for _, size := range []int{1, 100, 1401} {
			q := make("A", strings.Repeat("q", size)).with(func(p *pkt) { p.tos = 0x2e })
			c.comes(q)
			want := q.hop().from(source).to(server)
			if want.df = len(want.ip()) > 1260; want.df {
				want.id = 0
			} else {
				want.id = c.worker.outerID
			}
			c.arrives(want)
			a := want.reply("A", strings.Repeat("a", size)).
				with(func(p *pkt) { p.tos = 0x17; p.df = true })
			c.answers(a)
			c.returns(a.hop().from(sixPort(c.vip)).to(sixPort(at4(client))))
		}
		if protocol == packet.ProtocolUDP {
			a := make("", "").from(source).to(server).reply("", "no checksum").
				with(func(p *pkt) { p.noChecksum = true })
			c.answers(a)
			c.returns(a.hop().from(sixPort(c.vip)).to(sixPort(at4(client))))
		}
		c.sessions(1)
		c.dropped("")
	}
}

// TestErrorsFromSixToFour: ICMP errors become those of the other family and quote the packet that
// the other side has sent.
func TestErrorsFromSixToFour(t *testing.T) {
	c := newCrossing(t, modes.FullNAT, packet.ProtocolUDP, true)
	ask := udp(client, webVIP, "question")
	source := c.source(ask)
	server := c.worker.snap.order[0].live.settings.RealServers[0].Address
	inside := ask.hop().from(source).to(server).with(func(p *pkt) { p.id = c.worker.outerID })
	c.answers(icmpError("10.1.0.254", inside, packet.ICMPUnreachable,
		packet.ICMPCodeFragmentationNeeded, 1400).with(func(p *pkt) { p.rest = 1400 }))
	outside := ask.hop().six()
	c.returns(icmpError(c.vip.Addr().String(), outside, packet.ICMPUnreachable,
		packet.ICMPCodeFragmentationNeeded, 1420).hop())
	c.answers(icmpError("10.1.0.11", inside, packet.ICMPUnreachable, packet.ICMPCodePortUnreachable,
		0))
	c.returns(icmpError(c.vip.Addr().String(), outside, packet.ICMPUnreachable,
		packet.ICMPCodePortUnreachable, 0).hop())

	answer := outside.reply("", "answer")
	c.comes(icmpError(client[:11], answer, packet.ICMPUnreachable, packet.ICMPCodePortUnreachable,
		0).with(func(p *pkt) { p.dst = answer.src }))
	want := icmpError(source.Addr().String(), answer.from(server).to(source).
		with(func(p *pkt) { p.id = 0 }), packet.ICMPUnreachable, packet.ICMPCodePortUnreachable, 0)
	c.arrives(want.hop().with(func(p *pkt) { p.dst = server }))
	c.dropped("")
	c.connections(0, 0, 0, 1)
}

// TestICMPErrors: both directions through every mode, with the whole packet or with eight bytes of
// its transport header.
func TestICMPErrors(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		for _, first := range []pkt{tcp(client, webVIP, "S"), udp(client, echoVIP, "question")} {
			for _, whole := range []bool{true, false} {
				b := newBed(t, s, s.serving(s.web(m, 1), s.echo(m, 1)))
				p := b.begin(m, first)
				errorsBothWays(b, p, m, first, whole)
				b.dropped("")
			}
		}
	})
}

func errorsBothWays(b *bed, p *path, m modes.Mode, first pkt, whole bool) {
	b.Helper()
	s := b.site
	cut := func(about pkt) pkt {
		e := icmpError("192.168.77.1", s.in(about), packet.ICMPUnreachable,
			packet.ICMPCodePortUnreachable, 0)
		if !whole {
			e.most = len(s.in(about).ip()) - len(about.payload)
			if about.protocol == packet.ProtocolTCP {
				e.most -= 12
			}
		}
		return e
	}
	answer := first.reply("SA", "answer")
	in := cut(answer).with(func(q *pkt) { q.dst = answer.src })
	b.fromClient(in)
	want := in
	switch m {
	case modes.NAT, modes.FullNAT:
		want = cut(answer.from(p.server).to(p.source)).hop()
		want.src, want.dst = in.src, p.server
		if m == modes.FullNAT {
			want.src = netip.AddrPortFrom(p.source.Addr(), 0)
		}
		b.toServer(0, want)
	default:
		b.toServer(0, p.inbound(in))
		return
	}
	inside := p.inbound(first)
	out := cut(inside).with(func(q *pkt) { q.dst = p.source })
	b.fromServer(0, out)
	want = cut(first.hop()).hop()
	want.src, want.dst = p.vip, p.client
	b.toClient(want)
}

// TestLaterFragments follow the first, in every mode and order.
func TestLaterFragments(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}} {
			b := newBed(t, s, s.serving(s.echo(m, 1)))
			p := b.begin(m, udp(client, echoVIP, "?"))
			whole := udp(client, echoVIP, strings.Repeat("0123456789", 300))
			var sent [][]byte
			for _, i := range order {
				b.receive(s.front, ethernet(s.gateway.mac, s.own(s.front).mac,
					s.in(whole).etherType(), fragmentsOf(s.in(whole), 1200)[i]))
				sent = append(sent, collect(b.ports[s.back])...)
			}
			if len(sent) != 3 {
				t.Fatalf("%d of 3 fragments sent in order %v; dropped %s", len(sent), order,
					b.drops())
			}
			b.dropped("")
			if m != modes.IPIP {
				if got, want := reassembled(t, sent), p.inbound(whole).payload; got != string(want) {
					t.Fatalf("the datagram is another in order %v", order)
				}
			}
			b.balanced()
		}
	})
}

// TestFragmentsAreBounded: fragments that wait too long, overlap or flood are dropped by name.
func TestFragmentsAreBounded(t *testing.T) {
	s := twoArm
	whole := udp(client, echoVIP, strings.Repeat("0123456789", 300))
	frame := func(b []byte) []byte {
		return ethernet(s.gateway.mac, s.ports[0].mac, whole.etherType(), b)
	}
	pieces := fragmentsOf(whole, 1200)
	t.Run("timeout", func(t *testing.T) {
		b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
		b.receive(0, frame(pieces[1]))
		if b.totals().Held != 1 {
			t.Fatalf("held %d", b.totals().Held)
		}
		b.wait(1100)
		b.dropped("fragment_timeout=1")
	})
	t.Run("overlap", func(t *testing.T) {
		b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
		b.receive(0, frame(pieces[0]), frame(fragmentsOf(whole, 1160)[1]), frame(pieces[2]))
		b.collectAll()
		b.dropped("fragment_overlap=2")
	})
	t.Run("flood", func(t *testing.T) {
		b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
		for i := range 300 {
			b.receive(0, frame(fragmentsOf(whole.with(func(p *pkt) { p.id = uint16(i) }), 1200)[1]))
		}
		b.dropped("fragments_full=44")
		b.wait(1100)
		b.dropped("fragment_timeout=256 fragments_full=44")
	})
	t.Run("stop", func(t *testing.T) {
		b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
		b.receive(0, frame(pieces[1]))
		b.close()
		b.dropped("stopped=1")
	})
}

// TestPieces: packets that exceed the MTU and may be divided arrive in fragments.
func TestPieces(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.echo(modes.IPIP, 1)))
	b.begin(modes.IPIP, udp(client, echoVIP, "?"))
	long := udp(client, echoVIP, strings.Repeat("0123456789", 147))
	b.fromClient(long)
	sent := collect(b.ports[s.back])
	if len(sent) != 2 {
		t.Fatalf("%d pieces; dropped %s", len(sent), b.drops())
	}
	for _, f := range sent {
		if len(f) > packet.EthernetLen+1500 {
			t.Fatalf("a piece of %d bytes", len(f))
		}
		judge(t, f)
	}
	if got := reassembled(t, sent); got[packet.IPv4MinLen:] != string(long.payload) {
		t.Fatal("the datagram inside is another")
	}
	b.dropped("")
}

// allNodes is the group of all stations.
var allNodes = host{netip.MustParseAddr("ff02::1"), packet.MAC{0x33, 0x33, 0, 0, 0, 1}}

// TestNeighbourDiscovery: the director answers for its addresses, learns, and asks.
func TestNeighbourDiscovery(t *testing.T) {
	s := oneArm.twin()
	n := s.serving(s.web(modes.NAT, 1))
	n.Neighbours = nil
	b := newBed(t, s, n)
	vip := six(netip.MustParseAddr(vipAlone))
	own := host{vip, s.ports[0].mac}
	b.receive(0, solicits(vip, s.gateway))
	b.sent(0, nd(own, s.gateway, ndAdvertisement, 0xe0000000, vip))
	// The director knows the sender of the question from now on.
	b.fromClient(tcp("10.0.0.1:1", webVIP, "R"))
	h, ok := b.worker.neighbours.Lookup(packet.AddrOf(s.gateway.addr), 0)
	if !ok || !b.worker.neighbours.At(h).HasMAC() {
		t.Fatal("the director did not learn the sender")
	}
	// A station probes whether the VIP is free.
	dad := host{netip.IPv6Unspecified(), s.gateway.mac}
	b.receive(0, probes(vip, dad))
	b.sent(0, nd(own, allNodes, ndAdvertisement, 0xa0000000, vip))
	b.dropped("no_session=1")
	// A question from behind a router is not valid.
	far := solicits(vip, s.gateway)
	far[14+7] = 254
	b.receive(0, far)
	b.quiet()
	b.dropped("bad_nd=1 no_session=1")
}

// TestNeighbourIsSolicited: packets wait until the real server has answered a solicitation.
func TestNeighbourIsSolicited(t *testing.T) {
	s := oneArm.twin()
	n := s.serving(s.web(modes.NAT, 1))
	n.Neighbours = nil
	b := newSilentBed(t, s, n)
	b.turn()
	b.announced()
	b.wait(1000)
	b.sentInAnyOrder(0, solicits(s.servers[0].addr, s.ports[0]),
		solicits(s.gateway.addr, s.ports[0]))
	in := tcp(client, webVIP, "S")
	b.fromClient(in)
	b.receive(0, advertises(s.servers[0], s.ports[0]))
	server := b.worker.snap.order[0].live.settings.RealServers[0].Address
	b.toServer(0, in.hop().to(server))
	b.dropped("")
}

// TestAnnouncements6: unsolicited advertisements to all nodes.
func TestAnnouncements6(t *testing.T) {
	s := oneArm.twin()
	b := newSilentBed(t, s, s.serving(s.web(modes.DR, 0)))
	b.turn()
	own := s.ports[0]
	vip := host{six(netip.MustParseAddr(vipAlone)), own.mac}
	b.sentInAnyOrder(0, nd(own, allNodes, ndAdvertisement, 0xa0000000, own.addr),
		nd(vip, allNodes, ndAdvertisement, 0xa0000000, vip.addr))
}

// TestMSS: SYNs announce no larger segments than the service's MSS.
func TestMSS(t *testing.T) {
	for _, mode := range allModes {
		s := twoArm
		v := s.web(mode, 1)
		v.MSS = 1400
		b := newBed(t, s, s.serving(v))
		b.fromClient(tcp(client, webVIP, "S").with(func(p *pkt) { p.mss = 1460 }))
		got := collect(b.ports[s.back])
		if len(got) != 1 {
			t.Fatalf("%v: dropped %s", mode, b.drops())
		}
		judge(t, got[0])
		at := packet.EthernetLen + packet.IPv4MinLen + modes.Overhead(mode, conntrack.Inbound,
			false, false) + packet.TCPMinLen
		if mss := int(got[0][at+2])<<8 | int(got[0][at+3]); mss != 1400 {
			t.Errorf("%v: the SYN announces %d", mode, mss)
		}
	}
}

// TestTunnelErrors: the sender of a packet that does not pass the tunnel gets an error from the
// VIP.
func TestTunnelErrors(t *testing.T) {
	for _, s := range sites {
		b := newBed(t, s, s.serving(s.echo(modes.IPIP, 1)))
		p := b.begin(modes.IPIP, udp(client, echoVIP, "?"))
		own := s.own(s.back).addr
		overhead := uint32(modes.Overhead(modes.IPIP, conntrack.Inbound, s.is6, s.is6))
		in := udp(client, echoVIP, "question")
		p.sends(in)
		outer := tunnelled(s.in(in).hop(), own, p.server.Addr(), p.tunnel-1)
		for _, tt := range []struct {
			code, wantCode uint8
			rest, want     uint32
		}{
			{packet.ICMPCodeFragmentationNeeded, packet.ICMPCodeFragmentationNeeded, 1400,
				1400 - overhead},
			{packet.ICMPCodePortUnreachable, packet.ICMPCodeHostUnreachable, 0, 0},
		} {
			b.fromServer(0, icmpError("192.168.77.1", outer, packet.ICMPUnreachable, tt.code,
				tt.rest))
			b.toClient(icmpError(vipAlone, s.in(in).hop(), packet.ICMPUnreachable, tt.wantCode,
				tt.want))
		}
		b.dropped("")
	}
}
