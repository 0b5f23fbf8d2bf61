package engine

import (
	"net/netip"
	"slices"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// burst delivers packets of several senders so that one turn takes them all.
func (b *bed) burst(port int, packets ...pkt) {
	b.Helper()
	for _, p := range packets {
		b.deliver(port, b.site.in(p).frame(b.site.gateway.mac, b.site.own(port).mac))
	}
	b.turn()
}

// Two SYNs of one new flow in a burst make one session.
func TestSameSynTwiceInABurst(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 3)))
		b.burst(s.front, tcp(client, webVIP, "S"), tcp(client, webVIP, "S"),
			tcp(client, webVIP, "A"))
		b.sessions(1)
		got := b.ports[s.back].Collect(0)
		if len(got) != 3 {
			t.Fatalf("%d packets sent; dropped %s", len(got), b.drops())
		}
		for i := range got {
			if string(got[i][:12]) != string(got[0][:12]) {
				t.Fatalf("packet %d went elsewhere:\n%s", i, dump(got[i]))
			}
		}
		b.dropped("")
	})
}

// An answer in the burst that begins its session finds the session.
func TestAnswerInTheBurstOfItsSession(t *testing.T) {
	for _, m := range []modes.Mode{modes.NAT, modes.FullNAT} {
		s := oneArm
		b := newBed(t, s, s.serving(s.web(m, 1)))
		first, source := tcp(client, webVIP, "S"), at4(client)
		if m == modes.FullNAT {
			i, p := localAt(len(s.local), b.worker.peers[0].turn)
			source = netip.AddrPortFrom(s.local[i], p)
		}
		server := b.worker.snap.order[0].live.settings.RealServers[0].Address
		answer := pkt{src: source, dst: server, protocol: packet.ProtocolTCP}.reply("SA", "")
		b.burst(0, answer, first, answer)
		b.sent(0,
			first.hop().from(source).to(server).frame(s.ports[0].mac, s.servers[0].mac),
			answer.hop().from(at4(webVIP)).to(at4(client)).frame(s.ports[0].mac, s.gateway.mac))
		if m == modes.NAT {
			b.dropped("not_ours=1")
		} else {
			b.dropped("no_session=1")
		}
	}
}

// A connection that ends and begins again within one burst: the SYN at its end begins a session of
// its own, although the probe at the burst's beginning found neither.
func TestReuseWithinABurst(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 2)))
	b.burst(0, tcp(client, webVIP, "S"), tcp(client, webVIP, "A"), tcp(client, webVIP, "FA"),
		tcp(client, webVIP, "S"))
	own := s.ports[0].mac
	b.sent(0,
		tcp(client, webVIP, "S").hop().frame(own, s.servers[1].mac),
		tcp(client, webVIP, "A").hop().frame(own, s.servers[1].mac),
		tcp(client, webVIP, "FA").hop().frame(own, s.servers[1].mac),
		tcp(client, webVIP, "S").hop().frame(own, s.servers[0].mac))
	b.sessions(1)
	b.connections(0, 1, 0, 0)
	b.connections(0, 0, 1, 0)
}

// Which half-open session is evicted depends on the packets alone, not on the number of turns.
func TestEvictionIsTheSameInABurst(t *testing.T) {
	s := oneArm
	packets := []pkt{
		tcp(clientAt(0), webVIP, "S"), tcp(clientAt(1), webVIP, "S"),
		// It begins again in its own slot.
		tcp(clientAt(0), webVIP, "F"), tcp(clientAt(0), webVIP, "S"),
		tcp(clientAt(2), webVIP, "S"), // evicts a session
	}
	var left [2][]uint16
	for i := range left {
		b := newBed(t, s, s.serving(s.web(modes.DR, 1)), func(c *bedConfig) { c.sessions = 2 })
		if i == 0 {
			b.burst(0, packets...)
		} else {
			b.fromClient(packets...)
		}
		b.collectAll()
		left[i] = b.clientPorts()
	}
	if !slices.Equal(left[0], left[1]) {
		t.Fatalf("sessions left after a burst: ports %v; after its packets one by one: ports %v",
			left[0], left[1])
	}
}

// clientPorts lists the client ports of all sessions, in order.
func (b *bed) clientPorts() []uint16 {
	var list []uint16
	for slot := range b.worker.sessions.Cap() {
		if s := b.worker.sessions.At(uint32(slot)); s.Live() {
			list = append(list, s.In.SrcPort)
		}
	}
	slices.Sort(list)
	return list
}
