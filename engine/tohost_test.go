package engine

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

const sshAt = "10.0.0.1:22"

// eachHost runs a test in both families, with one worker and with three.
func eachHost(t *testing.T, test func(t *testing.T, s site, workers int)) {
	for _, s := range []site{oneArm, oneArm.twin()} {
		for _, workers := range []int{1, 3} {
			t.Run(s.name+map[int]string{1: "/alone", 3: "/three"}[workers], func(t *testing.T) {
				test(t, s, workers)
			})
		}
	}
}

// newHostBed has a service in each of nat and fullnat, and host interfaces that hold the VIP or
// not.
func newHostBed(t testing.TB, s site, workers int, holds bool) *bed {
	other := s.web(modes.FullNAT, 1)
	other.Address = netip.AddrPortFrom(other.Address.Addr(), 8080)
	b := newBed(t, s, hosted(s.serving(s.web(modes.NAT, 1), other)), withHost,
		func(c *bedConfig) { c.workers = workers })
	if holds {
		vip := s.web(modes.NAT, 1).Address.Addr()
		b.engine.SetHostVIPs([]netip.Addr{s.neighbour.addr, vip, s.gateway.addr})
	}
	return b
}

// frames puts packets from the gateway to the director into frames.
func (s *site) frames(packets ...pkt) [][]byte {
	return s.framesOf(packets, s.gateway.mac, s.ports[s.front].mac)
}

// bring delivers frames at the front to the last worker.
func (b *bed) bring(frames ...[]byte) {
	b.Helper()
	for _, f := range frames {
		if !b.ports[b.site.front].Deliver(len(b.engine.workers)-1, f) {
			b.Fatal("the pool has no buffer for a frame")
		}
	}
	b.turn()
}

// toAll has a frame go to all stations of the Ethernet.
func toAll(f []byte) []byte {
	packet.Ethernet(f).SetDst(packet.Broadcast)
	return f
}

