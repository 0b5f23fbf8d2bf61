package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports/memory"
)

// A crowd of stations that do not exist, or that need nothing, must not keep the director from the
// stations that it needs (RFC 6583).

// invented returns the i-th of many addresses on the front subnet of a site whose subnets are wide.
func (s *site) invented(i int) host {
	h := host{
		netip.AddrFrom4([4]byte{10, byte(64 + i>>16), byte(i >> 8), byte(i)}),
		packet.MAC{2, 0, 9, byte(i >> 16), byte(i >> 8), byte(i)},
	}
	if s.is6 {
		h.addr = six(h.addr)
	}
	return h
}

// wide returns settings whose front subnet has a place for every invented station.
func (s *site) wide(services ...Service) Settings {
	n := s.resolving(services...)
	bits := 8
	if s.is6 {
		bits = 64
	}
	own := &n.Ports[s.front].Addresses[0]
	*own = netip.PrefixFrom(own.Addr(), bits)
	return n
}

// asksFor is a question about an address in its family.
func asksFor(a netip.Addr, asks host) []byte {
	if a.Is4() {
		return whoHas(a, asks)
	}
	return solicits(a, asks)
}

// tells is a station's answer in its family.
func tells(who, to host) []byte {
	if who.addr.Is4() {
		return isAt(who, to)
	}
	return advertises(who, to)
}

// questions counts the questions about an address among the frames that a port has sent.
func (b *bed) questions(port int, a netip.Addr) (n int) {
	for _, f := range collect(b.ports[port]) {
		if isQuestion(f, a) {
			n++
		}
	}
	return n
}

// isQuestion reports whether a frame is a question about an address.
func isQuestion(f []byte, a netip.Addr) bool {
	switch e := packet.Ethernet(f); {
	case e.Type() == packet.EtherTypeARP && a.Is4():
		arp := packet.ARP(f[packet.EthernetLen:])
		return arp.Op() == packet.ARPRequest && arp.TargetIP() == packet.Addr4(a)
	case e.Type() == packet.EtherTypeIPv6 && !a.Is4():
		m, ok := packet.ParseND(packet.IPv6(f[packet.EthernetLen:]), packet.IPv6Len)
		return ok && m.Type == packet.ICMP6Solicitation && m.Target == packet.AddrOf(a)
	}
	return false
}

// addsServer adds a real server to the running service, and expects that it is asked for, answers,
// and gets a client's packet.
func (b *bed) addsServer(n Settings) {
	b.Helper()
	s, rs := b.site, b.site.servers[1]
	b.collectAll()
	more := n
	more.Services = []Service{n.Services[0]}
	more.Services[0].RealServers = []RealServer{{
		Address: netip.AddrPortFrom(rs.addr, n.Services[0].RealServers[0].Address.Port()), Weight: 1,
	}}
	b.engine.Apply(more)
	b.turn()
	if asked := b.questions(s.back, rs.addr); asked != 1 {
		b.Errorf("the new real server is asked for %d times at once, want 1", asked)
	}
	b.receive(s.back, tells(rs, s.ports[s.back]))
	if !b.knows(rs, s.back) {
		b.Fatal("the new real server is not known")
	}
	b.collectAll()
	b.fromClient(tcp("192.168.77.7:777", webVIP, "S"))
	if got := collect(b.ports[s.back]); len(got) != 1 || packet.Ethernet(got[0]).Dst() != rs.mac {
		b.Fatalf("the client's packet did not reach the new real server: %d frames, drops %s",
			len(got), b.drops())
	}
}

func TestSolicitationsCrowdNobodyOut(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin(), oneArm, oneArm.twin()} {
		t.Run(s.name, func(t *testing.T) {
			n := s.wide(s.web(modes.DR, 1))
			b := newBed(t, s, n)
			for i := range 100_000 {
				b.deliver(s.front, asksFor(s.ports[s.front].addr, s.invented(i)))
				if i%64 == 63 {
					b.turnAll()
					collect(b.ports[s.front])
				}
			}
			b.turn()
			b.addsServer(n)
		})
	}
}

