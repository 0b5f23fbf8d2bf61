package engine

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// source is a port of the i-th of many sources, none of which shares its network with another.
func (s *site) source(i, port int) string {
	if s.is6 {
		return fmt.Sprintf("[fd77:0:%x:%x::9]:%d", i>>16, i&0xffff, port)
	}
	return fmt.Sprintf("172.%d.%d.9:%d", 16+i>>8, i&255, port)
}

// perSource gives a service limits of its sources.
func perSource(v Service, most, rate int) Service {
	v.MaxSessionsPerSource, v.MaxRatePerSource = most, rate
	return v
}

// begins has a source begin sessions, from ports on.
func (b *bed) begins(source, port, n int) {
	b.Helper()
	for i := range n {
		b.fromClient(udp(b.site.source(source, port+i), echoVIP, "?"))
	}
	b.collectAll()
}

// eachCrowd runs a test in every mode and topology with one worker and with three.
func eachCrowd(t *testing.T, test func(*testing.T, site, modes.Mode, func(*bedConfig))) {
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d workers", workers), func(t *testing.T) {
			eachMode(t, func(t *testing.T, s site, m modes.Mode) { test(t, s, m, crowd(workers)) })
		})
	}
}

// TestMaxSessionsPerSource: a source has no more sessions than it may. Its own sessions go on,
// others do not notice, and the end of a session makes room for another.
func TestMaxSessionsPerSource(t *testing.T) {
	eachCrowd(t, func(t *testing.T, s site, m modes.Mode, workers func(*bedConfig)) {
		with := func(most int) Settings { return s.serving(perSource(s.echo(m, 2), most, 0)) }
		b := newBed(t, s, with(3), workers)
		b.begins(0, 4000, 5)
		b.dropped("source_full=2")
		b.begins(0, 4000, 3)
		b.begins(1, 4000, 3)
		b.sessions(6)
		b.dropped("source_full=2")
		b.wait(150_000)
		b.begins(0, 4000, 1)
		b.wait(200_000)
		b.sessions(1)
		b.begins(0, 5000, 3)
		b.sessions(3)
		b.dropped("source_full=3")
		b.apply(with(4))
		b.begins(0, 6000, 2)
		b.dropped("source_full=4")
		b.apply(with(2)) // those beyond the limit stay
		b.begins(0, 5000, 3)
		b.sessions(4)
		b.dropped("source_full=5")
	})
}

// TestMaxSessionsPerSourceOffAndOn: sessions that began without the limit are never counted, and
// those that began with it always are.
func TestMaxSessionsPerSourceOffAndOn(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		with := func(most, rate int) Settings {
			return s.serving(perSource(s.echo(m, 1), most, rate))
		}
		b := newBed(t, s, with(0, 0))
		b.begins(0, 4000, 2)
		b.apply(with(3, 0))
		b.begins(0, 4100, 2)
		b.apply(with(0, 0))
		b.begins(0, 4200, 2)
		b.apply(with(0, 100))
		b.begins(0, 4300, 2)
		b.apply(with(3, 0))
		b.begins(0, 4400, 2)
		b.sessions(9)
		b.dropped("source_full=1")
		b.wait(200_000)
		b.begins(0, 4400, 1)
		b.apply(with(0, 0))
		b.wait(150_000) // all but the last end
		b.apply(with(3, 0))
		b.begins(0, 4500, 3)
		b.sessions(3)
		b.dropped("source_full=2")
	})
}

// TestMaxRatePerSource: a source begins no more sessions a second than it may, and others do not
// notice. A new rate goes on from what sources have taken.
func TestMaxRatePerSource(t *testing.T) {
	eachCrowd(t, func(t *testing.T, s site, m modes.Mode, workers func(*bedConfig)) {
		with := func(rate int) Settings { return s.serving(perSource(s.echo(m, 2), 0, rate)) }
		b := newBed(t, s, with(10), workers)
		b.begins(0, 4000, 15)
		b.begins(0, 4000, 10)
		b.begins(1, 4000, 10)
		b.sessions(20)
		b.dropped("source_rate=5")
		b.wait(500)
		b.begins(0, 5000, 10)
		b.sessions(25)
		b.dropped("source_rate=10")
		b.apply(with(2))
		b.begins(0, 6000, 1)
		b.wait(500)
		b.begins(0, 6000, 2)
		b.sessions(26)
		b.dropped("source_rate=12")
		b.apply(with(0))
		b.begins(0, 7000, 20)
		b.sessions(46)
		b.apply(with(1))
		b.wait(2000)
		b.begins(0, 8000, 2)
		b.sessions(47)
		b.dropped("source_rate=13")
	})
}

