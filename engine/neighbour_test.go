package engine

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
)

// resolving is settings without static neighbours: the director has to resolve all of them.
func (s *site) resolving(services ...Service) Settings {
	n := s.serving(services...)
	n.Neighbours = nil
	return n
}

// newResolvingBed starts a dr director in one arm that has asked for the gateway and one real
// server, without answer so far.
func newResolvingBed(t *testing.T) (*bed, host) {
	t.Helper()
	return newBed(t, oneArm, oneArm.resolving(oneArm.web(modes.DR, 1))), oneArm.servers[0]
}

func TestAsksForServersAndGatewaysAtStart(t *testing.T) {
	s := twoArm
	b := newSilentBed(t, s, s.resolving(s.web(modes.DR, 2)))
	b.turn()
	b.sent(0, append([][]byte{whoHas(s.gateway.addr, s.ports[0])},
		announcement4(s.ports[0], s.as(0, vipAlone))...)...)
	b.sent(1, append([][]byte{whoHas(s.servers[0].addr, s.ports[1]),
		whoHas(s.servers[1].addr, s.ports[1])}, announcement4(s.ports[1])...)...)
}

// On a port with several subnets the director speaks to each neighbour from the address on its
// subnet.
func TestSpeaksFromTheNeighboursSubnet(t *testing.T) {
	s := oneArm
	n := s.resolving(s.web(modes.IPIP, 1))
	n.Ports[0].Addresses = append([]netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")},
		n.Ports[0].Addresses...)
	n.Routes = nil
	b := newSilentBed(t, s, n)
	b.turn()
	b.sent(0, append([][]byte{whoHas(s.servers[0].addr, s.ports[0])},
		announcement4(s.ports[0], s.as(0, vipAlone), s.as(0, "10.9.0.1"))...)...)
	b.receive(0, isAt(s.servers[0], s.ports[0]))
	b.begin(modes.IPIP, tcp(client, webVIP, "S"))
}

func TestWaitingPacketsAreSentInOrder(t *testing.T) {
	b, rs := newResolvingBed(t)
	first, second := tcp(client, webVIP, "S"), tcp(client, webVIP, "A")
	third := tcp("192.168.5.9:4001", webVIP, "S")
	b.fromClient(first, second, third)
	b.quiet()
	if held := b.totals().Held; held != 3 {
		t.Fatalf("%d packets held, want 3", held)
	}
	b.receive(0, isAt(rs, oneArm.ports[0]))
	b.toServer(0, first.hop(), second.hop(), third.hop())
	b.fromClient(tcp(client, webVIP, "A"))
	b.toServer(0, tcp(client, webVIP, "A").hop())
	b.dropped("")
}

func TestQuestionsAreRepeatedOncePerSecond(t *testing.T) {
	b, rs := newResolvingBed(t)
	gateway := whoHas(oneArm.gateway.addr, oneArm.ports[0])
	server := whoHas(rs.addr, oneArm.ports[0])
	b.wait(900)
	b.quiet()
	for range neighbour.Tries - 1 {
		b.wait(1000)
		b.sentInAnyOrder(0, server, gateway)
	}
	b.receive(0, isAt(rs, oneArm.ports[0]))
	b.wait(1000)
	b.quiet() // the gateway has failed
}

func TestSilentNeighbourFails(t *testing.T) {
	b, _ := newResolvingBed(t)
	b.fromClient(tcp(client, webVIP, "S"), tcp(client, webVIP, "S"))
	b.wait(3100)
	b.dropped("neighbour_failed=2")
	b.fromClient(tcp(client, webVIP, "S"))
	b.dropped("neighbour_failed=3")
	if held := b.totals().Held; held != 0 {
		t.Fatalf("%d packets held for one who does not answer", held)
	}
}

func TestFailedNeighbourComesBack(t *testing.T) {
	b, rs := newResolvingBed(t)
	b.wait(3100)
	b.collectAll()
	b.wait(1000)
	b.sentInAnyOrder(0, whoHas(rs.addr, oneArm.ports[0]),
		whoHas(oneArm.gateway.addr, oneArm.ports[0]))
	b.fromClient(tcp(client, webVIP, "S"))
	b.receive(0, isAt(rs, oneArm.ports[0]))
	b.toServer(0, tcp(client, webVIP, "S").hop())
	b.dropped("")
}

