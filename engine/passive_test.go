package engine

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// asks returns a question for an address of the site's family, and the answer.
func (s *site) asks(a netip.Addr) (question, answer []byte) {
	own := host{a, s.ports[s.front].mac}
	if !s.is6 {
		return whoHas(a, s.neighbour), isAt(own, s.neighbour)
	}
	return solicits(a, s.neighbour), nd(own, s.neighbour, ndAdvertisement, 0xe0000000, a)
}

// TestPassiveVIP: nobody hears of a VIP whose services are silent, whatever is asked or claimed.
// What comes for it is forwarded and answered as ever.
func TestPassiveVIP(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		web, echo := s.web(m, 1), s.echo(m, 1)
		web.Silent, echo.Silent = true, true
		b := newSilentBed(t, s, s.serving(web, echo))
		b.turn()
		vip := web.Address.Addr()
		for _, frames := range b.collectAll() {
			for _, f := range frames {
				if a, _ := readAnnouncement(t, f); a.Netip() == vip {
					t.Fatalf("the VIP is announced:\n%s", dump(f))
				}
			}
		}
		b.engine.announcements.setPorts(len(b.ports))
		question, _ := s.asks(vip)
		b.receive(s.front, question, s.claims(vip, rogueMAC), s.probes(vip, rogueMAC))
		b.quiet()
		b.dropped("")
		if all := b.engine.conflicts.list(b.engine.snap.Load(), b.now); len(all) != 0 {
			t.Fatalf("conflicts %+v", all)
		}
		b.begin(m, tcp(client, webVIP, "S"))
		b.fromClient(echoRequest("192.168.5.9", vipAlone))
		if got := len(collect(b.ports[s.front])); got != 1 {
			t.Fatalf("%d answers to an echo request; dropped %s", got, b.drops())
		}
		if r := b.engine.Report(); r.Services[0].Announced || r.Services[1].Announced {
			t.Error("the report says that the VIP is announced")
		}
	})
}

// TestPassiveAndBack: a VIP is announced while one of its services wants that. It falls silent at
// once, and is announced at once, and no session, pool or description of a service is touched.
func TestPassiveAndBack(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		web, echo := s.web(modes.NAT, 1), s.echo(modes.NAT, 1)
		b := newBed(t, s, s.serving(web, echo))
		p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
		before := *b.engine.snap.Load()
		pool := b.poolOf(0)
		question, answer := s.asks(web.Address.Addr())
		set := func(webSilent, echoSilent, answered bool) {
			t.Helper()
			web.Silent, echo.Silent = webSilent, echoSilent
			b.engine.Change(Change{Put: []Service{web, echo}})
			b.receive(s.front, question)
			if answered {
				b.sent(s.front, answer)
			}
			b.quiet()
		}
		set(true, false, true)
		set(true, true, false)
		b.engine.Apply(s.serving(web, echo)) // the same
		b.turn()
		b.quiet()
		web.Silent = false
		b.engine.Apply(s.serving(web, echo))
		b.turn()
		if s.is6 {
			vip := host{web.Address.Addr(), s.ports[0].mac}
			b.sent(s.front, nd(vip, allNodes, ndAdvertisement, 0xa0000000, vip.addr))
		} else {
			b.sent(s.front, announcement4(s.as(s.front, vipAlone))...)
		}
		now := b.engine.snap.Load()
		if now.order[0] != before.order[0] || b.poolOf(0) != pool || now.epoch != before.epoch {
			t.Error("a service, a pool or the topology was replaced")
		}
		p.answers("SA", "")
		p.sends(tcp(client, webVIP, "A"))
	})
}

