package engine

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

// path is what one session's mode makes of its packets.
type path struct {
	bed    *bed
	mode   modes.Mode
	server netip.AddrPort
	vip    netip.AddrPort
	client netip.AddrPort
	source netip.AddrPort // the client as the real server sees it
	tunnel uint16         // identification of the next outer header
}

// begin sends a session's first packet, which must go to real server 0, and returns its path.
func (b *bed) begin(m modes.Mode, first pkt) *path {
	b.Helper()
	return b.beginAt(m, first, serverPort(m, first.dst))
}

// beginAt is begin with a real server at a port.
func (b *bed) beginAt(m modes.Mode, first pkt, port uint16) *path {
	b.Helper()
	p := &path{bed: b, mode: m, vip: first.dst, client: first.src, source: first.src,
		tunnel: b.worker.outerID + 1}
	p.server = netip.AddrPortFrom(b.site.servers[0].addr, port)
	b.fromClient(first)
	if m != modes.FullNAT {
		b.toServer(0, p.inbound(first))
		return p
	}
	got := collect(b.ports[b.site.back])
	if len(got) != 1 {
		b.Fatalf("%d frames sent for a first packet; dropped %s", len(got), b.drops())
	}
	p.source, _ = flowOf(got[0])
	if !slices.Contains(b.site.local, p.source.Addr()) || p.source.Port() < firstLocalPort {
		b.Fatalf("fullnat's source %v is none of %v", p.source, b.site.local)
	}
	want := p.inbound(first).frame(b.site.own(b.site.back).mac, b.site.servers[0].mac)
	if !slices.Equal(got[0], want) {
		b.Fatalf("sent\n%swant\n%s", dump(got[0]), dump(want))
	}
	judge(b, got[0])
	return p
}

// inbound returns the packet that arrives at the real server.
func (p *path) inbound(in pkt) pkt {
	switch p.mode {
	case modes.NAT, modes.FullNAT:
		return in.hop().from(p.source).to(p.server)
	case modes.IPIP:
		p.tunnel++
		return tunnelled(p.bed.site.in(in).hop(), p.bed.site.own(p.bed.site.back).addr,
			p.server.Addr(), p.tunnel-1)
	}
	// dr changes nothing else, padding included.
	return in.with(func(q *pkt) { q.ttl-- })
}

// sends sends a packet from the client, which must arrive.
func (p *path) sends(in pkt) {
	p.bed.Helper()
	p.bed.fromClient(in)
	p.bed.toServer(0, p.inbound(in))
}

// answers sends a packet from the real server, which must arrive at the client in the modes whose
// answers pass the director.
func (p *path) answers(flags, payload string, changes ...func(*pkt)) {
	p.bed.Helper()
	if !p.mode.TwoWay() {
		return
	}
	asked := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolTCP}
	if flags == "" {
		asked.protocol = packet.ProtocolUDP
	}
	out := asked.reply(flags, payload)
	for _, change := range changes {
		change(&out)
	}
	p.bed.fromServer(0, out)
	p.bed.toClient(out.hop().from(p.vip).to(p.client))
}

func TestTCPConnection(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1)))
		p := b.begin(m, tcp(client, webVIP, "S"))
		b.connections(0, 0, 1, 0)
		p.answers("SA", "")
		p.sends(tcp(client, webVIP, "A"))
		b.connections(0, 0, 1, 0)
		p.sends(tcp(client, webVIP, "PA").carrying("GET / HTTP/1.1\r\n\r\n"))
		p.answers("PA", "HTTP/1.1 200 OK\r\n\r\nodd")
		p.answers("FA", "")
		p.sends(tcp(client, webVIP, "FA"))
		b.connections(0, 0, 0, 1)
		p.answers("A", "")
		b.dropped("")
		b.wait(125_000)
		b.sessions(0)
		b.connections(0, 0, 0, 0)
	})
}

func TestUDPExchange(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.echo(m, 1)))
		p := b.begin(m, udp(client, echoVIP, "question"))
		p.answers("", "answer")
		p.sends(udp(client, echoVIP, "odd"))
		p.answers("", "")
		b.connections(0, 0, 0, 1)
		b.dropped("")
		b.wait(302_000)
		b.sessions(0)
	})
}