// hostTraffic is what the host gets in each class.
func hostTraffic(s *site) map[string]struct {
	class  HostClass
	frames [][]byte
} {
	type row = struct {
		class  HostClass
		frames [][]byte
	}
	own := "10.0.0.1"
	peer := s.neighbour
	asked := udp("10.0.0.1:40000", "8.8.8.8:33434", "how far?")
	all := map[string]row{
		"a connection":       {HostRest, s.frames(tcp(client, sshAt, "S"))},
		"a segment":          {HostRest, s.frames(tcp(client, sshAt, "A"))},
		"a datagram":         {HostRest, s.frames(udp(client, "10.0.0.1:161", "get"))},
		"BGP":                {HostRouting, s.frames(tcp(client, "10.0.0.1:179", "S"))},
		"answered BGP":       {HostRouting, s.frames(tcp("10.0.0.9:179", "10.0.0.1:40000", "SA"))},
		"BFD":                {HostRouting, s.frames(udp("10.0.0.9:49152", "10.0.0.1:3784", "up").ttlOf(255))},
		"BFD's echo":         {HostRouting, s.frames(udp("10.0.0.9:49152", "10.0.0.1:3785", "up").ttlOf(255))},
		"BFD from afar":      {HostRouting, s.frames(udp(client, "10.0.0.1:4784", "up").ttlOf(250))},
		"forged BFD":         {HostRest, s.frames(udp(client, "10.0.0.1:3784", "up").ttlOf(254))},
		"VRRP":               {HostRouting, [][]byte{s.toGroup(raw("10.0.0.9", "224.0.0.18", 112, 255), "ff02::12")}},
		"unicast VRRP":       {HostRouting, s.frames(raw("10.0.0.9", own, 112, 255))},
		"VRRP from afar":     {HostRest, s.frames(raw("192.168.5.9", own, 112, 60))},
		"OSPF":               {HostRouting, [][]byte{s.toGroup(raw("10.0.0.9", "224.0.0.5", 89, 1), "ff02::5")}},
		"unicast OSPF":       {HostRouting, s.frames(raw("10.0.0.9", own, 89, 1))},
		"OSPF from afar":     {HostRouting, s.frames(raw("192.168.5.9", own, 89, 60))},
		"multicast DNS":      {HostRest, [][]byte{s.toGroup(udp("10.0.0.9:5353", "224.0.0.251:5353", "who?"), "[ff02::fb]:5353")}},
		"PIM":                {HostRest, [][]byte{s.toGroup(raw("10.0.0.9", "224.0.0.13", 103, 1), "ff02::d")}},
		"another protocol":   {HostRest, s.frames(raw("192.168.5.9", own, 50, 64))},
		"LLDP":               {HostRouting, [][]byte{llc(peer.mac, packet.MAC{1, 0x80, 0xc2, 0, 0, 0xe}, 0x88cc)}},
		"LACP":               {HostRouting, [][]byte{llc(peer.mac, packet.MAC{1, 0x80, 0xc2, 0, 0, 2}, 0x8809)}},
		"an echo reply":      {HostRest, s.frames(icmp("192.168.5.9", own, packet.ICMPEchoReply, 0, 7<<16, nil))},
		"an error":           {HostRest, s.frames(icmpError("192.168.5.9", asked, packet.ICMPTimeExceeded, 0, 0))},
		"an error about TCP": {HostRest, s.frames(icmpError("192.168.5.9", tcp(sshAt, client, "A"), 3, 4, 1400))},
		"fragments": {HostRest, func() (f [][]byte) {
			whole := udp(client, "10.0.0.1:161", strings.Repeat("0123456789", 300))
			for _, piece := range slices.Backward(fragmentsOf(s.in(whole), 1200)) {
				f = append(f, ethernet(s.gateway.mac, s.ports[0].mac, s.in(whole).etherType(), piece))
			}
			return f
		}()},
	}
	if s.is6 {
		all["DHCP"] = row{HostRest, s.frames(udp("10.0.0.9:547", "10.0.0.77:546", "advertise"))}
	} else {
		offer := udp("10.0.0.9:67", "255.255.255.255:68", "offer")
		all["IGMP"] = row{HostRouting, [][]byte{s.toGroup(raw("10.0.0.9", "224.0.0.22", 2, 1), "")}}
		all["DHCP"] = row{HostRest, s.frames(udp("10.0.0.9:67", "10.0.0.77:68", "offer"))}
		all["DHCP to all"] = row{HostRest, [][]byte{toAll(s.frames(offer)[0])}}
		all["DHCP's client"] = row{HostRest, [][]byte{
			toAll(s.frames(udp("0.0.0.0:68", "255.255.255.255:67", "discover"))[0])}}
	}
	return all
}

// TestToHost: the host gets what is for it, whole, in its class, whichever worker receives it.
func TestToHost(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		for name, c := range hostTraffic(&s) {
			t.Run(name, func(t *testing.T) {
				b := newHostBed(t, s, workers, false)
				b.bring(c.frames...)
				b.host(s.front, c.frames...)
				b.quiet()
				b.dropped("")
				want := HostTotals{Handed: uint64(len(c.frames))}
				if got := b.hostCounts(c.class); got != want {
					t.Errorf("class %v counts %+v, want %+v", c.class, got, want)
				}
				if n := b.totals().ToHost; n != want.Handed {
					t.Errorf("%d packets to the host, want %d", n, want.Handed)
				}
			})
		}
	})
}

