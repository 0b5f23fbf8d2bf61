package engine

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// outside is a host that a real server talks to on its own account.
const outside = "192.0.2.53"

// routing are settings with route_unmatched and a nat service of the first n real servers.
func (s *site) routing(servers int) Settings {
	n := s.serving(s.web(modes.NAT, servers))
	n.RouteUnmatched = true
	return n
}

// narrowAddr returns the IPv4 twin of a site's address, as packets of tests have it.
func narrowAddr(a netip.Addr) string {
	if a.Is6() {
		a = netip.AddrFrom4([4]byte(a.AsSlice()[12:]))
	}
	return a.String()
}

// ownTraffic is what the i-th real server sends on its own account, and what returns to it.
func (s *site) ownTraffic(i int) (there, back []pkt) {
	host := narrowAddr(s.servers[i].addr)
	rs := host + ":5400"
	there = []pkt{
		udp(rs, outside+":9053", "a question"),
		tcp(rs, outside+":9443", "S"),
		tcp(rs, outside+":9443", "A").carrying("in the midst"),
		echoRequest(host, outside),
		{src: at4(host), dst: at4(outside), protocol: 50, ttl: 9, payload: []byte("an encrypted packet")},
	}
	for _, p := range there {
		p.src, p.dst = p.dst, p.src
		if p.protocol == packet.ProtocolICMP {
			p = icmp(outside, host, packet.ICMPEchoReply, 0, p.rest, p.payload)
		}
		back = append(back, p)
	}
	return there, back
}

// TestRouteUnmatched: what a nat real server sends on its own account leaves as it came, with a
// lower TTL, and so does what returns. There is no session.
func TestRouteUnmatched(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		b := newBed(t, s, s.routing(1))
		there, back := s.ownTraffic(0)
		for _, p := range there {
			b.fromServer(0, p)
			b.toClient(p.hop())
		}
		for _, p := range back {
			b.fromClient(p)
			b.toServer(0, p.hop())
		}
		b.dropped("")
		b.sessions(0)
		if n := b.totals(); n.Routed != uint64(len(there)+len(back)) || n.Transmitted < n.Routed {
			t.Errorf("%+v: %d packets were routed", n, len(there)+len(back))
		}
		b.begin(modes.NAT, tcp(client, webVIP, "S")).answers("SA", "") // services go on as ever
	})
}

// TestRouteUnmatchedIsOff: by default, and for a host that is no real server of nat.
func TestRouteUnmatchedIsOff(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		off := s.routing(2)
		off.RouteUnmatched = false
		other := s.routing(1)
		full := s.serving(s.web(modes.FullNAT, 2), s.echo(modes.DR, 2))
		full.RouteUnmatched = true
		for _, n := range []Settings{off, other, full} {
			b := newBed(t, s, n)
			there, back := s.ownTraffic(1)
			b.fromServer(1, there...)
			b.fromClient(back...)
			b.quiet()
			b.dropped("not_ours=10")
			if b.totals().Routed != 0 {
				t.Error("packets count as routed")
			}
		}
	})
}

// TestRouteUnmatchedLive: the option, real servers and modes come and go.
func TestRouteUnmatchedLive(t *testing.T) {
	s := twoArm
	ask := udp("10.1.0.12:5400", outside+":9053", "?")
	b := newBed(t, s, s.routing(2))
	routed := func(want bool) {
		t.Helper()
		b.fromServer(1, ask)
		if got := len(collect(b.ports[0])) == 1; got != want {
			t.Fatalf("routed: %t; dropped %s", got, b.drops())
		}
	}
	routed(true)
	n := s.routing(2)
	n.RouteUnmatched = false
	b.apply(n)
	routed(false)
	b.apply(s.routing(2))
	routed(true)
	one := s.web(modes.NAT, 1)
	if err := b.engine.Change(Change{Put: []Service{one}}); err != nil {
		t.Fatal(err)
	}
	routed(false)
	two := s.web(modes.NAT, 2)
	if err := b.engine.Change(Change{Put: []Service{two}}); err != nil {
		t.Fatal(err)
	}
	two.RealServers[1].Weight = 0
	if err := b.engine.Change(Change{Put: []Service{two}}); err != nil {
		t.Fatal(err)
	}
	routed(true)
	if err := b.engine.Change(Change{Put: []Service{s.web(modes.DR, 2)}}); err != nil {
		t.Fatal(err)
	}
	routed(false)
	b.apply(s.routing(2))
	if err := b.engine.Change(Change{Remove: []lvs.ServiceID{two.ID()}}); err != nil {
		t.Fatal(err)
	}
	routed(false)
}

