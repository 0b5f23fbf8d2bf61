package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// anOldBed is a director that has run for longer than sessions live.
func anOldBed(t testing.TB, s site, n Settings, changes ...func(*bedConfig)) *bed {
	t.Helper()
	b := newBed(t, s, n, changes...)
	b.grown()
	return b
}

// grown lets the youth of all workers pass.
func (b *bed) grown() {
	b.now += b.worker.snap.settings.Timeouts[lvs.StateSCTPEstablished]
	b.turn()
	b.announced()
}

// resetOf is the reset that answers a segment.
func resetOf(p pkt) pkt {
	r := tcp(p.dst.String(), p.src.String(), "R")
	r.df, r.id, r.tos = true, 0, p.tos&^3
	if r.ack = 0; p.flags&packet.TCPAck != 0 {
		r.seq = p.ack
		return r
	}
	r.flags |= packet.TCPAck
	r.seq, r.ack = 0, p.seq+uint32(len(p.payload))
	for _, f := range []packet.TCPFlags{packet.TCPSyn, packet.TCPFin} {
		if p.flags&f != 0 {
			r.ack++
		}
	}
	return r
}

// gre is a packet of a protocol that no service can have.
func gre(src, dst string) pkt {
	return pkt{src: at4(src), dst: at4(dst), protocol: protocolGRE, ttl: 64, payload: []byte("?")}
}

// unreachable is the ICMP error with a code about a packet.
func unreachable(about pkt, code uint8) pkt {
	vip := about.dst.Addr().String()
	return icmpError(vip, about, packet.ICMPUnreachable, code, 0)
}

// noProtocol is the answer to a protocol that the director does not speak.
func noProtocol(s site, about pkt) pkt {
	p := unreachable(about, packet.ICMPCodeProtocolUnreachable)
	if s.is6 {
		p.rest = 6 // the place of the Next Header field
	}
	return p
}

func sctpInit(src, dst string) pkt {
	l := &layers.SCTP{
		SrcPort: layers.SCTPPort(at4(src).Port()), DstPort: layers.SCTPPort(at4(dst).Port()),
	}
	chunk := append([]byte{chunkKinds["INIT"], 0, 0, 20}, make([]byte, 16)...)
	p := pkt{src: at4(src), dst: at4(dst), protocol: packet.ProtocolSCTP, ttl: 64}
	return p.carrying(string(serialize(l, gopacket.Payload(chunk))))
}

// unknownPackets are packets of no session, each with its answer and the least setting that answers
// it to a one-way service and to a two-way one.
func unknownPackets(s site) []struct {
	name           string
	p, answer      pkt
	oneWay, twoWay ResetUnknown
} {
	ack, data := tcp(client, webVIP, "A"), tcp(client, webVIP, "PA").carrying("data")
	fin := tcp(client, webVIP, "F").carrying("last")
	closed, fast := tcp(client, vipAlone+":81", "S"), tcp(client, vipAlone+":81", "S").carrying("1")
	late := tcp(client, vipAlone+":81", "A").with(func(p *pkt) { p.tos = 0xbb })
	datagram, init := udp(client, vipAlone+":9", "?"), sctpInit(client, vipAlone+":81")
	tunnel := gre(client, vipAlone)
	return []struct {
		name           string
		p, answer      pkt
		oneWay, twoWay ResetUnknown
	}{
		{"ACK", ack, resetOf(ack), ResetAll, ResetTwoWay},
		{"data", data, resetOf(data), ResetAll, ResetTwoWay},
		{"FIN", fin, resetOf(fin), ResetAll, ResetTwoWay},
		{"SYN without service", closed, resetOf(closed), ResetTwoWay, ResetTwoWay},
		{"SYN with data", fast, resetOf(fast), ResetTwoWay, ResetTwoWay},
		{"ACK without service", late, resetOf(late), ResetTwoWay, ResetTwoWay},
		{"UDP", datagram, unreachable(datagram, packet.ICMPCodePortUnreachable),
			ResetTwoWay, ResetTwoWay},
		{"SCTP", init, noProtocol(s, init), ResetTwoWay, ResetTwoWay},
		{"GRE", tunnel, noProtocol(s, tunnel), ResetTwoWay, ResetTwoWay},
	}
}