// A failed neighbour that is not configured is asked for again when a packet needs it.
func TestFailedClientIsAskedAgainWhenNeeded(t *testing.T) {
	s := oneArm
	s.neighbour = station("10.0.0.99", 99)
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.NAT, 1)))
	p := b.begin(modes.NAT, tcp("10.0.0.99:4000", webVIP, "S"))
	out := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolTCP}.reply("SA", "")
	b.fromServer(0, out)
	b.sent(0, whoHas(s.neighbour.addr, s.ports[0]))
	b.wait(3100)
	b.collectAll()
	b.dropped("neighbour_failed=1")
	b.wait(5000)
	b.quiet()
	b.fromServer(0, out)
	b.sent(0, whoHas(s.neighbour.addr, s.ports[0]))
	b.receive(0, isAt(s.neighbour, s.ports[0]))
	b.sent(0, out.hop().from(p.vip).to(p.client).frame(s.ports[0].mac, s.neighbour.mac))
}

func TestQueueOfANeighbourIsBounded(t *testing.T) {
	b, rs := newResolvingBed(t)
	var sent []pkt
	for i := range 70 {
		sent = append(sent, tcp(clientAt(i), webVIP, "S"))
	}
	b.fromClient(sent...)
	b.dropped("neighbour_queue_full=6")
	b.receive(0, isAt(rs, oneArm.ports[0]))
	for i := range sent {
		sent[i] = sent[i].hop()
	}
	b.toServer(0, sent[:64]...)
}

func TestQueuesForNeighboursAreBounded(t *testing.T) {
	s := oneArm
	v := s.web(modes.DR, 1)
	v.RealServers = nil
	for i := range neighbour.MaxQueues + 2 {
		v.RealServers = append(v.RealServers,
			RealServer{Address: at4(fmt.Sprintf("10.0.0.%d:80", 150+i)), Weight: 1})
	}
	b := newBed(t, s, s.serving(v))
	for i := range neighbour.MaxQueues + 2 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.dropped("neighbour_queue_full=2")
	if held := b.totals().Held; held != neighbour.MaxQueues {
		t.Fatalf("%d packets held, want %d", held, neighbour.MaxQueues)
	}
	// One answer frees a queue for another neighbour's packets; rr begins with the last real
	// server.
	b.receive(0, isAt(station("10.0.0.167", 167), s.ports[0]))
	b.fromClient(tcp(clientAt(16), webVIP, "A"))
	b.dropped("neighbour_queue_full=2")
}

func TestNeighbourInUseIsProbed(t *testing.T) {
	b, rs := newResolvingBed(t)
	b.receive(0, isAt(rs, oneArm.ports[0]), isAt(oneArm.gateway, oneArm.ports[0]))
	b.wait(29_900)
	b.quiet()
	b.wait(200)
	b.sentInAnyOrder(0, probe(rs, oneArm.ports[0]), probe(oneArm.gateway, oneArm.ports[0]))
	b.receive(0, isAt(rs, oneArm.ports[0]), isAt(oneArm.gateway, oneArm.ports[0]))
	b.wait(20_000)
	b.quiet()
}

// A client is probed while packets go to it, and forgotten afterwards.
func TestClientIsProbedWhileItIsUsed(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
	guest := station("10.0.0.80", 80)
	b.receive(0, whoHas(s.ports[0].addr, guest))
	b.sent(0, isAt(s.ports[0], guest))
	p := b.begin(modes.NAT, udp("10.0.0.80:4000", echoVIP, "?"))
	out := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolUDP}.reply("", "answer")
	b.fromServer(0, out)
	b.collectAll()
	b.wait(neighbour.DelayTime + 100) // a question proves nothing about its sender
	b.sent(0, probe(guest, s.ports[0]))
	b.receive(0, isAt(guest, s.ports[0]))
	b.fromServer(0, out)
	b.collectAll()
	b.wait(30_100)
	b.sent(0, probe(guest, s.ports[0]))
	b.receive(0, isAt(guest, s.ports[0]))
	b.wait(590_000)
	b.quiet()
	if !b.knows(guest, 0) {
		t.Fatal("forgotten too early")
	}
	b.wait(20_000)
	if b.knows(guest, 0) {
		t.Fatal("not forgotten")
	}
}

