package engine

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// claiming gives a service matches in place of its address, and its real servers every port.
func (s *site) claiming(v Service, texts ...string) Service {
	for _, text := range texts {
		m, err := lvs.ParseMatch(text)
		if err != nil {
			panic(err)
		}
		if s.is6 {
			m.First, m.Last = six(m.First), six(m.Last)
		}
		v.Matches = append(v.Matches, m)
	}
	first := v.Matches[0]
	v.Protocol, v.Address = first.Protocol, netip.AddrPortFrom(first.First, first.Ports.First)
	for i := range v.RealServers {
		rs := &v.RealServers[i]
		rs.Address = netip.AddrPortFrom(rs.Address.Addr(), 0)
	}
	return v
}

// Every mode and both families forward what ranges of addresses and ports have, to the packet's own
// port, and its answers.
func TestRanges(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		for name, workers := range map[string]int{"one worker": 1, "three": 3} {
			t.Run(name, func(t *testing.T) {
				if workers > 1 && m == modes.IPIP {
					t.Skip("the outer headers' numbers are each worker's own")
				}
				v := s.claiming(s.web(m, 1), "tcp 10.0.0.96/29:8000-8100", "tcp 10.0.0.104-10.0.0.107:*")
				b := newBed(t, s, s.serving(v), func(c *bedConfig) { c.workers = workers })
				for _, vip := range []string{"10.0.0.97:8001", "10.0.0.103:8100", "10.0.0.106:65535"} {
					first := tcp(client, vip, "S")
					p := b.beginAt(m, first, first.dst.Port())
					p.answers("SA", "")
					p.sends(tcp(client, vip, "A"))
				}
				b.dropped("")
				for _, vip := range []string{"10.0.0.97:8101", "10.0.0.97:7999", "10.0.0.108:8000"} {
					b.fromClient(tcp(client, vip, "S"))
				}
				b.fromClient(tcp("10.0.0.98:4000", "10.0.0.97:8001", "S"))
				totals := b.totals()
				if totals.Drops[DropNoService] != 2 || totals.Drops[DropNotOurs] != 1 ||
					totals.Drops[DropSourceAddress] != 1 {
					t.Errorf("dropped %s", b.drops())
				}
			})
		}
	})
}

// The narrowest match decides.
func TestNarrowestMatchDecides(t *testing.T) {
	s := twoArm
	only := func(i int, texts ...string) Service {
		v := s.claiming(s.web(modes.DR, 3), texts...)
		v.RealServers = v.RealServers[i : i+1]
		return v
	}
	b := newBed(t, s, s.serving(
		only(0, "tcp 10.0.0.96/28:8000-8100"),
		only(1, "tcp 10.0.0.100-10.0.0.101:*"),
		only(2, "tcp 10.0.0.100:8080", "tcp 10.0.0.105:8050-8060"),
	))
	for vip, want := range map[string]int{
		"10.0.0.99:8080": 0, "10.0.0.101:8080": 1, "10.0.0.100:8080": 2, "10.0.0.100:8081": 1,
		"10.0.0.105:8055": 2, "10.0.0.105:8049": 0,
	} {
		b.fromClient(tcp(client, vip, "S"))
		if got := b.serverOf(); got != want {
			t.Errorf("%s goes to real server %d, want %d", vip, got, want)
		}
	}
}

// A mark's service has matches of several protocols, and is known by number and family.
func TestMark(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		v := s.claiming(s.web(m, 1), "tcp 10.0.0.100:80", "udp 10.0.0.100:5000-5001")
		v.Mark, v.Protocol = 7, 0
		v.Address = lvs.IDOfMark(7, s.is6).Address
		b := newBed(t, s, s.serving(v))
		p := b.beginAt(m, tcp(client, "10.0.0.100:80", "S"), 80)
		p.answers("SA", "")
		p = b.beginAt(m, udp(client, "10.0.0.100:5001", "?"), 5001)
		p.answers("", "!")
		b.dropped("")
		r := b.engine.Report().Services[0]
		if r.Service.ID() != lvs.IDOfMark(7, s.is6) || !r.Announced {
			t.Errorf("%v, announced %t", r.Service.ID(), r.Announced)
		}
	})
}