// TestSourceIsANetwork: IPv6 addresses with the same first 64 bits are one source, and IPv4
// addresses are one each.
func TestSourceIsANetwork(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		b := newBed(t, s, s.serving(perSource(s.echo(modes.DR, 1), 1, 0)))
		from, want := []string{"172.16.0.1:1", "172.16.0.2:1"}, ""
		if s.is6 {
			from, want = []string{"[fd77::1]:1", "[fd77::ffff:0:0:2]:1"}, "source_full=1"
		}
		for _, a := range from {
			b.fromClient(udp(a, echoVIP, "?"))
		}
		b.collectAll()
		b.dropped(want)
	}
}

// TestHalfOpenSessionsOfASource: SYNs count until their sessions end, spoofed ones too.
func TestHalfOpenSessionsOfASource(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(perSource(s.web(m, 1), 2, 0)))
		for _, want := range []string{"source_full=1", "source_full=2"} {
			for port := range 3 {
				b.fromClient(tcp(s.source(0, 4000+port), webVIP, "S"))
				b.collectAll()
			}
			b.sessions(2)
			b.dropped(want)
			b.wait(70_000)
		}
	})
}

// TestReplacedSessionOfASource: a connection on the ports of one that is over takes its place.
func TestReplacedSessionOfASource(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(perSource(s.web(m, 1), 1, 0)))
		for _, flags := range []string{"S", "A", "R", "S"} {
			p := tcp(s.source(0, 4000), webVIP, flags)
			b.explained(s.front, s.in(p).frame(s.gateway.mac, s.own(s.front).mac))
			b.collectAll()
		}
		b.sessions(1)
		b.dropped("")
		if n := b.worker.roads[0].traffic.Connections; n != 2 {
			t.Errorf("%d connections, want 2", n)
		}
	})
}

// TestOrderOfLimits: a packet meets the rates before the numbers, and its service's rate first.
func TestOrderOfLimits(t *testing.T) {
	for want, limit := range map[string]func(*Service){
		"service_rate=1": func(v *Service) { v.MaxRate, v.MaxRatePerSource = 1, 1 },
		"source_rate=1":  func(v *Service) { v.MaxRatePerSource, v.MaxSessionsPerSource = 1, 1 },
		"source_full=1":  func(v *Service) { v.MaxSessionsPerSource, v.MaxSessions = 1, 1 },
		"service_full=1": func(v *Service) { v.MaxSessions, v.MaxSessionsPerSource = 1, 2 },
	} {
		s := twoArm
		v := s.echo(modes.DR, 1)
		limit(&v)
		b := newBed(t, s, s.serving(v))
		b.begins(0, 4000, 1)
		b.begins(0, 4000, 1)
		b.explained(s.front, udp(s.source(0, 4001), echoVIP, "?").frame(s.gateway.mac,
			s.own(s.front).mac))
		b.dropped(want)
	}
}

// TestRefusedTakeNothing: a source beyond its limit takes nothing from its service, and a session
// that does not begin takes nothing from its source.
func TestRefusedTakeNothing(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		v := perSource(s.echo(modes.DR, 1), 0, 1)
		v.MaxRate = 3
		b := newBed(t, s, s.serving(v))
		for i := range 3 {
			b.begins(i, 4000, 20)
		}
		b.sessions(3)
		b.begins(3, 4000, 1)
		b.dropped("service_rate=20 source_rate=38")

		v = perSource(s.echo(modes.DR, 1), 2, 2)
		v.MaxSessions = 1
		b = newBed(t, s, s.serving(v))
		b.begins(0, 4000, 1)
		b.begins(0, 4000, 1)
		b.begins(1, 4000, 5)
		b.dropped("service_full=5")
		v.MaxSessions = 9
		b.apply(s.serving(v))
		b.begins(1, 4000, 2)
		b.sessions(3)
		b.dropped("service_full=5")
	})
}