// The next hop of a removed real server is kept until its renewal lapses, and no longer renewed.
func TestRemovedServerIsForgotten(t *testing.T) {
	s := oneArm
	b := newBed(t, s, Settings{Timeouts: testTimeouts(), Ports: s.settings().Ports,
		Services: []Service{s.web(modes.DR, 1)}})
	b.receive(0, isAt(s.servers[0], s.ports[0]))
	b.apply(Settings{Timeouts: testTimeouts(), Ports: s.settings().Ports})
	b.wait(30_100)
	b.sent(0, probe(s.servers[0], s.ports[0]))
	b.receive(0, isAt(s.servers[0], s.ports[0]))
	b.wait(610_000)
	b.quiet()
	if n := b.worker.neighbours.Len(); n != 0 {
		t.Fatalf("%d neighbours are still known", n)
	}
}

// A configured real server's next hop is kept for as long as it is configured: the renewal comes
// before the lapse.
func TestConfiguredServerIsKept(t *testing.T) {
	s := oneArm
	b := newBed(t, s, Settings{Timeouts: testTimeouts(), Ports: s.settings().Ports,
		Services: []Service{s.web(modes.DR, 1)}})
	b.receive(0, isAt(s.servers[0], s.ports[0]))
	for range 20 {
		b.wait(30_100)
		b.sent(0, probe(s.servers[0], s.ports[0]))
		b.receive(0, isAt(s.servers[0], s.ports[0]))
	}
	if !b.knows(s.servers[0], 0) {
		t.Fatal("forgotten")
	}
}

// The pass over the real servers renews all next hops in time, even if it takes several turns.
func TestAllServersAreKept(t *testing.T) {
	s := oneArm
	v := s.web(modes.DR, 1)
	v.RealServers = nil
	for i := range 3*servedAtOnce + 40 {
		v.RealServers = append(v.RealServers,
			RealServer{Address: at4(fmt.Sprintf("10.0.0.%d:80", 10+i)), Weight: 1})
	}
	b := newBed(t, s, s.resolving(v))
	b.wait(neighbour.WantLapse + 10_000)
	b.collectAll()
	for id := range b.worker.snap.servers {
		p := &b.worker.peers[id]
		if n := b.worker.neighbours.At(p.hop); n.Generation != p.generation || p.hop == 0 ||
			!n.Pinned() {
			t.Fatalf("the next hop of real server %d (place %d) is not kept", id, p.hop)
		}
	}
}

// A table place of another generation belongs to another neighbour: the real server's next hop is
// looked up again.
func TestForgottenServerIsFoundAgain(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.IPIP, 1)))
	id := b.poolOf(0).At(0).ID
	known := func() neighbour.Hop {
		p := &b.worker.peers[id]
		if b.worker.neighbours.At(p.hop).Generation != p.generation {
			return 0
		}
		return p.hop
	}
	place := known()
	if place == 0 {
		t.Fatal("not known: nothing to test")
	}
	b.worker.peers[id].generation--
	if h := known(); h != 0 {
		t.Fatalf("place %d of another generation passes for the real server's", h)
	}
	b.begin(modes.IPIP, tcp(client, webVIP, "S"))
	if h := known(); h != place {
		t.Fatalf("found at place %d, want %d", h, place)
	}
}

func TestProbedNeighbourGetsItsPackets(t *testing.T) {
	b, rs := newResolvingBed(t)
	b.receive(0, isAt(rs, oneArm.ports[0]))
	b.wait(30_100)
	b.collectAll()
	b.fromClient(tcp(client, webVIP, "S"))
	b.toServer(0, tcp(client, webVIP, "S").hop())
}

// The director searches by broadcast for a real server that does not answer probes: its address may
// have moved to another machine.
func TestMovedNeighbourIsFound(t *testing.T) {
	s := oneArm
	b := newBed(t, s, Settings{Timeouts: testTimeouts(), Ports: s.settings().Ports,
		Services: []Service{s.web(modes.DR, 1)}})
	rs := s.servers[0]
	b.receive(0, isAt(rs, s.ports[0]))
	b.fromClient(tcp(client, webVIP, "S"))
	b.collectAll()
	b.wait(30_000)
	b.sent(0, probe(rs, s.ports[0]))
	b.wait(2000)
	b.sent(0, probe(rs, s.ports[0]), probe(rs, s.ports[0]))
	b.wait(1000)
	b.sent(0, whoHas(rs.addr, s.ports[0]))
	b.fromClient(tcp(client, webVIP, "A"))
	moved := host{rs.addr, packet.MAC{2, 0, 0, 0, 9, 9}}
	b.receive(0, isAt(moved, s.ports[0]))
	b.sent(0, tcp(client, webVIP, "A").hop().frame(s.ports[0].mac, moved.mac))
}