// A service stays the same when other matches come and go; sessions of those that go go on.
func TestMatchesComeAndGo(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		more := s.claiming(s.web(m, 1), "tcp 10.0.0.100:80", "tcp 10.0.0.96/29:8000-8100")
		less := s.claiming(s.web(m, 1), "tcp 10.0.0.100:80")
		b := newBed(t, s, s.serving(less))
		b.begin80(m)
		b.apply(s.serving(more))
		p := b.beginAt(m, tcp(client, "10.0.0.97:8001", "S"), 8001)
		b.apply(s.serving(less))
		p.answers("SA", "")
		p.sends(tcp(client, "10.0.0.97:8001", "A"))
		b.fromClient(tcp("192.168.5.9:4001", "10.0.0.97:8001", "S"))
		if drops := b.totals().Drops; drops[DropNotOurs] != 1 {
			t.Errorf("dropped %s", b.drops())
		}
		b.wait(publishInterval)
		if n := b.engine.Report().Services[0].Connections; n != 2 {
			t.Errorf("%d connections counted", n)
		}
	})
}

func (b *bed) begin80(m modes.Mode) { b.beginAt(m, tcp("192.168.5.8:4000", "10.0.0.100:80", "S"), 80) }

// Ranges are answered for and announced on their subnet alone, and not without end.
func TestRangesAreAnnouncedOnTheirSubnet(t *testing.T) {
	s := twoArm
	v := s.claiming(s.web(modes.DR, 1), "tcp 10.0.0.96/29:80", "tcp 172.16.0.0/16:80")
	silent := s.claiming(s.echo(modes.DR, 1), "udp 10.0.0.104/30:7")
	silent.Silent = true
	b := newBed(t, s, s.serving(v, silent))
	snap := b.engine.snap.Load()
	for a, want := range map[string]struct {
		kind    addressKind
		answers bool
	}{
		"10.0.0.96": {vip, true}, "10.0.0.103": {vip, true}, "172.16.9.9": {vip, false},
		"10.0.0.104": {passiveVIP, false},
	} {
		at := packet.AddrOf(netip.MustParseAddr(a))
		kind, ours := snap.kindOf(at)
		if !ours || kind != want.kind || snap.answers(s.front, at) != want.answers ||
			snap.answers(s.back, at) {
			t.Errorf("%s: kind %d, ours %t, answered %t", a, kind, ours, snap.answers(s.front, at))
		}
	}
	if n := len(snap.announcedOf(v.Matches[0])); n != 8 {
		t.Errorf("%d addresses of a /29 are announced", n)
	}
	if n := len(snap.announcedOf(v.Matches[1])); n != 0 {
		t.Errorf("%d addresses beside the subnets are announced", n)
	}
	six := twoArm.twin()
	b6 := newBed(t, six, six.serving())
	m, _ := lvs.ParseMatch("tcp [fd00::/16]:80")
	if n := len(b6.engine.snap.Load().announcedOf(m)); n != mostAnnounced {
		t.Errorf("%d addresses of an IPv6 prefix are announced", n)
	}
}

// Every port of one address is a VIP like any other: it is answered for where it is routed too.
func TestEveryPortOfAVIP(t *testing.T) {
	s := twoArm
	v := s.claiming(s.web(modes.DR, 1), "tcp 172.16.0.1:*")
	v.Echo = false
	b := newBed(t, s, s.serving(v))
	snap, a := b.engine.snap.Load(), packet.AddrOf(netip.MustParseAddr("172.16.0.1"))
	if kind, ours := snap.kindOf(a); !ours || kind != vip || !snap.answers(s.front, a) {
		t.Errorf("kind %d, ours %t, answered %t", kind, ours, snap.answers(s.front, a))
	}
	if _, passes := snap.passing.get(addressKey(a)); !passes {
		t.Error("its echo requests do not go to real servers")
	}
	b.beginAt(modes.DR, tcp(client, "172.16.0.1:12345", "S"), 12345)
}

func BenchmarkServiceAt(b *testing.B) {
	for _, form := range []string{"tcp 10.%d.%d.1:80", "tcp 10.%d.%d.0/29:80-90"} {
		for _, n := range []int{1, 100, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", form, n), func(b *testing.B) { findServices(b, form, n) })
		}
	}
}

func findServices(b *testing.B, form string, n int) {
	s := twoArm.serving()
	for i := range n {
		s.Services = append(s.Services, twoArm.claiming(twoArm.web(modes.DR, 1),
			fmt.Sprintf(form, 64+i>>8, i&255)))
	}
	e := &Engine{registry: newRegistry(1)}
	e.applyAt(s, time.Unix(0, 0))
	snap, addresses := e.snap.Load(), make([]packet.Addr, 4096)
	for i := range addresses {
		addresses[i] = packet.AddrOf(s.Services[rand.IntN(n)].Address.Addr())
		addresses[i].Lo |= 1
	}
	b.ResetTimer()
	for i := range b.N {
		if _, ok := snap.serviceAt(addresses[i&4095], 80, packet.ProtocolTCP); !ok {
			b.Fatal("not found: ", addresses[i&4095])
		}
	}
}