// TestFullTableTakesNothingFromSources: a session for which the session table has no slot counts
// for nothing.
func TestFullTableTakesNothingFromSources(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(perSource(s.echo(modes.DR, 1), 2, 2)),
		func(c *bedConfig) { c.sessions = 2 })
	for range 2 {
		b.begins(0, 4000, 1)
		b.begins(1, 4000, 1)
	}
	b.begins(2, 4000, 5)
	b.dropped("sessions_full=5")
	b.worker.sessions.EndAll()
	b.begins(2, 4000, 2)
	b.sessions(2)
	b.dropped("sessions_full=5")
}

// TestSourcesOfOnePacketServices: each datagram that is forwarded alone takes a token, and none
// is a session.
func TestSourcesOfOnePacketServices(t *testing.T) {
	for _, m := range []modes.Mode{modes.DR, modes.NAT, modes.IPIP} {
		eachSite(t, func(t *testing.T, s site) {
			v := perSource(s.echo(m, 1), 1, 3)
			v.OnePacket = true
			b := newBed(t, s, s.serving(v))
			for range 5 {
				b.begins(0, 4000, 1)
			}
			b.begins(1, 4000, 1)
			b.sessions(0)
			b.dropped("source_rate=2")
			b.explained(s.front, s.in(udp(s.source(0, 4000), echoVIP, "?")).frame(s.gateway.mac,
				s.own(s.front).mac))
			b.dropped("source_rate=3")
		})
	}
}

// TestSourcesSurviveChanges: sessions count whatever becomes of their real server and their
// service. Another service begins with none.
func TestSourcesSurviveChanges(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		now := time.Now()
		limited := perSource(s.echo(m, 2), 2, 0)
		b := newBed(t, s, s.serving(limited))
		b.begins(0, 4000, 2)
		other := limited
		other.RealServers = limited.RealServers[1:]
		b.apply(s.serving(other))
		b.begins(0, 4100, 1)
		b.dropped("source_full=1")
		b.apply(s.serving())
		b.apply(s.serving(limited))
		b.begins(0, 4200, 1)
		b.dropped("source_full=2")
		web := perSource(s.web(m, 1), 1, 0)
		b.apply(s.serving(limited, web))
		b.fromClient(tcp(s.source(0, 4300), webVIP, "S"))
		b.collectAll()
		b.sessions(3)
		b.apply(s.serving())
		b.wait(400_000)
		b.sessions(0)
		for range 2 { // the first still sees the sessions' real servers
			now = now.Add(2 * forgetAfter)
			if err := b.engine.applyAt(s.serving(), now); err != nil {
				t.Fatal(err)
			}
		}
		b.turn()
		b.apply(s.serving(limited))
		b.begins(0, 4000, 3)
		b.sessions(2)
		b.dropped("source_full=3")
	})
}

// TestFullSetIsOpen: a source without place in the table of sources is served all the same, and
// counted.
func TestFullSetIsOpen(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(perSource(s.echo(modes.NAT, 1), 1, 1)))
	table := b.worker.snap.sources
	all := table.sets
	table.sets = all[:1]
	t.Cleanup(func() {
		b.worker.sessions.EndAll()
		table.sets = all
	})
	for i := range sourceWays {
		b.begins(i, 4000, 1)
	}
	b.begins(100, 4000, 3)
	b.begins(0, 4001, 1)
	b.dropped("source_rate=1")
	if n := b.totals(); n.Unlimited != 3 || n.SourcesForgotten != 0 {
		t.Errorf("%d unlimited, %d forgotten", n.Unlimited, n.SourcesForgotten)
	}
	b.wait(1000)
	b.begins(100, 4003, 1)
	b.worker.sessions.EndAll()
	for i := range sourceWays {
		b.begins(i, 4000, 1)
	}
	b.worker.sessions.EndAll() // their buckets are empty
	b.begins(100, 4000, 1)
	b.worker.publish()
	if n := b.engine.Report(); n.Unlimited != 4 || n.SourcesForgotten != 1 {
		t.Errorf("reported: %d unlimited, %d forgotten", n.Unlimited, n.SourcesForgotten)
	}
}