// TestSpoofedSourcesCrowdNobodyOut: the answers to packets from invented addresses of an on-link
// subnet go back to stations that do not exist.
func TestSpoofedSourcesCrowdNobodyOut(t *testing.T) {
	for i, s := range []site{twoArm, twoArm.twin()} {
		for j, mode := range []modes.Mode{modes.NAT, modes.FullNAT} {
			if testing.Short() && i != j {
				continue
			}
			t.Run(fmt.Sprint(s.name, "/", mode), func(t *testing.T) {
				n := s.wide(s.web(mode, 1))
				b := newBed(t, s, n, func(c *bedConfig) { c.sessions = 100_000 })
				b.receive(s.back, tells(s.servers[0], s.ports[s.back]))
				b.collectAll()
				b.spoof(70_000)
				b.addsServer(n)
			})
		}
	}
}

// spoof sends SYNs from n invented addresses, and has the real server answer each.
func (b *bed) spoof(n int) {
	s := b.site
	for i := range n {
		from := netip.AddrPortFrom(s.invented(i).addr, 4000)
		in := s.in(tcp(client, webVIP, "S")).from(from)
		b.deliver(s.front, in.frame(s.invented(i).mac, s.ports[s.front].mac))
		b.turnAll()
		b.answerAt(b.ports[s.back])
		collect(b.ports[s.front])
	}
	b.turn()
}

// answerAt has the first real server answer what was sent to it.
func (b *bed) answerAt(port *memory.Port) {
	s := b.site
	for _, f := range collect(port) {
		if packet.Ethernet(f).Dst() == s.servers[0].mac {
			src, dst := flowOf(f)
			out := pkt{src: src, dst: dst, protocol: packet.ProtocolTCP}.reply("SA", "")
			b.deliver(s.back, out.frame(s.servers[0].mac, s.ports[s.back].mac))
		}
	}
	b.turn()
}

// TestSpoofedSourcesLeaveQueues: packets to invented stations wait, and those to a gateway and a
// real server wait all the same. A client that has answered before is served.
func TestSpoofedSourcesLeaveQueues(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		t.Run(s.name, func(t *testing.T) {
			n := s.wide(s.web(modes.NAT, 1))
			b := newBed(t, s, n)
			b.receive(s.back, tells(s.servers[0], s.ports[s.back]))
			known, start := s.invented(1000), s.in(tcp(client, webVIP, "S"))
			start = start.from(netip.AddrPortFrom(known.addr, 4000))
			b.spoofFrom(start, known)
			b.receive(s.front, tells(known, s.ports[s.front]))
			b.spoof(40)
			if held := b.totals().Held; held != neighbour.StrangerQueues {
				t.Fatalf("%d packets of strangers wait, want %d", held, neighbour.StrangerQueues)
			}

			// From behind the gateway, which has not answered.
			b.receive(s.front, s.afar(tcp(client, webVIP, "S")).frame(s.gateway.mac, s.ports[0].mac))
			b.answerAt(b.ports[s.back])
			b.receive(s.front, tells(s.gateway, s.ports[s.front]))
			if !b.got(s.front, s.gateway.mac) {
				t.Error("the first packet to the gateway did not wait")
			}

			more := n
			more.Services = []Service{s.web(modes.NAT, 2)}
			more.Services[0].RealServers = more.Services[0].RealServers[1:]
			b.apply(more)
			b.fromClient(tcp("192.168.5.9:4001", webVIP, "S"))
			b.receive(s.back, tells(s.servers[1], s.ports[s.back]))
			if !b.got(s.back, s.servers[1].mac) {
				t.Error("the first packet to the real server did not wait")
			}

			b.apply(n)
			b.spoofFrom(start.with(func(p *pkt) { p.src = netip.AddrPortFrom(known.addr, 4001) }), known)
			if !b.got(s.front, known.mac) {
				t.Error("a client that is known is not served")
			}
		})
	}
}

// afar returns a packet of a client that is not on the wide front subnet.
func (s *site) afar(p pkt) pkt {
	if s.is6 {
		return p.six().from(netip.MustParseAddrPort("[2001:db8::9]:4000"))
	}
	return p
}

// spoofFrom sends a client's first packet from a station, and has the real server answer.
func (b *bed) spoofFrom(first pkt, from host) {
	b.receive(b.site.front, first.frame(from.mac, b.site.ports[b.site.front].mac))
	b.answerAt(b.ports[b.site.back])
}

// got reports whether a port has sent an IP packet to a MAC.
func (b *bed) got(port int, mac packet.MAC) bool {
	return slices.ContainsFunc(collect(b.ports[port]), func(f []byte) bool {
		var p packet.Parsed
		packet.Parse(f, &p)
		return packet.Ethernet(f).Dst() == mac && p.Kind.HasSession()
	})
}