// A station that takes over an address announces it. The sessions follow as soon as the old one was
// asked and did not answer.
func TestTakeoverByGratuitousARP(t *testing.T) {
	s := oneArm
	b, rs := newResolvingBed(t)
	b.receive(0, isAt(s.gateway, s.ports[0]), isAt(rs, s.ports[0]))
	b.fromClient(tcp(client, webVIP, "S"))
	b.collectAll()
	heir := host{rs.addr, packet.MAC{2, 0, 0, 0, 9, 9}}
	b.receive(0, gratuitous(heir))
	b.wait(1000)
	b.sent(0, probe(rs, s.ports[0]), probe(rs, s.ports[0]), probe(rs, s.ports[0]),
		whoHas(rs.addr, s.ports[0]))
	b.receive(0, isAt(heir, s.ports[0]))
	b.fromClient(tcp(client, webVIP, "A"))
	b.sent(0, tcp(client, webVIP, "A").hop().frame(s.ports[0].mac, heir.mac))
}

func TestStaticNeighbourIsNeitherAskedNorOverruled(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 1)))
	b.receive(0, gratuitous(host{s.servers[0].addr, packet.MAC{2, 0, 0, 0, 9, 9}}))
	b.wait(700_000)
	b.quiet()
	b.fromClient(tcp(client, webVIP, "S"))
	b.toServer(0, tcp(client, webVIP, "S").hop())
}

func TestStaticNeighbourChangesWithTheSettings(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 1)))
	b.fromClient(tcp(client, webVIP, "S"))
	b.toServer(0, tcp(client, webVIP, "S").hop())

	changed := s.serving(s.web(modes.DR, 1))
	changed.Neighbours[2].MAC = packet.MAC{2, 0, 0, 0, 9, 9}
	b.apply(changed)
	b.fromClient(tcp(client, webVIP, "A"))
	b.sent(0, tcp(client, webVIP, "A").hop().frame(s.ports[0].mac, changed.Neighbours[2].MAC))

	b.engine.Apply(s.resolving(s.web(modes.DR, 1)))
	b.turn()
	b.sent(0, whoHas(s.gateway.addr, s.ports[0]), whoHas(s.servers[0].addr, s.ports[0]))
	b.fromClient(tcp(client, webVIP, "A"))
	b.receive(0, isAt(s.servers[0], s.ports[0]))
	b.toServer(0, tcp(client, webVIP, "A").hop())
}

// A forgotten client's place in the table goes to another neighbour. Sessions that remember the
// place must not send to the new neighbour.
func TestRecycledPlaceIsNotTheOldNeighbour(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.echo(modes.NAT, 1)))
	old, newcomer := station("10.0.0.80", 80), station("10.0.0.81", 81)
	b.receive(0, whoHas(s.ports[0].addr, old))
	b.sent(0, isAt(s.ports[0], old))
	p := b.begin(modes.NAT, udp("10.0.0.80:4000", echoVIP, "?"))
	out := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolUDP}.reply("", "answer")
	b.fromServer(0, out)
	b.sent(0, out.hop().from(p.vip).to(p.client).frame(s.ports[0].mac, old.mac))
	place, _ := b.worker.neighbours.Lookup(packet.AddrOf(old.addr), 0)

	// The client keeps sending, so that its session lives, but gets no packet for ten minutes.
	for range 5 {
		b.wait(200_000)
		b.fromClient(udp("10.0.0.80:4000", echoVIP, "?"))
	}
	b.collectAll()
	b.receive(0, whoHas(s.ports[0].addr, newcomer))
	b.collectAll()
	if got, _ := b.worker.neighbours.Lookup(packet.AddrOf(newcomer.addr), 0); got != place {
		t.Fatalf("the newcomer has place %d, not %d: nothing to test", got, place)
	}
	b.fromServer(0, out)
	b.sent(0, whoHas(old.addr, s.ports[0]))
	b.receive(0, isAt(old, s.ports[0]))
	b.sent(0, out.hop().from(p.vip).to(p.client).frame(s.ports[0].mac, old.mac))
}