// TestNotToHost: what is not for the host has the fate that it has without host interface.
func TestNotToHost(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		served := icmpError("192.168.5.9", tcp(webVIP, client, "A"), packet.ICMPUnreachable, 1, 0)
		group := s.frames(udp("10.0.0.9:5353", "10.0.0.1:5353", "?"))[0]
		copy(group, "\x01\x00\x5e\x00\x00\xfb")
		toGroup := s.toGroup(tcp(client, "224.0.0.251:22", "S"), "[ff02::fb]:22")
		cases := map[string]struct {
			drops string
			frame []byte
		}{
			"of a served port":       {"no_session=1", s.frames(tcp(client, webVIP, "A"))[0]},
			"of a local address":     {"no_session=1", s.frames(tcp(client, s.local[0].String()+":80", "S"))[0]},
			"to another address":     {"not_ours=1", s.frames(tcp(client, "10.7.0.1:80", "S"))[0]},
			"to another station":     {"not_our_mac=1", s.framesOf([]pkt{tcp(client, sshAt, "S")}, s.gateway.mac, s.servers[0].mac)[0]},
			"a group's frame to it":  {"not_our_mac=1", group},
			"TCP to a group":         {"not_our_mac=1", toGroup},
			"spanning tree":          {"not_ip=1", llc(s.neighbour.mac, packet.MAC{1, 0x80, 0xc2}, 38)},
			"an error about a VIP":   {"icmp_error=1", s.frames(served)[0]},
			"an error about another": {"icmp_error=1", s.frames(icmpError("192.168.5.9", tcp("10.0.0.77:80", client, "A"), 3, 1, 0))[0]},
			"a damaged datagram":     {"bad_udp_length=1", s.frames(udp(client, "10.0.0.1:161", "get"))[0]},
		}
		if s.is6 {
			// Its twin is a plain address.
			delete(cases, "of a local address")
		} else {
			broadcast := toAll(s.frames(udp("10.0.0.9:138", "10.0.0.255:138", "?"))[0])
			redirect := icmp("10.0.0.254", "10.0.0.1", packet.ICMPRedirect, 1, 0, tcp(sshAt, client, "A").ip())
			cases["a broadcast"] = struct {
				drops string
				frame []byte
			}{"not_our_mac=1", broadcast}
			cases["a redirect"] = struct {
				drops string
				frame []byte
			}{"icmp_error=1", s.frames(redirect)[0]}
		}
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				b := newHostBed(t, s, workers, false)
				if name == "a damaged datagram" {
					c.frame[packet.EthernetLen+len(s.in(udp(client, "10.0.0.1:161", "get")).ip())-6]++
				}
				b.bring(c.frame)
				b.host(s.front)
				b.quiet()
				b.dropped(c.drops)
			})
		}
	})
}

// TestPingIsTheDirectors: the director answers echo requests to its addresses, and the host does
// not hear of them.
func TestPingIsTheDirectors(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		b := newHostBed(t, s, workers, true)
		b.bring(s.frames(echoRequest("192.168.5.9", "10.0.0.1"), echoRequest("192.168.5.9", vipAlone))...)
		if got := collect(b.ports[s.front]); len(got) != 2 {
			t.Errorf("%d answers", len(got))
		}
		b.host(s.front)
	})
}

// TestVIPOfTheHost: the host gets what comes to a VIP's ports without service only while it holds
// the VIP, and never what comes to a port with one.
func TestVIPOfTheHost(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		for _, holds := range []bool{false, true} {
			b := newHostBed(t, s, workers, holds)
			reply := icmp("192.168.5.9", vipAlone, packet.ICMPEchoReply, 0, 7<<16, nil)
			about := icmpError("192.168.5.9", udp("10.0.0.100:40000", "8.8.8.8:53", "?"), 3, 1, 0)
			for _, p := range []pkt{
				tcp(client, "10.0.0.100:81", "S"), udp(client, "10.0.0.100:80", "?"),
				raw("192.168.5.9", vipAlone, 50, 64), reply, about,
			} {
				frame := s.frames(p)
				b.bring(frame...)
				if holds {
					b.host(s.front, frame...)
				}
			}
			b.bring(s.frames(tcp(client, webVIP, "A"), tcp(client, webVIP, "R"))...)
			b.host(s.front)
			want := "no_session=2 no_service=3 to_host=1 icmp_error=1"
			if holds {
				want = "no_session=2"
			}
			b.dropped(want)
		}
	})
}

// TestFragmentsOfAVIP: the fragments of a datagram to a VIP that the host holds go to the host in
// whichever order they come, unless a service has the port.
func TestFragmentsOfAVIP(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		for to, want := range map[string]string{"10.0.0.100:161": "", echoVIP: "no_session=2"} {
			echo := s.echo(modes.NAT, 1)
			echo.OnePacket = false
			b := newBed(t, s, hosted(s.serving(echo)), withHost,
				func(c *bedConfig) { c.workers = workers })
			b.engine.SetHostVIPs([]netip.Addr{echo.Address.Addr()})
			whole := s.in(udp(client, to, strings.Repeat("0123456789", 300)))
			whole.protocol = packet.ProtocolUDP
			var frames [][]byte
			for _, piece := range fragmentsOf(whole, 1200) {
				frames = append(frames, ethernet(s.gateway.mac, s.ports[0].mac, whole.etherType(), piece))
			}
			if want == "" {
				b.bring(frames[2], frames[0], frames[1])
				b.host(s.front, frames[2], frames[0], frames[1])
				b.dropped("")
				continue
			}
			b.bring(frames...)
			b.host(s.front)
			b.collectAll()
		}
	})
}

