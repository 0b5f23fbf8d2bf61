package engine

import (
	"fmt"
	"slices"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// asked is a director whose NICs tell a rule, but bring packets where the test wants them.
type asked struct {
	*bed
	queue int // where every packet comes in
}

func newAsked(t *testing.T, s site, workers int, services ...Service) *asked {
	a := &asked{}
	a.bed = newBed(t, s, s.serving(services...), crowd(workers),
		spreading(t, workers, byFlow), func(c *bedConfig) {
			c.choose = func(int) func([]byte) int { return func([]byte) int { return a.queue } }
		})
	return a
}

// strayError is an ICMP error from a host about a packet that the director never sent.
func strayError(from string, n int) pkt {
	about := udp(fmt.Sprintf("203.0.113.%d:%d", n%250+1, 1+n%60000), from+":9", "?")
	e := icmpError(from, about, packet.ICMPUnreachable, packet.ICMPCodePortUnreachable, 0)
	e.dst = at4(vipAlone)
	return e
}

// flood delivers stray errors for some ms, 20 a millisecond, and returns how many came to workers
// other than the first.
func (a *asked) flood(ms int, source func(n int) string) (visits uint64) {
	a.Helper()
	before := a.handedOver()
	mac := a.site.own(a.site.front).mac
	for i := range ms {
		a.now++
		for n := range 20 {
			stray := a.site.in(strayError(source(20*i+n), 20*i+n))
			a.deliver(a.site.front, stray.frame(a.site.gateway.mac, mac))
		}
		a.turn()
	}
	return a.handedOver() - before
}

// strangerAt is the n-th of many hosts. In IPv6 each has a network of its own.
func strangerAt(n int, six bool) string {
	if six {
		return fmt.Sprintf("2001:db8:%x::1", n&0xffff)
	}
	return fmt.Sprintf("172.16.%d.%d", n>>8&255, n&255)
}

// TestStrayErrorsAreBounded: a flood of ICMP errors about no session comes to each other worker at
// most 1,000 times a second from all sources, and 50 times from one.
func TestStrayErrorsAreBounded(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		for _, workers := range []int{2, 4} {
			for sources, want := range map[int]rate{1: errorRounds[1], 60000: errorRounds[0]} {
				t.Run(fmt.Sprint(s.name, " ", workers, " ", sources), func(t *testing.T) {
					a := newAsked(t, s, workers, s.echo(modes.NAT, 1))
					from := func(n int) string { return strangerAt(n%sources, s.is6) }
					visits := int(a.flood(2000, from)) / (workers - 1)
					most := int(2*want.perSecond + want.burst)
					if visits > most || visits < most*9/10 {
						t.Errorf("%d visits at each worker in 2 s, want %d", visits, most)
					}
					drops := a.totals().Drops
					if drops[DropICMPLimit] == 0 || drops[DropICMPLimit]+drops[DropICMPError] != 40_000 {
						t.Errorf("dropped %s", a.drops())
					}
				})
			}
		}
	}
}

// TestHonestErrorsUnderStrayOnes: while one source floods, an error whose owner can be computed
// reaches it, and so does one for which all workers have to be asked.
func TestHonestErrorsUnderStrayOnes(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		for _, workers := range []int{2, 4} {
			for _, mode := range []modes.Mode{modes.NAT, modes.DR} {
				t.Run(fmt.Sprint(s.name, " ", workers, " ", mode), func(t *testing.T) {
					a := newAsked(t, s, workers, s.echo(mode, 1))
					if mode == modes.DR {
						a.queue = workers - 1 // which has the sessions, whatever the rule says
					}
					about := a.flowOfAnother().reply("", "an answer")
					e := icmpError(about.dst.Addr().String(), about, packet.ICMPUnreachable, 1, 0)
					e.dst = about.src
					a.queue = 0
					for range 20 {
						a.flood(50, func(int) string { return strangerAt(1, s.is6) })
						a.collectAll()
						a.fromClient(e)
						if got := len(collect(a.ports[s.back])); got != 1 {
							t.Fatalf("an error reached %d real servers; dropped %s", got, a.drops())
						}
					}
				})
			}
		}
	}
}

// flowOfAnother begins a session of another worker than the first, and returns the packet that
// began it. No rule tells the owner in dr.
func (a *asked) flowOfAnother() pkt {
	for i := range 100 {
		first := udp(clientAt(i), echoVIP, "?")
		a.fromClient(first)
		k := packet.Key{Protocol: first.protocol, Flow: packet.Flow{
			Src: packet.AddrOf(a.site.in(first).src.Addr()), SrcPort: first.src.Port(),
			Dst: packet.AddrOf(a.site.in(first).dst.Addr()), DstPort: first.dst.Port(),
		}}
		_, here := a.engine.workers[0].lookup(&k)
		if a.queue == 0 && !here || a.queue != 0 && a.worker.probableOwner(0, &k) != a.queue {
			return first
		}
	}
	a.Fatal("the first worker owns every flow")
	return pkt{}
}

// TestTunnelErrorsReachTheirOwner: an error about a tunnel's outer packet, at any worker.
func TestTunnelErrorsReachTheirOwner(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		a := newAsked(t, s, 4, s.echo(modes.IPIP, 1))
		in := udp(client, echoVIP, "?")
		a.fromClient(in)
		collect(a.ports[s.back])
		owner := slices.IndexFunc(a.engine.workers,
			func(w *Worker) bool { return w.sessions.Len() == 1 })
		outer := tunnelled(s.in(in).hop(), s.own(s.back).addr, s.servers[0].addr,
			a.engine.workers[owner].outerID)
		for a.queue = range 4 {
			a.fromServer(0, icmpError("192.168.77.1", outer, packet.ICMPUnreachable,
				packet.ICMPCodePortUnreachable, 0))
			a.toClient(icmpError(vipAlone, s.in(in).hop(), packet.ICMPUnreachable,
				packet.ICMPCodeHostUnreachable, 0))
		}
		a.dropped("")
	}
}

// TestStrayAnswersAreBounded: a flood of answers to echo requests that were never sent comes to
// each other worker at a limited rate. An answer of a real server still finds its session.
func TestStrayAnswersAreBounded(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		service := s.echo(modes.NAT, 1)
		service.Echo = false
		a := newAsked(t, s, 4, service)
		a.queue = 3 // which has the session
		ask := echoRequest("192.168.5.9", vipAlone)
		a.fromClient(ask)
		a.collectAll()
		a.queue = 0
		before := a.handedOver()
		const ms, each = 1000, 20
		for range ms {
			a.now++
			for range each {
				stray := s.in(icmp("192.168.66.1", "192.168.5.9", packet.ICMPEchoReply, 0, 7, nil))
				if s.is6 {
					stray.src = at4(strangerAt(1, true))
				}
				a.deliver(s.front, stray.frame(s.gateway.mac, s.own(s.front).mac))
			}
			a.turn()
		}
		most := int(echoRounds[1].perSecond + echoRounds[1].burst)
		// The last hand-over of a round leads back to the worker that began it.
		if visits := int(a.handedOver()-before) / 4; visits > most || visits < most*9/10 {
			t.Errorf("%d visits at each worker, want %d", visits, most)
		}
		a.quiet()
		answer := icmp(narrowAddr(s.servers[0].addr), "192.168.5.9", packet.ICMPEchoReply, 0, ask.rest,
			ask.payload)
		a.fromServer(0, answer)
		a.toClient(answer.from(at4(vipAlone)).hop())
	}
}
