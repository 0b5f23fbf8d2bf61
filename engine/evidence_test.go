package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// observing returns the service with all of its real servers watched.
func observing(v Service) Service {
	for i := range v.RealServers {
		v.RealServers[i].Watched = true
	}
	return v
}

// taken takes the evidence of the first service, as in "0: answered; 1: 2 unanswered, 1 refused".
func (b *bed) taken() string {
	b.Helper()
	b.wait(publishInterval)
	s := b.engine.snap.Load().order[0].live
	var all []string
	b.engine.TakeEvidence(s.id, b.now, func(e *Evidence) {
		i := slices.IndexFunc(s.settings.RealServers, func(rs RealServer) bool { return rs.Address == e.Server })
		if text := b.describe(e); text != "" {
			all = append(all, fmt.Sprintf("%d: %s", i, text))
		}
	})
	return strings.Join(all, "; ")
}

func (b *bed) describe(e *Evidence) string {
	b.Helper()
	var parts []string
	if e.Answered {
		parts = append(parts, "answered")
	}
	for kind, name := range []string{Unanswered: "unanswered", Refused: "refused", Mute: "mute"} {
		clients := map[uint32]bool{}
		for _, f := range e.Failures {
			if f.Kind == FailureKind(kind) && kind != 0 {
				clients[f.Client] = true
			}
			if f.Ago < 0 {
				b.Fatalf("a client asks in %v", -f.Ago)
			}
		}
		if n := len(clients); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	if e.Unreachable {
		parts = append(parts, "unreachable")
	}
	return strings.Join(parts, ", ")
}

func (b *bed) expectTaken(when, want string) {
	b.Helper()
	if got := b.taken(); got != want {
		b.Fatalf("%s: %q; want %q", when, got, want)
	}
}

// personAt is the i-th of some clients, each with an address, or an IPv6 network, of its own.
func (s *site) personAt(i int, port uint16) netip.AddrPort {
	if s.is6 {
		return netip.AddrPortFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x::1", i)), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 50, byte(1 + i)}), port)
}

// oneOr2Workers runs a test in every mode and topology, with one worker and with two.
func oneOr2Workers(t *testing.T, test func(*testing.T, site, modes.Mode, func(*bedConfig))) {
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprintf("%d-workers", n), func(t *testing.T) {
			eachMode(t, func(t *testing.T, s site, m modes.Mode) {
				test(t, s, m, func(c *bedConfig) { c.workers = n })
			})
		})
	}
}

// syn is a SYN of personAt.
func (s *site) syn(i int, port uint16) pkt { return tcp(client, webVIP, "S").from(s.personAt(i, port)) }

// Where answers pass the director, a SYN that a client repeats after a second is evidence. A client
// counts once, whatever its ports and however often it asks.
func TestRepeatedSYNsAreEvidence(t *testing.T) {
	oneOr2Workers(t, func(t *testing.T, s site, m modes.Mode, c func(*bedConfig)) {
		b := newBed(t, s, s.serving(observing(s.web(m, 1))), c)
		all := []pkt{s.syn(1, 4000), s.syn(2, 4000), s.syn(2, 4001), s.syn(3, 4000)}
		b.fromClient(all...)
		b.wait(500)
		b.fromClient(all[0])
		b.expectTaken("so soon", "")
		b.wait(1000)
		b.fromClient(all...)
		want := ""
		if m.TwoWay() {
			want = "0: 3 unanswered"
		}
		b.expectTaken("after a second", want)
		b.expectTaken("it is taken once", "")
		b.collectAll()
	})
}

// Sessions that end without an answer are evidence too, also those whose client never came back.
// What is remembered is bounded.
func TestUnansweredSessionsAreEvidence(t *testing.T) {
	oneOr2Workers(t, func(t *testing.T, s site, m modes.Mode, c func(*bedConfig)) {
		b := newBed(t, s, s.serving(observing(s.web(m, 1))), c)
		for i := range 40 {
			b.fromClient(s.syn(i, 4000))
		}
		b.expectTaken("while they last", "")
		b.wait(130_000)
		b.sessions(0)
		want := ""
		if m.TwoWay() {
			want = fmt.Sprintf("0: %d unanswered", maxFailures*len(b.engine.workers))
		}
		b.expectTaken("when they have ended", want)
		b.collectAll()
	})
}

// A flood of SYNs that its senders never complete is no evidence while the real server answers.
func TestAnsweredSYNsAreNoEvidence(t *testing.T) {
	oneOr2Workers(t, func(t *testing.T, s site, m modes.Mode, c func(*bedConfig)) {
		if !m.TwoWay() {
			t.Skip("answers do not pass")
		}
		b := newBed(t, s, s.serving(observing(s.web(m, 1))), c)
		for i := range 5 {
			p := b.begin(m, s.syn(i, 4000))
			p.answers("SA", "")
			p.answers("SA", "")
		}
		b.expectTaken("once it has answered", "0: answered")
		b.wait(2000)
		b.fromClient(s.syn(1, 4000))
		b.wait(130_000)
		b.sessions(0)
		b.expectTaken("when they have ended", "")
		b.collectAll()
	})
}