// A UDP checksum of zero means that there is none. It stays zero on the whole path.
func TestUDPWithoutChecksum(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.echo(m, 1)))
		none := func(p *pkt) { p.noChecksum = true }
		p := b.begin(m, udp(client, echoVIP, "question").with(none))
		p.answers("", "answer", none)
		p.sends(udp(client, echoVIP, "again").with(none))
	})
}

// A translated checksum that comes out as zero must be sent as 0xffff, or the receiver would take
// it for none. The test runs through every checksum.
func TestUDPChecksumNeverBecomesZero(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.echo(modes.NAT, 1)))
	p := b.begin(modes.NAT, udp(client, echoVIP, "xx"))
	sent, zeros := 0, 0
	for word := range 1 << 16 {
		in := udp(client, echoVIP, string([]byte{byte(word >> 8), byte(word)}))
		out := p.inbound(in).frame(b.site.own(1).mac, b.site.servers[0].mac)
		if sum := out[14+20+6:]; sum[0] != 0xff || sum[1] < 0xfe {
			continue // only values near zero matter
		}
		sent++
		if out[14+20+7] == 0xff {
			zeros++
		}
		b.fromClient(in)
		b.sent(1, out)
	}
	if sent != 2 || zeros != 1 {
		t.Fatalf("%d sums came by, %d of them zero; want 2 and 1", sent, zeros)
	}
}

func TestIPHeaderIsKept(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1)))
		odd := func(p *pkt) {
			p.tos, p.id, p.df, p.ttl = 0x2e<<2|3, 0xbeef, true, 2
			p.options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4,
				OptionData: []byte{0, 0}}}
		}
		p := b.begin(m, tcp(client, webVIP, "S").with(odd))
		p.answers("SA", "", odd)
		p.sends(tcp(client, webVIP, "A").with(odd))
	})
}

// Short frames come padded. A tunnel must not carry the padding; other modes may leave it behind
// the packet.
func TestPadding(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		for _, m := range allModes {
			b := newBed(t, s, s.serving(s.echo(m, 1)))
			in := udp(client, echoVIP, "?").with(func(p *pkt) { p.padding = 17 })
			b.fromClient(in)
			got := b.ports[s.back].Collect(0)
			if len(got) != 1 {
				t.Fatalf("%v: %d frames sent; dropped %s", m, len(got), b.drops())
			}
			judge(t, got[0])
			in = s.in(in)
			header, length := 0, got[0][16:18]
			if s.is6 {
				header, length = packet.IPv6Len, got[0][18:20]
			}
			want := len(in.ip()) + modes.Overhead(m, conntrack.Inbound, s.is6, s.is6)
			if header+int(length[0])<<8+int(length[1]) != want {
				t.Fatalf("%v: total length is not %d:\n%s", m, want, dump(got[0]))
			}
			if m == modes.IPIP && len(got[0]) != packet.EthernetLen+want {
				t.Fatalf("padding in the tunnel:\n%s", dump(got[0]))
			}
		}
	})
}

// A client on the front subnet is answered directly, not through the gateway.
func TestNeighbouringClient(t *testing.T) {
	for _, m := range []modes.Mode{modes.NAT, modes.FullNAT} {
		b := newBed(t, twoArm, twoArm.serving(twoArm.web(m, 1)))
		p := b.begin(m, tcp("10.0.0.9:4000", webVIP, "S"))
		out := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolTCP}.reply("SA", "")
		b.fromServer(0, out)
		b.sent(0, out.hop().from(p.vip).to(p.client).frame(b.site.own(0).mac, b.site.neighbour.mac))
	}
}

// Only the receiver checks the transport checksum: a wrong one must stay wrong.
func TestDamageIsNotRepaired(t *testing.T) {
	for _, m := range []modes.Mode{modes.NAT, modes.FullNAT} {
		b := newBed(t, twoArm, twoArm.serving(twoArm.web(m, 1)))
		p := b.begin(m, tcp(client, webVIP, "S"))
		f := tcp(client, webVIP, "A").carrying("data").frame(b.site.gateway.mac, b.site.own(0).mac)
		f[len(f)-1] ^= 0x40
		b.receive(0, f)
		want := p.inbound(tcp(client, webVIP, "A").carrying("data")).frame(b.site.own(1).mac,
			b.site.servers[0].mac)
		want[len(want)-1] ^= 0x40
		if got := b.ports[1].Collect(0); len(got) != 1 || !slices.Equal(got[0], want) {
			t.Fatalf("%v: sent %x, want %x", m, got, want)
		}
	}
}