// TestServiceTakesItsPort: a service that comes takes its port from the host at once, and gives it
// back when it goes.
func TestServiceTakesItsPort(t *testing.T) {
	s := oneArm
	b := newHostBed(t, s, 1, true)
	more := s.web(modes.NAT, 1)
	more.Address = at4("10.0.0.100:81")
	more.RealServers = nil
	syn := s.frames(tcp(client, "10.0.0.100:81", "S"))
	for range 2 {
		b.bring(syn...)
		b.host(0, syn...)
		if err := b.engine.Change(Change{Put: []Service{more}}); err != nil {
			t.Fatal(err)
		}
		b.bring(syn...)
		b.host(0)
		if err := b.engine.Change(Change{Remove: []lvs.ServiceID{more.ID()}}); err != nil {
			t.Fatal(err)
		}
	}
	b.collectAll()
	b.dropped("no_real_server=2")
}

// TestOwnAddressWithService: a port's own address may be a VIP. The host has its other ports
// without being told.
func TestOwnAddressWithService(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		web := s.web(modes.NAT, 1)
		web.Address = netip.AddrPortFrom(s.ports[0].addr, 80)
		b := newBed(t, s, hosted(s.serving(web)), withHost, func(c *bedConfig) { c.workers = workers })
		ssh := s.frames(tcp(client, sshAt, "S"))
		b.bring(append(ssh, s.frames(tcp(client, "10.0.0.1:80", "A"))...)...)
		b.host(s.front, ssh...)
		b.dropped("no_session=1")
		reset := s.in(tcp("10.0.0.1:80", client, "R")).frame(s.ports[0].mac, s.gateway.mac)
		answer := s.in(tcp(sshAt, client, "SA")).frame(s.ports[0].mac, s.gateway.mac)
		b.fromHost(workers-1, 0, reset, answer)
		b.sent(0, padded(answer))
		b.dropped("no_session=1 host_source=1")
	})
}

// TestOwnAddressInARange: a service may claim a port's own address by a range. Fragments and errors
// go where their session is, and the host has the other ports.
func TestOwnAddressInARange(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		v := s.claiming(s.web(modes.NAT, 1), "udp 10.0.0.0/29:7")
		b := newBed(t, s, hosted(s.serving(v)), withHost, func(c *bedConfig) { c.workers = workers })
		b.ownFragments("10.0.0.1:7", true)
		b.ownFragments("10.0.0.1:8", false)
		b.dropped("")
	})
}

// TestOwnAddressGivenUp: sessions with an own address that a service has given up go on, with their
// fragments.
func TestOwnAddressGivenUp(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		v := s.claiming(s.web(modes.NAT, 1), "udp 10.0.0.100:7", "udp 10.0.0.1:7")
		for i := range v.RealServers {
			v.RealServers[i].Address = netip.AddrPortFrom(v.RealServers[i].Address.Addr(), 7)
		}
		b := newBed(t, s, hosted(s.serving(v)), withHost, func(c *bedConfig) { c.workers = workers })
		b.ownFragments("10.0.0.1:7", true)
		v.Matches = v.Matches[:1]
		if err := b.engine.Change(Change{Put: []Service{v}}); err != nil {
			t.Fatal(err)
		}
		b.turn()
		b.collectAll()
		b.ownFragments("10.0.0.1:7", true)
		b.ownFragments("10.0.0.1:8", false)
		b.dropped("")
	})
}