// A reset in answer to a SYN refuses it. Resets of established sessions refuse nothing.
func TestResetsAreEvidence(t *testing.T) {
	oneOr2Workers(t, func(t *testing.T, s site, m modes.Mode, c func(*bedConfig)) {
		if !m.TwoWay() {
			t.Skip("answers do not pass")
		}
		b := newBed(t, s, s.serving(observing(s.web(m, 1))), c)
		for i := range 3 {
			p := b.begin(m, s.syn(i, 4000))
			p.answers("RA", "")
		}
		b.expectTaken("refused", "0: 3 refused")
		p := b.begin(m, s.syn(1, 4001))
		p.answers("SA", "")
		p.sends(tcp(client, webVIP, "A").from(s.personAt(1, 4001)))
		p.answers("RA", "")
		b.expectTaken("reset later", "0: answered")
		b.wait(130_000)
		b.sessions(0)
		b.expectTaken("when they have ended", "")
	})
}

// Datagrams without an answer, and those to a port where nothing listens, are evidence. An ICMP
// error is no answer.
func TestDatagramsAreEvidence(t *testing.T) {
	oneOr2Workers(t, func(t *testing.T, s site, m modes.Mode, c func(*bedConfig)) {
		b := newBed(t, s, s.serving(observing(s.echo(m, 1))), c)
		ask := func(i int) pkt { return udp(client, echoVIP, "?").from(s.personAt(i, 4000)) }
		b.expectTaken("at first", "")
		if !m.TwoWay() {
			b.fromClient(ask(1))
			b.wait(310_000)
			b.expectTaken("without answers", "")
			b.collectAll()
			return
		}
		b.begin(m, ask(0)).answers("", "!")
		b.expectTaken("answered", "0: answered")
		for i := range 3 {
			p := b.begin(m, ask(1+i))
			asked := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolUDP, ttl: 63, payload: []byte("?")}
			from := []netip.Addr{p.server.Addr(), p.server.Addr(), s.servers[1].addr}[i]
			e := icmpError("10.1.0.11", asked, packet.ICMPUnreachable, packet.ICMPCodePortUnreachable, 0)
			e.dst = netip.AddrPortFrom(p.source.Addr(), 0)
			b.fromServer(0, e.from(netip.AddrPortFrom(from, 0)))
			b.collectAll()
		}
		b.collectAll()
		b.expectTaken("two by the real server, one by another", "0: 2 refused")
		b.fromClient(ask(5), ask(6))
		b.wait(310_000)
		b.sessions(0)
		b.expectTaken("when they have ended", "0: 2 mute")
		b.collectAll()
	})
}

// An ABORT in answer to an INIT refuses it, and an INIT ACK answers it.
func TestChunksAreEvidence(t *testing.T) {
	for _, s := range sites {
		v := observing(s.service(modes.NAT, packet.ProtocolSCTP, 1))
		b := newBed(t, s, s.serving(v))
		for i, chunk := range []layers.SCTPChunkType{layers.SCTPChunkTypeAbort, layers.SCTPChunkTypeInitAck} {
			from := s.personAt(i, 4000)
			in := sctpPacket{from, v.Address, 64, layers.SCTPChunkTypeInit}
			b.receive(s.front, in.frame(s.gateway.mac, s.own(s.front).mac))
			back := sctpPacket{v.RealServers[0].Address, from, 64, chunk}
			b.receive(s.back, back.frame(s.servers[0].mac, s.own(s.back).mac))
			b.expectTaken(chunk.String(), "0: "+[]string{"1 refused", "answered"}[i])
		}
		in := sctpPacket{s.personAt(7, 4000), v.Address, 64, layers.SCTPChunkTypeInit}
		for range 2 {
			b.receive(s.front, in.frame(s.gateway.mac, s.own(s.front).mac))
			b.wait(1500)
		}
		b.expectTaken("repeated", "0: 1 unanswered")
		b.collectAll()
	}
}

// A real server that does not answer ARP or solicitations is unreachable in all modes, until it
// answers. One behind a gateway never is: only the gateway's MAC is missing.
func TestUnreachableNeighbour(t *testing.T) {
	oneOr2Workers(t, func(t *testing.T, s site, m modes.Mode, c func(*bedConfig)) {
		n := s.serving(observing(s.web(m, 2)))
		n.Neighbours = slices.DeleteFunc(n.Neighbours, func(v StaticNeighbour) bool {
			return v.Address == s.servers[0].addr
		})
		b := newBed(t, s, n, c)
		b.expectTaken("while it is asked", "")
		b.wait(5000)
		b.expectTaken("without an answer", "0: unreachable")
		b.wait(1500) // it is asked again
		b.expectTaken("while it is asked again", "0: unreachable")
		b.collectAll()
		answer := isAt(s.servers[0], s.own(s.back))
		if s.is6 {
			answer = nd(s.servers[0], s.own(s.back), ndAdvertisement, 0x60000000, s.servers[0].addr)
		}
		b.receive(s.back, answer)
		b.wait(200)
		b.expectTaken("once it answers", "")
		b.collectAll()
	})
}

