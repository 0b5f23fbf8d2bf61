package engine

import (
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// goesStraight hands a client's packet to the straight path alone, and reports whether it took it.
func (b *bed) goesStraight(port int, frame []byte) bool {
	b.Helper()
	b.turn()
	var burst ports.Burst
	if !b.ports[port].Receive(frame) {
		b.Fatal("no buffer")
	}
	w := b.worker
	w.exchange(port, &burst)
	w.pave()
	w.parse(&burst, 0, burst.N)
	w.probe(0, burst.N)
	if w.meta[0].plain && w.straight(&burst.Packets[0], &w.meta[0], w.refs[0]) {
		b.turn()
		return true
	}
	w.handle(&burst, 0, burst.N)
	b.turn()
	return false
}

func (b *bed) straightFromClient(p pkt) bool {
	frame := b.site.in(p).frame(b.site.gateway.mac, b.site.own(b.site.front).mac)
	return b.goesStraight(b.site.front, frame)
}

// TestStraight: packets that change nothing take the straight path, once one before them has found
// the way, and all others the general one.
func TestStraight(t *testing.T) {
	for _, s := range sites {
		for _, m := range allModes {
			t.Run(s.name+"/"+m.String(), func(t *testing.T) { testStraight(t, s, m) })
		}
	}
}

func testStraight(t *testing.T, s site, m modes.Mode) {
	b := newBed(t, s, s.serving(s.web(m, 1), s.echo(m, 1)))
	goes := func(p pkt, want bool) {
		t.Helper()
		if got := b.straightFromClient(p); got != want {
			t.Fatalf("%+v goes straight: %t, want %t", p, got, want)
		}
	}
	syn, ack := tcp(client, webVIP, "S"), tcp(client, webVIP, "A")
	goes(syn, false)
	goes(ack, false) // the session is not established before it
	goes(ack, true)
	if m.TwoWay() {
		at := b.ask(m, ack)
		p := tcp(client, webVIP, "A").carrying("an answer of some length")
		p.src, p.dst = at.dst, at.src
		answer := p.frame(at.mac, s.ports[s.back].mac)
		b.goesStraight(s.back, answer) // finds the way to the client
		if !b.goesStraight(s.back, answer) {
			t.Fatal("an answer does not go straight")
		}
	}
	short := ack
	short.ttl = 1
	goes(short, false)
	for _, flags := range []string{"FA", "S", "R", ""} {
		goes(tcp(client, webVIP, flags), false)
	}
	datagram := udp(client, echoVIP, "hello, I am a datagram")
	goes(datagram, false)
	goes(datagram, true)
	b.now += paveInterval // roads are looked at again
	goes(datagram, false)
	goes(datagram, true)
	b.now += publishInterval // defences are decided on again, as before
	goes(datagram, true)
	long := udp(client, echoVIP, string(make([]byte, 1500)))
	goes(long, false)
	b.collectAll()
}

// TestRoadsEnd: a change of the neighbour, of the settings or of the topology ends a road.
func TestRoadsEnd(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.resolving(s.echo(modes.DR, 1)))
	b.tellAll()
	datagram := udp(client, echoVIP, "hello, I am a datagram")
	for what, change := range map[string]func(){
		"the settings": func() { b.apply(s.resolving(s.echo(modes.DR, 1), s.web(modes.DR, 1))) },
		"the neighbour": func() {
			b.receive(s.back, isAt(s.servers[0], s.ports[s.back]))
		},
	} {
		for range 2 {
			b.straightFromClient(datagram)
		}
		if !b.straightFromClient(datagram) {
			t.Fatal("no road")
		}
		change()
		if b.straightFromClient(datagram) {
			t.Errorf("a road stays although %s changed", what)
		}
	}
	b.collectAll()
}

// TestStraightAcrossFamilies: tunnels take the straight path between families, and translation
// does not.
func TestStraightAcrossFamilies(t *testing.T) {
	for _, m := range []modes.Mode{modes.IPIP, modes.FullNAT} {
		for _, clients6 := range []bool{true, false} {
			if !m.Reaches(clients6, !clients6) {
				continue
			}
			c := newCrossing(t, m, packet.ProtocolUDP, clients6)
			c.tellAll()
			frame := c.in(udp(client, webVIP, "a datagram of some length")).frame(c.gateway.mac, c.site.ports[0].mac)
			for i := range 3 {
				want := i > 0 && m == modes.IPIP
				if got := c.goesStraight(0, frame); got != want {
					t.Errorf("%v, clients of IPv6 %t: packet %d goes straight: %t", m, clients6, i, got)
				}
			}
			c.collectAll()
		}
	}
}