// TestNotRouted: what no router forwards, and what could let others speak for a real server.
func TestNotRouted(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		_, own := s.ownTraffic(0)
		rs := own[0].dst
		to := func(a string) pkt { return udp(rs.String(), a, "?") }
		for _, tt := range []struct {
			what, drops string
			p           pkt
		}{
			{"to a group", "not_ours=1", to("224.0.0.251:5400")},
			{"to all", "not_ours=1", to("255.255.255.255:67")},
			{"to this host", "not_ours=1", to("127.0.0.1:53")},
			{"to no host", "not_ours=1", to("0.0.0.0:53")},
			{"to a link-local address", "not_ours=1", to("169.254.169.254:80")},
			{"to a reserved address", "not_ours=1", to("240.0.0.1:80")},
			{"to the VIP", "no_service=1", to(vipAlone + ":81")},
			{"to the director", "to_host=1", to("10.0.0.1:22")},
			{"to a broadcast address", "to_host=1", to("10.0.0.255:67")},
			{"from a link-local address", "not_ours=1", udp("169.254.1.1:9", rs.String(), "?")},
			{"from the VIP", "not_ours=1", udp(vipAlone+":9", rs.String(), "?")},
			{"from the director", "not_ours=1", udp("10.0.0.1:9", rs.String(), "?")},
		} {
			if s.is6 {
				twins := map[string]string{
					"to a group": "[ff02::fb]:5400", "to all": "[ff05::1:3]:67", "to this host": "[::1]:53",
					"to no host": "[::]:53", "to a link-local address": "[fe80::1]:80",
					"to a reserved address": "[fe91::1]:80",
				}
				switch a := twins[tt.what]; {
				case tt.what == "to a broadcast address":
					continue
				case tt.what == "from a link-local address":
					tt.p.src = at4("[fe80::9]:9")
				case a != "":
					tt.p.dst = at4(a)
				}
			}
			t.Run(tt.what, func(t *testing.T) {
				b := newBed(t, s, s.routing(2))
				if strings.HasPrefix(tt.what, "to") {
					b.fromServer(0, tt.p)
				} else {
					b.fromClient(tt.p)
				}
				b.quiet()
				b.dropped(tt.drops)
			})
		}
		b := newBed(t, s, s.routing(2))
		there, _ := s.ownTraffic(0)
		b.receive(s.back, s.in(there[3]).frame(s.servers[0].mac, packet.Broadcast))
		b.quiet()
		b.dropped("not_ours=1")
		if s.front == s.back {
			return
		}
		b.fromClient(there...) // from the wrong side, in a real server's name
		b.quiet()
		b.dropped("not_ours=6")
		b.fromServer(1, own...) // from the real servers' side, in the name of a host outside
		b.quiet()
		b.dropped("not_ours=11")
	})
}

// TestRoutedTTL: a packet whose TTL is used up is answered from the port where it came in; an ICMP
// error is not.
func TestRoutedTTL(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		b := newBed(t, s, s.routing(2))
		there, back := s.ownTraffic(0)
		address := func(port int) string { return narrowAddr(s.own(port).addr) }
		for i := range there {
			p := there[i].ttlOf(1)
			b.fromServer(0, p)
			b.toServer(0, icmpError(address(s.back), p, packet.ICMPTimeExceeded, 0, 0))
			p = back[i].ttlOf(1)
			b.fromClient(p)
			b.toClient(icmpError(address(s.front), p, packet.ICMPTimeExceeded, 0, 0))
		}
		e := icmpError(outside, there[0], packet.ICMPUnreachable, 3, 0)
		b.fromClient(e.ttlOf(1))
		b.quiet()
		b.dropped("ttl_exceeded=11")
		if b.totals().Routed != 0 {
			t.Error("packets count as routed")
		}
	})
}

// TestRoutedTooBig: beyond the MTU a packet with DF is answered with the MTU, another one goes on
// in pieces.
func TestRoutedTooBig(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		b := newBed(t, s, s.routing(2), func(c *bedConfig) { c.mtu = 1400 })
		there, _ := s.ownTraffic(0)
		long := there[0].carrying(strings.Repeat("x", 1450))
		own := narrowAddr(s.own(s.back).addr)
		cannot := long.with(func(p *pkt) { p.df = true })
		b.fromServer(0, cannot)
		b.toServer(0, icmpError(own, cannot, packet.ICMPUnreachable,
			packet.ICMPCodeFragmentationNeeded, 1400))
		b.dropped("too_big=1")
		if s.is6 {
			return
		}
		b.fromServer(0, long)
		sent := collect(b.ports[s.front])
		if len(sent) != 2 {
			t.Fatalf("%d pieces", len(sent))
		}
		if got := reassembled(t, sent); got != string(long.payload) {
			t.Errorf("%d bytes arrive", len(got))
		}
		b.dropped("too_big=1")
	})
}