// Every kind of packet of no session, in every mode and family, with every setting.
func TestUnknownIsAnswered(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		for _, u := range unknownPackets(s) {
			least := u.oneWay
			if m.TwoWay() {
				least = u.twoWay
			}
			for _, setting := range []ResetUnknown{ResetOff, ResetTwoWay, ResetAll} {
				t.Run(fmt.Sprint(u.name, setting), func(t *testing.T) {
					n := s.serving(s.web(m, 1))
					n.ResetUnknown = setting
					b := anOldBed(t, s, n)
					b.fromClient(u.p)
					var want []pkt
					if setting >= least {
						want = []pkt{u.answer}
					}
					b.toClient(want...)
					b.quiet()
					sum := b.totals()
					if drops := sum.Drops[DropNoSession] + sum.Drops[DropNoService]; drops != 1 ||
						sum.Resets != uint64(len(want)) || sum.ResetsSuppressed != 0 {
						t.Fatalf("%d answered, %d suppressed, dropped %q",
							sum.Resets, sum.ResetsSuppressed, b.drops())
					}
				})
			}
		}
	})
}

// The setting follows a change of the configuration, in both directions.
func TestResetUnknownIsLive(t *testing.T) {
	s := twoArm
	n := s.serving(s.web(modes.DR, 1))
	b := anOldBed(t, s, n)
	ack := tcp(client, webVIP, "A")
	for _, setting := range []ResetUnknown{ResetOff, ResetAll, ResetTwoWay, ResetAll, ResetOff} {
		n.ResetUnknown = setting
		b.apply(n)
		b.fromClient(ack)
		if setting == ResetAll {
			b.toClient(resetOf(ack))
		}
		b.quiet()
	}
}

// With sloppy_tcp the director may be there to take over others' sessions: it resets none.
func TestSloppyResetsNothing(t *testing.T) {
	s := oneArm
	n := s.serving(s.web(modes.NAT, 1))
	n.SloppyTCP, n.ResetUnknown = true, ResetAll
	b := anOldBed(t, s, n)
	datagram := udp(client, vipAlone+":9", "?")
	b.fromClient(tcp(client, vipAlone+":81", "S"), tcp(client, vipAlone+":81", "A"), datagram)
	b.toClient(unreachable(datagram, packet.ICMPCodePortUnreachable))
}

// A young director resets nothing that may be another's session, for as long as TCP's and SCTP's
// established sessions live, and the clock does not make it young again.
func TestYouth(t *testing.T) {
	s := oneArm
	n := s.serving(s.web(modes.NAT, 1))
	n.ResetUnknown = ResetTwoWay
	b := newBed(t, s, n)
	ack := tcp(client, webVIP, "A")
	hears := func(want ...pkt) {
		t.Helper()
		b.fromClient(ack)
		b.toClient(want...)
	}
	b.now += 89_999
	hears()
	b.now++
	hears(resetOf(ack))
	b.now += 1<<32 - 90_000 // comes round
	hears(resetOf(ack))
	n.Timeouts[lvs.StateEstablished] = 1_000_000
	b.apply(n)
	hears(resetOf(ack))
}

// A director that no packet asked about its age for 49 days is not young again.
func TestYouthEndsWithoutPackets(t *testing.T) {
	s := oneArm
	n := s.serving(s.web(modes.NAT, 1))
	n.ResetUnknown = ResetTwoWay
	b := anOldBed(t, s, n)
	b.now = 1_000_000
	b.turn()
	ack := tcp(client, webVIP, "A")
	b.fromClient(ack)
	b.toClient(resetOf(ack))
}