// ownFragments sends a datagram in fragments, which go to a real server or to the host.
func (b *bed) ownFragments(to string, forwarded bool) {
	b.Helper()
	whole := b.site.in(udp(client, to, strings.Repeat("0123456789", 300)))
	var frames [][]byte
	for _, piece := range fragmentsOf(whole, 1200) {
		frames = append(frames, ethernet(b.site.gateway.mac, b.site.ports[0].mac, whole.etherType(), piece))
	}
	b.bring(frames...)
	if n := len(collect(b.ports[b.site.back])); forwarded && n != len(frames) {
		b.Fatalf("%d fragments were forwarded; dropped %q", n, b.drops())
	}
	if forwarded {
		frames = nil
	}
	b.host(b.site.front, frames...)
}

// TestPortWithoutHostInterface: a port without host interface gives the host nothing, whatever the
// other ports have.
func TestPortWithoutHostInterface(t *testing.T) {
	s := twoArm
	n := s.serving(s.web(modes.NAT, 1))
	n.Ports[1].Host = true
	b := newBed(t, s, n, withHost)
	b.engine.SetHostVIPs([]netip.Addr{at4(vipAlone).Addr()})
	b.receive(0, s.frames(tcp(client, sshAt, "S"), tcp(client, "10.0.0.100:81", "S"))...)
	b.receive(0, isAt(s.neighbour, s.ports[0]), llc(s.neighbour.mac, packet.MAC{1}, 0x88cc))
	b.host(0)
	b.dropped("not_ip=1 no_service=1 to_host=1")
	b.fromHost(0, 0, s.framesOf([]pkt{tcp(sshAt, client, "SA")}, s.ports[0].mac, s.gateway.mac)...)
	b.quiet()
	b.dropped("not_ip=1 no_service=1 to_host=1 host_frame=1")
}

// TestCopies: the host gets copies of what stations say of their addresses, and of MLD. The
// director has processed them, so that they count as consumed. It gets no question.
func TestCopies(t *testing.T) {
	four, six := oneArm, oneArm.twin()
	router := six.gateway
	router.addr = netip.MustParseAddr("fe80::fe")
	for name, c := range map[string]struct {
		site  site
		frame []byte
		class HostClass
		gets  bool
	}{
		"an ARP reply":       {four, isAt(four.neighbour, four.ports[0]), HostNeighbour, true},
		"gratuitous ARP":     {four, whoHas(four.neighbour.addr, four.neighbour), HostNeighbour, true},
		"an ARP question":    {four, whoHas(four.servers[0].addr, four.neighbour), HostNeighbour, false},
		"a question for it":  {four, whoHas(four.ports[0].addr, four.neighbour), HostNeighbour, false},
		"an advertisement":   {six, advertises(six.neighbour, six.ports[0]), HostNeighbour, true},
		"a router's":         {six, routerAdvert(router), HostNeighbour, true},
		"a solicitation":     {six, solicits(six.ports[0].addr, six.neighbour), HostNeighbour, false},
		"another's":          {six, solicits(six.servers[0].addr, six.neighbour), HostNeighbour, false},
		"a listener report":  {six, mld(six.neighbour, 143), HostRouting, true},
		"a listener query":   {six, mld(six.neighbour, 130), HostRouting, true},
		"ping to all":        {six, mld(six.neighbour, 128), HostRest, false},
		"a router's request": {six, mld(six.neighbour, 151), HostRest, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHostBed(t, c.site, 1, false)
			before := b.totals()
			b.bring(c.frame)
			var want HostTotals
			if c.gets {
				want.Copied = 1
				b.host(0, c.frame)
			}
			b.host(0)
			if got := b.hostCounts(c.class); got != want {
				t.Errorf("class %v counts %+v, want %+v", c.class, got, want)
			}
			if n := b.totals(); n.ToHost != 0 || n.Consumed != before.Consumed+1 {
				t.Errorf("counted %+v", n)
			}
			b.dropped("")
			b.collectAll()
		})
	}
}

// TestUnfinishedToHost: packets of a kernel's senders are whole when the host gets them, also those
// to a group.
func TestUnfinishedToHost(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		b := newBed(t, s, hosted(s.settings()), withHost, fromKernel,
			func(c *bedConfig) { c.workers = workers })
		want := append(s.frames(tcp(client, sshAt, "S"), udp(client, "10.0.0.1:161", "get")),
			s.toGroup(udp("10.0.0.9:5353", "224.0.0.251:5353", "who?"), "[ff02::fb]:5353"),
			s.toGroup(raw("10.0.0.9", "224.0.0.5", 89, 1), "ff02::5"))
		for _, f := range want {
			damaged := slices.Clone(f)
			unchecked(damaged)
			b.bring(damaged)
		}
		b.host(s.front, want...)
	})
}