// The old gateway stays in use for other destinations: only the routes show that it is wrong now.
func TestSessionsFollowTheRoutes(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
	p.answers("SA", "")
	other := s.neighbour
	changed := s.serving(s.web(modes.NAT, 1))
	changed.Routes[0].Via = other.addr
	changed.Routes = append(changed.Routes,
		Route{netip.MustParsePrefix("8.8.8.8/32"), s.gateway.addr, 0})
	b.apply(changed)
	out := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolTCP}.reply("A", "")
	b.fromServer(0, out)
	b.sent(0, out.hop().from(p.vip).to(p.client).frame(s.ports[0].mac, other.mac))
}

func TestLongestPrefixWins(t *testing.T) {
	n := Settings{
		Timeouts: testTimeouts(),
		Ports: []PortSettings{
			{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"),
				netip.MustParsePrefix("fd00::1/64")}},
			{Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/16")}},
		},
		Routes: []Route{
			{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("10.0.0.254"), 0},
			{netip.MustParsePrefix("10.1.7.0/24"), netip.MustParseAddr("10.0.0.253"), 0},
			{netip.MustParsePrefix("10.1.7.7/32"), netip.MustParseAddr("10.1.0.254"), 1},
			{netip.MustParsePrefix("::/0"), netip.MustParseAddr("fd00::fe"), 0},
		},
	}
	table := newRouteTable(topologySettings{ports: n.Ports, routes: n.Routes})
	for _, tt := range []struct {
		to, via string
		port    uint16
	}{
		{"10.0.0.77", "10.0.0.77", 0},
		{"10.1.0.77", "10.1.0.77", 1},
		{"10.1.7.1", "10.0.0.253", 0},
		{"10.1.7.7", "10.1.0.254", 1},
		{"8.8.8.8", "10.0.0.254", 0},
		{"255.255.255.254", "10.0.0.254", 0},
	} {
		via, port, ok := table.next(packet.AddrOf(netip.MustParseAddr(tt.to)))
		if got := via.Netip().String(); !ok || got != tt.via || port != tt.port {
			t.Errorf("to %s: via %s on port %d (%v), want %s on %d", tt.to, got, port, ok, tt.via,
				tt.port)
		}
	}
	routes := newRouteTable(topologySettings{ports: n.Ports})
	if _, _, ok := routes.next(packet.AddrOf(netip.MustParseAddr("8.8.8.8"))); ok {
		t.Error("a way to 8.8.8.8 without a route")
	}
}

// A forged claim does not move a real server or a gateway that still answers, in either family. It
// is counted, once.
func TestForgedClaimIsRefused(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		for _, tt := range []struct {
			name  string
			forge func(forger, to host) []byte
		}{
			{"reply", tells},
			{"announcement", func(forger, to host) []byte {
				if s.is6 {
					return nd(forger, allNodes, ndAdvertisement, 0x20000000, forger.addr)
				}
				return gratuitous(forger)
			}},
			{"question", func(forger, to host) []byte { return asksFor(to.addr, forger) }},
		} {
			t.Run(s.name+"/"+tt.name, func(t *testing.T) {
				b := newBed(t, s, s.resolving(s.web(modes.DR, 1)))
				for port, who := range []host{s.gateway, s.servers[0]} {
					b.receive(port, tells(who, s.ports[port]))
					b.collectAll()
					forger := host{who.addr, packet.MAC{2, 0, 0, 0, 6, 66}}
					b.receive(port, tt.forge(forger, s.ports[port]))
					if n := b.questions(port, who.addr); n != 1 {
						t.Errorf("%v is asked %d times after a claim, want once", who.addr, n)
					}
					b.receive(port, tells(who, s.ports[port]))
					if !b.knows(who, port) {
						t.Errorf("%v has moved", who.addr)
					}
				}
				b.collectAll()
				b.fromClient(tcp(client, webVIP, "S"))
				b.toServer(0, tcp(client, webVIP, "S").hop())
				if n := b.effort().RefusedMoves; n != 2 {
					t.Errorf("%d refused moves are counted, want 2", n)
				}
			})
		}
	}
}