// Damage anywhere in what a checksum covers keeps a packet from being answered. UDP over IPv4 may
// have no checksum, over IPv6 it must.
func TestDamagedIsNotAnswered(t *testing.T) {
	for _, s := range sites {
		n := s.serving(s.web(modes.NAT, 1))
		n.ResetUnknown = ResetAll
		b := anOldBed(t, s, n)
		for _, u := range unknownPackets(s) {
			if u.p.protocol == protocolGRE {
				continue // has no checksum
			}
			f := s.in(u.p).frame(s.gateway.mac, s.own(s.front).mac)
			for _, at := range []int{len(f) - 1, len(f) - 7} {
				f[at] ^= 0x40
				b.receive(s.front, f)
				f[at] ^= 0x40
			}
		}
		b.quiet()
		none := udp(client, vipAlone+":9", "?").with(func(p *pkt) { p.noChecksum = true })
		f := s.in(none).frame(s.gateway.mac, s.own(s.front).mac)
		if s.is6 {
			copy(f[packet.EthernetLen+packet.IPv6Len+6:], []byte{0, 0})
		}
		b.receive(s.front, f)
		if !s.is6 {
			b.toClient(unreachable(none, packet.ICMPCodePortUnreachable))
		}
		b.quiet()
	}
}

// A segment's length is that of its IP packet, not of the frame, which may have padding. Options
// and extension headers do not count either.
func TestResetCountsTheSegmentAlone(t *testing.T) {
	for _, s := range sites {
		n := s.serving(s.web(modes.NAT, 1))
		n.ResetUnknown = ResetAll
		b := anOldBed(t, s, n)
		syn := tcp(client, vipAlone+":81", "S").with(func(p *pkt) { p.padding, p.mss = 6, 1460 })
		b.fromClient(syn)
		b.toClient(resetOf(syn))
		if s.is6 {
			continue
		}
		optional := syn.with(func(p *pkt) {
			p.options = []layers.IPv4Option{{OptionType: 148, OptionLength: 4, OptionData: []byte{0, 0}}}
		})
		b.fromClient(optional)
		b.toClient(resetOf(optional))
	}
}

// The pointer of a parameter problem names the Next Header field of the last extension header.
func TestUnknownProtocolBehindExtensions(t *testing.T) {
	s := twoArm.twin()
	n := s.serving(s.web(modes.NAT, 1))
	n.ResetUnknown = ResetAll
	b := anOldBed(t, s, n)
	inside := append([]byte{60, 0, 1, 4, 0, 0, 0, 0}, protocolGRE, 0, 1, 4, 0, 0, 0, 0, 'x')
	p := s.in(gre(client, vipAlone)).with(func(p *pkt) { p.protocol, p.payload = 0, inside })
	b.fromClient(p)
	b.toClient(noProtocol(s, p).with(func(p *pkt) { p.rest = 48 }))
	b.fromClient(p.with(func(p *pkt) { p.protocol, p.payload = packet.NextNone, nil }))
	b.quiet()
}

// Packets to a group of stations are not answered, whatever their IP address.
func TestGroupsAreNotAnswered(t *testing.T) {
	s := oneArm
	n := s.serving(s.web(modes.NAT, 1))
	n.ResetUnknown = ResetAll
	b := anOldBed(t, s, n)
	b.receive(s.front, gre(client, vipAlone).frame(s.gateway.mac, packet.Broadcast))
	b.quiet()
	b.dropped("no_service=1")
}

// anywhere delivers packets to the queues in turns: to any worker, whatever their flow.
func anywhere(n int) func(*bedConfig) {
	return func(c *bedConfig) {
		i := 0
		c.choose = func(int) func([]byte) int {
			return func([]byte) int { i++; return i % n }
		}
	}
}