// TestPassiveVIPThatIsAPortsOwn: a port's own address is answered for in any case.
func TestPassiveVIPThatIsAPortsOwn(t *testing.T) {
	s := oneArm
	web := s.web(modes.NAT, 1)
	web.Address, web.Silent = netip.AddrPortFrom(s.ports[0].addr, 80), true
	b := newBed(t, s, s.serving(web))
	b.receive(0, whoHas(s.ports[0].addr, s.neighbour))
	b.sent(0, isAt(s.ports[0], s.neighbour))
	if !b.engine.snap.Load().announces(packet.AddrOf(s.ports[0].addr)) {
		t.Error("it counts as passive")
	}
}

// TestLocalAddressesOfSilentServices: they are no VIPs, and stay announced and answered for.
func TestLocalAddressesOfSilentServices(t *testing.T) {
	s := twoArm
	web := s.web(modes.FullNAT, 1)
	web.Silent = true
	b := newSilentBed(t, s, s.serving(web))
	b.turn()
	b.sent(0, announcement4(s.ports[0])...)
	b.sent(1, announcement4(s.ports[1], s.as(1, "10.1.0.50"), s.as(1, "10.1.0.51"))...)
	b.receive(1, whoHas(s.local[0], s.servers[0]))
	b.sent(1, isAt(s.as(1, "10.1.0.50"), s.servers[0]))
}

// TestAnnounces: what else asks whether an address is shown to others.
func TestAnnounces(t *testing.T) {
	s := twoArm
	silent := s.web(modes.FullNAT, 1)
	silent.Silent = true
	loud := s.web(modes.DR, 1)
	loud.Address = at4("10.0.0.101:80")
	b := newBed(t, s, s.serving(silent, loud))
	for a, want := range map[string]bool{
		vipAlone: false, "10.0.0.101": true, "10.1.0.50": true, "10.0.0.1": true,
		"10.255.255.255": false, "10.0.0.9": false, "192.168.1.1": false,
	} {
		if got := b.worker.snap.announces(packet.AddrOf(netip.MustParseAddr(a))); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
}

var rogueMAC = packet.MAC{2, 0, 0, 0, 9, 9}

// claims is a station's announcement of an address as its own.
func (s *site) claims(a netip.Addr, mac packet.MAC) []byte {
	if s.is6 {
		return nd(host{a, mac}, allNodes, ndAdvertisement, 0x20000000, a)
	}
	return gratuitous(host{a, mac})
}

// probes is a station's question whether an address is free.
func (s *site) probes(a netip.Addr, mac packet.MAC) []byte {
	if s.is6 {
		return probes(a, host{a, mac})
	}
	return arpPacket(layers.ARPRequest, host{netip.IPv4Unspecified(), mac}, a, packet.MAC{},
		packet.Broadcast)
}

// TestPassiveVIPOfSeveral: a service has some of its VIPs announced and others not, which changes
// without a change of any session, service or pool.
func TestPassiveVIPOfSeveral(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		web := s.web(modes.NAT, 1)
		first := web.Address.Addr()
		second := first.Next()
		for _, vip := range []netip.Addr{first, second} {
			web.Matches = append(web.Matches, lvs.MatchOf(lvs.TCP, netip.AddrPortFrom(vip, 80)))
		}
		b := newBed(t, s, s.serving(web))
		p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
		before := *b.engine.snap.Load()
		answered := func(vip netip.Addr, want bool) {
			t.Helper()
			question, answer := s.asks(vip)
			b.receive(s.front, question)
			if want {
				b.sent(s.front, answer)
			}
			b.quiet()
		}
		for _, silent := range [][]netip.Addr{{second}, {first, second}, {first}, {second}} {
			web.SilentAt = silent
			b.engine.Change(Change{Put: []Service{web}})
			b.turn()
			b.collectAll() // announcements
			b.engine.announcements.setPorts(len(b.ports))
			answered(first, !slices.Contains(silent, first))
			answered(second, !slices.Contains(silent, second))
		}
		if now := b.engine.snap.Load(); now.order[0] != before.order[0] || now.epoch != before.epoch {
			t.Error("the service or the topology was replaced")
		}
		p.answers("SA", "")
	})
}