// Where answers do not pass, SYNs that come again have the neighbour asked long before its time.
func TestRepeatedSYNsAskTheNeighbour(t *testing.T) {
	for _, m := range []modes.Mode{modes.DR, modes.IPIP} {
		eachSite(t, func(t *testing.T, s site) {
			for _, repeats := range []bool{false, true} {
				n := s.serving(observing(s.web(m, 1)))
				n.Neighbours = slices.DeleteFunc(n.Neighbours, func(v StaticNeighbour) bool {
					return v.Address == s.servers[0].addr
				})
				b := newBed(t, s, n)
				answer := isAt(s.servers[0], s.own(s.back))
				if s.is6 {
					answer = nd(s.servers[0], s.own(s.back), ndAdvertisement, 0x60000000, s.servers[0].addr)
				}
				b.receive(s.back, answer)
				b.fromClient(s.syn(1, 4000))
				b.wait(1000)
				want := ""
				if repeats {
					b.fromClient(s.syn(1, 4000))
					want = "0: unreachable"
				}
				b.wait(8000)
				b.expectTaken(fmt.Sprintf("%v, repeated %t", m, repeats), want)
				b.collectAll()
			}
		})
	}
}

func TestGatewayIsNoServer(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		v := observing(s.web(modes.NAT, 1))
		far := netip.MustParseAddr("172.16.0.1")
		if s.is6 {
			far = netip.MustParseAddr("2001:db8:ffff::1")
		}
		v.RealServers[0].Address = netip.AddrPortFrom(far, 80)
		n := s.serving(v)
		n.Neighbours = nil
		b := newBed(t, s, n)
		b.wait(10_000)
		b.expectTaken("its gateway does not answer", "")
		if !b.reported(0).Unresolved {
			t.Error("the gateway has answered")
		}
		b.collectAll()
	}
}

// Real servers that are not watched have no evidence, and nothing is kept for them. It may be
// turned on and off while sessions last.
func TestUnwatchedHaveNoEvidence(t *testing.T) {
	s := twoArm
	off, on := s.serving(s.web(modes.NAT, 1)), s.serving(observing(s.web(modes.NAT, 1)))
	b := newBed(t, s, off)
	b.fromClient(s.syn(1, 4000))
	b.wait(1000)
	b.fromClient(s.syn(1, 4000))
	b.expectTaken("off", "")
	live := b.engine.registry.live[0]
	if live.evidence.Load() != nil || b.engine.snap.Load().servers[0].evidence != nil {
		t.Error("there is a place for evidence")
	}
	b.apply(on)
	b.wait(2000)
	b.fromClient(s.syn(1, 4000))
	b.expectTaken("on", "0: 1 unanswered")
	b.apply(off)
	b.wait(130_000)
	b.expectTaken("off again", "")
	if live.evidence.Load() != nil {
		t.Error("the evidence is kept")
	}
	b.engine.TakeEvidence(lvs.ServiceID{}, b.now, func(*Evidence) { t.Error("evidence of no service") })
	b.collectAll()
}

func TestNoAllocsForEvidence(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(observing(twoArm.web(modes.NAT, 3))),
		func(c *bedConfig) { c.sessions = 10_000 })
	s := newSalvo(b)
	defer s.end()
	f := b.fromClients(tcp(client, webVIP, "S"), 0)
	s.noAllocs(func(n int) {
		b.now += 1000 // each SYN of the second round on is a repeated one
		for i := range ports.MaxBurst {
			setSource(f, uint16(1000+i))
			s.load(i, f)
		}
	})
	if got := b.taken(); !strings.Contains(got, "unanswered") {
		t.Error(got)
	}
}

// The places of a worker hold what fits in them, each client once.
func TestNoticed(t *testing.T) {
	f := newFailure(Mute, clientMask, 1<<32-1)
	if f.kind() != Mute || f.client() != clientMask || f.asked() != 1<<32-1 {
		t.Errorf("%x", uint64(f))
	}
	var n noticed
	for i := range uint32(20) {
		n.add(newFailure(Unanswered, i/2, i))
	}
	for i := range n.failures {
		want := uint32(i)
		if i < 2 {
			want += maxFailures // the oldest gave way
		}
		if f := failure(n.failures[i].Load()); f.client() != want || f.asked() != 2*want+1 {
			t.Errorf("place %d: client %d asked at %d", i, f.client(), f.asked())
		}
	}
}

// Clients are told apart by their IPv4 address, or their IPv6 network of 64 bits.
func TestClientNumber(t *testing.T) {
	number := func(a string) uint32 { return clientNumber(packet.AddrOf(netip.MustParseAddr(a))) }
	if number("2001:db8::1") != number("2001:db8::ffff:1") {
		t.Error("two addresses of one network differ")
	}
	for _, two := range [][2]string{
		{"10.0.0.1", "10.0.0.2"}, {"2001:db8::", "2001:db8:0:1::"}, {"1.2.3.4", "4.3.2.1"},
	} {
		if number(two[0]) == number(two[1]) {
			t.Errorf("%s and %s are one", two[0], two[1])
		}
	}
}