// An answer is one packet from the owner of the flow, however packets come to workers. A session
// that another worker has is never reset.
func TestOnlyTheOwnerResets(t *testing.T) {
	for _, m := range allModes {
		for name, spread := range map[string]func(*bedConfig){
			"anywhere": anywhere(2), "one queue": narrow(1), "RSS": spreading(t, 2, byFlow),
			"RSS by client": spreading(t, 2, byClient),
		} {
			t.Run(m.String()+" "+name, func(t *testing.T) {
				s := twoArm
				n := s.serving(s.web(m, 1))
				n.ResetUnknown = ResetAll
				b := anOldBed(t, s, n, crowd(2), spread)
				for i := range 32 {
					from := clientAt(i)
					b.fromClient(tcp(from, webVIP, "S"), tcp(from, webVIP, "A"))
				}
				b.dropped("")
				b.collectAll()
				for i := range 32 {
					ack := tcp(clientAt(1000+i), webVIP, "A")
					b.fromClient(ack)
					b.toClient(resetOf(ack))
				}
				b.dropped("no_session=32")
			})
		}
	}
}

// Sessions of a removed service are still their owner's, who says nothing, as of other sessions
// whose real server was removed. Once the service is back they go on.
func TestSessionsOfRemovedServicesAreNotReset(t *testing.T) {
	for _, m := range allModes {
		for name, spread := range map[string]func(*bedConfig){
			"anywhere": anywhere(2), "RSS": spreading(t, 2, byFlow),
		} {
			t.Run(m.String()+" "+name, func(t *testing.T) {
				s := twoArm
				n := s.serving(s.web(m, 1), s.echo(m, 1))
				n.ResetUnknown = ResetAll
				b := anOldBed(t, s, n, crowd(2), spread)
				for i := range 32 {
					b.fromClient(tcp(clientAt(i), webVIP, "S"), tcp(clientAt(i), webVIP, "A"))
				}
				acknowledge := func() (sent int) {
					b.collectAll()
					for i := range 32 {
						b.fromClient(tcp(clientAt(i), webVIP, "A"))
					}
					return len(slices.Concat(b.collectAll()...))
				}
				without := n
				without.Services = n.Services[1:]
				b.apply(without)
				if sent := acknowledge(); sent != 0 {
					t.Fatalf("%d packets of a removed service were answered", sent)
				}
				b.dropped("real_server_gone=32")
				b.apply(n)
				if sent := acknowledge(); sent != 32 || b.totals().Resets != 0 {
					t.Fatalf("%d of 32 packets were forwarded, %d reset", sent, b.totals().Resets)
				}
			})
		}
	}
}

// A change of the mode may leave sessions with a worker that is no longer the flow's owner. The new
// owner does not reset them.
func TestSessionsOfAnotherModeAreNotReset(t *testing.T) {
	for _, from := range allModes {
		for _, to := range allModes {
			t.Run(from.String()+" to "+to.String(), func(t *testing.T) {
				s := twoArm
				n := s.serving(s.web(from, 1))
				n.ResetUnknown = ResetAll
				b := anOldBed(t, s, n, crowd(2), anywhere(2))
				for i := range 32 {
					b.fromClient(tcp(clientAt(i), webVIP, "S"), tcp(clientAt(i), webVIP, "A"))
				}
				n.Services = []Service{s.web(to, 1)}
				b.apply(n)
				for i := range 32 {
					b.fromClient(tcp(clientAt(i), webVIP, "A"))
				}
				if got := b.totals().Resets; got != 0 {
					t.Fatalf("%d sessions were reset", got)
				}
			})
		}
	}
}