// Claims and answers may reach any worker. All refuse together, and one counts.
func TestWorkersRefuseTogether(t *testing.T) {
	s := twoArm
	n := s.resolving(s.web(modes.DR, 1))
	for claimed := range 3 {
		for answered := range 3 {
			queue := 0
			b := newBed(t, s, n, crowd(3), func(c *bedConfig) {
				c.choose = func(int) func([]byte) int { return func([]byte) int { return queue } }
			})
			rs := s.servers[0]
			forger := host{rs.addr, packet.MAC{2, 0, 0, 0, 6, 66}}
			b.receive(1, isAt(rs, s.ports[1]))
			b.wait(200)
			queue = claimed
			b.receive(1, gratuitous(forger))
			queue = answered
			b.receive(1, isAt(rs, s.ports[1]))
			b.wait(2000)
			for i, w := range b.engine.workers {
				h, _ := w.neighbours.Lookup(packet.AddrOf(rs.addr), 1)
				if e := w.neighbours.At(h); e.State() != neighbour.Reachable || e.MAC() != rs.mac {
					t.Errorf("claim at %d, answer at %d: worker %d has %v at %v", claimed, answered,
						i, e.State(), e.MAC())
				}
			}
			if total, last := b.engine.RefusedMoves(); total != 1 ||
				last.Claimant != forger.mac || last.MAC != rs.mac || last.Port != 1 {
				t.Errorf("%d refused: %+v", total, last)
			}
			b.close()
		}
	}
}

// All workers follow a fail-over, whichever of them hears of it.
func TestWorkersFollowAFailOver(t *testing.T) {
	s := twoArm
	for heard := range 2 {
		queue := 0
		b := newBed(t, s, s.resolving(s.web(modes.DR, 1)), crowd(2), func(c *bedConfig) {
			c.choose = func(int) func([]byte) int { return func([]byte) int { return queue } }
		})
		heir := host{s.servers[0].addr, packet.MAC{2, 0, 0, 0, 9, 9}}
		b.receive(1, isAt(s.servers[0], s.ports[1]))
		b.collectAll()
		queue = heard
		b.receive(1, gratuitous(heir))
		for range 10 {
			b.wait(100)
			for range b.questionsToAll(1, heir.addr) {
				b.receive(1, isAt(heir, s.ports[1]))
			}
		}
		for i, w := range b.engine.workers {
			h, _ := w.neighbours.Lookup(packet.AddrOf(heir.addr), 1)
			if e := w.neighbours.At(h); e.State() != neighbour.Reachable || e.MAC() != heir.mac {
				t.Errorf("heard by %d: worker %d has %v at %v", heard, i, e.State(), e.MAC())
			}
		}
		b.close()
	}
}

// questionsToAll counts the broadcast questions about an address.
func (b *bed) questionsToAll(port int, a netip.Addr) (n int) {
	for _, f := range collect(b.ports[port]) {
		arp := packet.ARP(f[packet.EthernetLen:])
		if packet.Ethernet(f).Dst() == packet.Broadcast && arp.TargetIP() == packet.Addr4(a) {
			n++
		}
	}
	return n
}

// TestRoutersMessages: they tell the MAC of a gateway that is known, and must be valid.
func TestRoutersMessages(t *testing.T) {
	s := oneArm.twin()
	n := s.resolving(s.web(modes.DR, 1))
	n.Ports[0].Addresses = append(n.Ports[0].Addresses, netip.MustParsePrefix("fe80::1/64"))
	router := station("fe80::fe", 0xfe)
	n.Routes[0].Via = router.addr
	b := newBed(t, s, n)
	advertisement := func(hops byte) []byte {
		b := make([]byte, packet.IPv6Len+packet.ICMPLen+8)
		b = append(append(b, 1, 1), router.mac[:]...)
		src := packet.AddrOf(router.addr)
		packet.IPv6(b).Encode(packet.IPv6Fields{
			PayloadLength: uint16(len(b) - packet.IPv6Len), NextHeader: packet.ProtocolICMPv6,
			HopLimit: hops, Src: src, Dst: packet.AllNodes,
		})
		packet.ICMPv6(b[packet.IPv6Len:]).Encode(packet.ICMP6RouterAdvert, 0, 0, src, packet.AllNodes)
		return ethernet(router.mac, packet.AllNodesMAC, layers.EthernetTypeIPv6, b)
	}
	b.receive(0, advertisement(254))
	if b.dropped("bad_nd=1"); b.knows(router, 0) {
		t.Error("a message from behind a router was believed")
	}
	b.receive(0, advertisement(255))
	if !b.knows(router, 0) {
		t.Error("the router's MAC was not learnt")
	}
	b.dropped("bad_nd=1")
}