// TestFloodOfInventedSources: while a million invented sources begin sessions, a client is served,
// and one that wants more than it may does not get it.
func TestFloodOfInventedSources(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		t.Run(s.name, func(t *testing.T) {
			b := newBed(t, s, s.serving(perSource(s.web(modes.DR, 1), 3, 20)),
				func(c *bedConfig) { c.sessions = 10_000 })
			flood := newSalvo(b)
			defer flood.end()
			f := s.in(tcp(s.source(1, 4000), webVIP, "S")).frame(s.gateway.mac, s.own(s.front).mac)
			sent, inRound := uint32(0), 50_000
			if testing.Short() {
				inRound = 10_000
			}
			talks := func(source, port int) {
				for _, flags := range []string{"S", "A", "PA"} {
					b.fromClient(tcp(s.source(source, port), webVIP, flags))
				}
				b.collectAll()
			}
			for round := range 20 {
				for range inRound / ports.MaxBurst {
					for i := range ports.MaxBurst {
						sent++
						s.invent(f, sent)
						flood.load(i, f)
					}
					flood.fire()
				}
				b.now += 50
				b.turn()
				if round < 3 {
					talks(0, 4000+round)
				}
				talks(2, 5000+round)
			}
			full := b.totals().Drops[DropSourceFull]
			b.dropped(fmt.Sprintf("no_session=34 source_full=%d", full))
			if full != 17 {
				t.Errorf("the offender was refused %d times, want 17", full)
			}
			b.collectAll()
			b.fromClient(tcp(s.source(0, 4000), webVIP, "PA"))
			if n := len(collect(b.ports[s.back])); n != 1 {
				t.Errorf("the client is not served")
			}
			if n := b.totals(); n.Unlimited > uint64(sent/1000) {
				t.Errorf("%d of %d invented sources found no place", n.Unlimited, sent)
			}
		})
	}
}

// invent gives a frame another invented source.
func (s *site) invent(frame []byte, n uint32) {
	if s.is6 {
		binary.BigEndian.PutUint32(frame[packet.EthernetLen+8+4:], n)
		return
	}
	ip := packet.IPv4(frame[packet.EthernetLen:])
	old := ip.Src()
	ip.SetSrc(100<<24 | n)
	ip.SetChecksum(packet.Delta(0).Change32(old, ip.Src()).Apply(ip.Checksum()))
}

// TestChargesAllocateNothing: neither a session that begins and ends by limits of its source nor
// one that is refused allocates.
func TestChargesAllocateNothing(t *testing.T) {
	for _, m := range allModes {
		b := newBed(t, twoArm, twoArm.serving(perSource(twoArm.echo(m, 3), 5000, 5000)),
			func(c *bedConfig) { c.sessions = 10_000 })
		s := newSalvo(b)
		f := b.fromClients(udp(client, echoVIP, "?"), 0)
		s.noAllocs(func(n int) {
			if n == 100 {
				b.worker.sessions.EndAll()
			}
			for i := range ports.MaxBurst {
				setSource(f, uint16(1000+n*ports.MaxBurst+i))
				s.load(i, f)
			}
		})
		s.end()
		if got := b.totals().Drops; got[DropSourceRate]+got[DropSourceFull] == 0 {
			t.Error("none was refused")
		}
	}
}

// BenchmarkSessionOfSource begins a session of another source with every packet, with and without
// limits of sources. It does not measure their end.
func BenchmarkSessionOfSource(b *testing.B) {
	for name, most := range map[string]int{"unlimited": 0, "limited": 1000} {
		b.Run(name, func(b *testing.B) {
			const slots = 1 << 17
			d := newBed(b, twoArm, twoArm.serving(perSource(twoArm.echo(modes.DR, 3), most, most)),
				func(c *bedConfig) { c.sessions = slots })
			s := newSalvo(d)
			defer s.end()
			f := d.fromClients(udp(client, echoVIP, "eighteen bytes of."), 0)
			source := uint32(0)
			for b.Loop() {
				if d.worker.sessions.Len() == slots {
					b.StopTimer()
					d.worker.sessions.EndAll()
					b.StartTimer()
				}
				for i := range ports.MaxBurst {
					source = source*5 + 1
					d.site.invent(f, source>>8)
					s.load(i, f)
				}
				s.fire()
			}
			perPacket(b)
		})
	}
}