// What is remembered of removed services lasts as long as their real servers are remembered.
func TestRemovedServicesAreForgotten(t *testing.T) {
	s := twoArm
	none := s.serving(s.echo(modes.NAT, 1))
	b := newBed(t, s, none)
	now := time.Now()
	for i := range 100 {
		v := s.web(modes.NAT, i%2)
		v.Address = netip.AddrPortFrom(v.Address.Addr(), uint16(1000+i))
		for _, n := range []Settings{s.serving(none.Services[0], v), none} {
			if err := b.engine.applyAt(n, now); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := b.engine.snap.Load().leaving.used; got != 50 {
		t.Fatalf("%d removed services are remembered, want those 50 that had a real server", got)
	}
	if err := b.engine.applyAt(none, now.Add(2*forgetAfter)); err != nil {
		t.Fatal(err)
	}
	if got := b.engine.snap.Load().leaving.used; got != 0 {
		t.Fatalf("%d removed services are remembered for ever", got)
	}
}

// A source that floods gets at most its share, and all others get their answers meanwhile. In IPv6
// a source is a /64.
func TestResetsAreLimitedBySource(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		n := s.serving(s.web(modes.NAT, 1))
		n.ResetUnknown = ResetTwoWay
		b := anOldBed(t, s, n, crowd(2))
		other := tcp("192.168.6.9:4000", vipAlone+":81", "S")
		if s.is6 {
			other = other.from(netip.MustParseAddrPort("[fd00:0:0:9::9]:4000"))
		}
		flooding, honest := 0, 0
		for ms := range 2000 {
			b.now++
			for i := range 4 {
				syn := tcp(fmt.Sprint("192.168.5.9:", 1000+4*ms+i), vipAlone+":81", "S")
				b.deliver(s.front, b.floods(syn, i))
			}
			b.turn()
			flooding += len(collect(b.ports[s.front]))
			if ms%20 == 0 {
				b.fromClient(other)
				honest += len(collect(b.ports[s.front]))
			}
		}
		most := 2*int(sourceRate.perSecond) + int(sourceRate.burst)
		if flooding > most || flooding < most-2 || honest != 100 {
			t.Fatalf("%s: %d answers to one source, want %d; %d of 100 to another",
				s.name, flooding, most, honest)
		}
		if sum := b.totals(); sum.Resets != uint64(flooding+honest) ||
			sum.ResetsSuppressed != uint64(8000-flooding) {
			t.Fatalf("%d answered, %d suppressed", sum.Resets, sum.ResetsSuppressed)
		}
	}
}

// floods is a packet of a flood, in IPv6 from one of some addresses of a /64.
func (b *bed) floods(p pkt, i int) []byte {
	f := b.site.in(p).frame(b.site.gateway.mac, b.site.own(b.site.front).mac)
	if !b.site.is6 {
		return f
	}
	ip := packet.IPv6(f[packet.EthernetLen:])
	old := ip.Src()
	ip.SetSrc(packet.Addr{Hi: old.Hi, Lo: old.Lo + uint64(i)<<32})
	t := packet.TCP(ip[packet.IPv6Len:])
	t.SetChecksum(packet.Delta(0).ChangeAddr(old, ip.Src()).Apply(t.Checksum()))
	return f
}

// Sources without number, as a flood invents them, get no more than all sources may.
func TestResetsAreLimitedInAll(t *testing.T) {
	s := twoArm
	n := s.serving(s.web(modes.NAT, 1))
	n.ResetUnknown = ResetTwoWay
	b := anOldBed(t, s, n, crowd(2))
	told := 0
	for ms := range 500 {
		b.now++
		for i := range 40 {
			b.deliver(s.front, b.floods(tcp(clientAt(250*(40*ms+i)), vipAlone+":81", "S"), 0))
		}
		b.turn()
		told += len(collect(b.ports[s.front]))
	}
	most := 500*int(resetRate.perSecond)/1000 + int(resetRate.burst)
	if told > most || told < most-100 {
		t.Fatalf("%d answers in half a second, want %d", told, most)
	}
	if sum := b.totals(); sum.Resets+sum.ResetsSuppressed != 20_000 {
		t.Fatalf("%d answered, %d suppressed of 20000", sum.Resets, sum.ResetsSuppressed)
	}
}

func TestResetsAllocateNothing(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		n := s.serving(s.web(modes.NAT, 1))
		n.ResetUnknown = ResetAll
		b := anOldBed(t, s, n)
		salvo := newSalvo(b)
		defer salvo.end()
		for _, u := range unknownPackets(s) {
			f := s.in(u.p).frame(s.gateway.mac, s.own(s.front).mac)
			before := b.totals().Resets
			salvo.noAllocs(func(int) {
				b.worker.now += 1000
				for i := range ports.MaxBurst {
					salvo.load(i, f)
				}
			})
			if got := b.totals().Resets - before; got < 100*40 {
				t.Fatalf("%s: only %d answers", u.name, got)
			}
		}
	}
}