// TestRoutedFragments: fragments of any protocol are routed in any order.
func TestRoutedFragments(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		there, _ := s.ownTraffic(0)
		for _, p := range []pkt{there[0], there[3], there[4]} {
			for _, order := range [][]int{{0, 1, 2}, {2, 0, 1}, {1, 2, 0}} {
				b := newBed(t, s, s.routing(2))
				whole := s.in(p.carrying(strings.Repeat("0123456789", 300)))
				pieces := fragmentsOf(whole, 1200)
				for _, i := range order {
					b.receive(s.back, ethernet(s.servers[0].mac, s.own(s.back).mac, whole.etherType(),
						pieces[i]))
				}
				if got := collect(b.ports[s.front]); len(got) != 3 {
					t.Errorf("%d of 3 fragments of protocol %d in order %v; dropped %s", len(got),
						p.protocol, order, b.drops())
				}
				b.dropped("")
				b.sessions(0)
			}
		}
	})
}

// TestRoutedErrors: ICMP errors about a real server's own packets reach it as they are, also those
// about ping and about a tunnel. An error about a packet of a session is still translated.
func TestRoutedErrors(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		for _, workers := range []int{1, 4} {
			b := newBed(t, s, s.routing(1), crowd(workers), scattered(workers))
			there, back := s.ownTraffic(0)
			for i := range there {
				e := icmpError("198.51.100.1", there[i].hop(), packet.ICMPUnreachable, 1, 0)
				b.fromClient(e)
				b.toServer(0, e.hop())
				e = icmpError(back[i].dst.Addr().String(), back[i].hop(), packet.ICMPUnreachable, 1, 0)
				b.fromServer(0, e)
				b.toClient(e.hop())
			}
			b.dropped("")
			if workers == 1 {
				p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
				e := icmpError(p.server.Addr().String(), p.inbound(tcp(client, webVIP, "S")),
					packet.ICMPUnreachable, 3, 0)
				b.fromServer(0, e)
				want := icmpError(vipAlone, tcp(client, webVIP, "S").hop(), packet.ICMPUnreachable, 3, 0)
				b.toClient(want.hop())
			}
		}
	})
}

// TestAnyWorkerRoutes: no packet is handed over, wherever it comes in.
func TestAnyWorkerRoutes(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		queue := 0
		b := newBed(t, s, s.routing(2), crowd(4), func(c *bedConfig) {
			c.choose = func(int) func([]byte) int { return func([]byte) int { return queue } }
		})
		there, back := s.ownTraffic(0)
		for queue = range 4 {
			for i := range there {
				b.fromServer(0, there[i])
				b.toClient(there[i].hop())
				b.fromClient(back[i])
				b.toServer(0, back[i].hop())
			}
		}
		b.dropped("")
		if n := b.handedOver(); n != 0 {
			t.Errorf("%d packets were handed over", n)
		}
	}
}

// TestRoutedIsExplained: explain tells what route_unmatched does.
func TestRoutedIsExplained(t *testing.T) {
	s := twoArm
	b := newSilentBed(t, s, s.routing(2))
	stop := b.start()
	ask := func(from, to string, port int) Explanation {
		t.Helper()
		q := Question{Protocol: packet.ProtocolUDP, From: at4(from), To: at4(to), Port: port}
		x, err := b.engine.Explain(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := ask("10.1.0.11:5400", outside+":9053", -1)
	if x.Verdict != Taken || !x.Routed || x.NextHop != s.gateway.addr || x.PortOut != 0 ||
		x.From != at4("10.1.0.11:5400") || x.To != at4(outside+":9053") || x.MTULeft != 1500 {
		t.Errorf("%+v", x)
	}
	x = ask(outside+":9053", "10.1.0.11:5400", -1)
	if x.Verdict != Taken || !x.Routed || x.NextHop != s.servers[0].addr || x.PortOut != 1 {
		t.Errorf("%+v", x)
	}
	for _, x := range []Explanation{
		ask("10.1.0.13:5400", outside+":9053", -1), ask("10.1.0.11:5400", outside+":9053", 0),
	} {
		if x.Verdict != DropNotOurs || x.Routed {
			t.Errorf("%+v", x)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestRoutingAllocatesNothing(t *testing.T) {
	b := newBed(t, oneArm, oneArm.routing(1))
	salvo := newSalvo(b)
	defer salvo.end()
	there, back := oneArm.ownTraffic(0)
	var frames [][]byte
	for i := range there {
		frames = append(frames, there[i].frame(oneArm.servers[0].mac, oneArm.ports[0].mac),
			back[i].frame(oneArm.gateway.mac, oneArm.ports[0].mac))
	}
	salvo.noAllocs(func(int) {
		for i := range ports.MaxBurst {
			salvo.load(i, frames[i%len(frames)])
		}
	})
	b.dropped("")
}