// TestOtherWorkersICMP: an error about the host's packet needs no round through the workers.
func TestOtherWorkersICMP(t *testing.T) {
	b := newHostBed(t, oneArm, 3, false)
	for range 200 {
		b.bring(oneArm.frames(icmpError("192.168.5.9", tcp(sshAt, client, "A"), 3, 4, 1400))...)
	}
	if n := b.totals(); n.Drops[DropICMPLimit] != 0 {
		t.Errorf("dropped %s", b.drops())
	}
	for i, w := range b.engine.workers {
		if n := w.counters.totals.HandedOver; n != 0 {
			t.Errorf("worker %d handed %d over", i, n)
		}
	}
}

// TestExplainToHost: an explanation says what goes to the host, and in which class.
func TestExplainToHost(t *testing.T) {
	eachHost(t, func(t *testing.T, s site, workers int) {
		b := newHostBed(t, s, workers, true)
		for _, c := range []struct {
			p     pkt
			want  Verdict
			class HostClass
		}{
			{tcp(client, sshAt, "S"), HandedToHost, HostRest},
			{tcp(client, "10.0.0.1:179", "S"), HandedToHost, HostRouting},
			{udp(client, "10.0.0.1:3784", ""), HandedToHost, HostRouting},
			{tcp(client, "10.0.0.100:81", "S"), HandedToHost, HostRest},
			{udp("10.0.0.9:67", "10.0.0.77:68", ""), HandedToHost, HostRest},
			{udp("10.0.0.9:67", "10.0.0.77:69", ""), DropNotOurs, 0},
			{tcp(client, "10.0.0.77:22", "S"), DropNotOurs, 0},
			{tcp(client, webVIP, "A"), DropNoSession, 0},
		} {
			p := s.in(c.p)
			if s.is6 && p.dst.Port() == 68 {
				continue
			}
			x := b.explains(Question{Protocol: p.protocol, From: p.src, To: p.dst, TCPFlags: p.flags})
			if x.Verdict != c.want || x.Host != c.class {
				t.Errorf("%v to %v: %v in class %v, want %v in %v", p.src, p.dst, x.Verdict, x.Host,
					c.want, c.class)
			}
		}
		group := netip.MustParseAddrPort("224.0.0.251:5353")
		from := netip.MustParseAddrPort("10.0.0.9:5353")
		x := b.explains(Question{Protocol: packet.ProtocolUDP, From: from, To: group})
		if x.Verdict != HandedToHost || x.Host != HostRest {
			t.Errorf("multicast DNS: %v in class %v", x.Verdict, x.Host)
		}
	})
}

// explains asks the worker that would answer.
func (b *bed) explains(q Question) (x Explanation) {
	w := b.engine.workers[len(b.engine.workers)-1]
	w.explainNew(&q, &x)
	return x
}

// TestToHostAllocatesNothing, whatever becomes of the packets.
func TestToHostAllocatesNothing(t *testing.T) {
	b := newHostBed(t, oneArm, 1, true)
	for _, f := range [][]byte{
		b.fromClients(tcp(client, sshAt, "S"), 0), b.fromClients(tcp(client, "10.0.0.100:81", "S"), 0),
		isAt(oneArm.neighbour, oneArm.ports[0]),
		oneArm.toGroup(raw("10.0.0.9", "224.0.0.18", 112, 255), ""),
		b.fromClients(icmpError("192.168.5.9", tcp(sshAt, client, "A"), 3, 4, 1400), 0),
	} {
		s := newSalvo(b)
		s.noAllocs(func(int) {
			for _, frame := b.links[0].ToHost.Peek(); frame != nil; _, frame = b.links[0].ToHost.Peek() {
				b.links[0].ToHost.Next()
			}
			for i := range ports.MaxBurst {
				s.load(i, f)
			}
		})
		s.end()
	}
}
