package engine

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/gopacket/layers"

	"fulcrum/modes"
	"fulcrum/packet"
)

// defence is the broadcast by which the director defends an address of the front port.
func (s *site) defence(a netip.Addr) []byte {
	own := host{a, s.ports[s.front].mac}
	if s.is6 {
		return nd(own, allNodes, ndAdvertisement, 0xa0000000, a)
	}
	return gratuitous(own)
}

// defends expects these broadcasts on the front port. It ignores the answers that a station gets
// that asks for the address that it claims: by such a question, some detect conflicts.
func (b *bed) defends(want ...[]byte) {
	b.Helper()
	var got [][]byte
	for _, f := range collect(b.ports[0]) {
		if packet.Ethernet(f).Dst().IsMulticast() {
			got = append(got, f)
		}
	}
	b.same(0, got, want)
}

// claimed expects these conflicts, the last one first.
func (b *bed) claimed(want ...Conflict) {
	b.Helper()
	got := b.engine.conflicts.list(b.engine.snap.Load(), b.now)
	if len(got) != len(want) {
		b.Fatalf("conflicts %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			b.Fatalf("conflict %+v, want %+v", got[i], want[i])
		}
	}
}

// TestDefendsItsAddresses: one broadcast each 10 s and address against a station that claims an
// address of the director, whatever the message; every claim is counted.
func TestDefendsItsAddresses(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
		vip, own := s.web(modes.NAT, 1).Address.Addr(), s.ports[0].addr
		rogue := host{vip, rogueMAC}
		messages := [][]byte{s.claims(vip, rogueMAC)}
		if s.is6 {
			messages = append(messages, solicits(s.gateway.addr, rogue),
				nd(rogue, s.ports[0], ndAdvertisement, 0x60000000, vip))
		} else {
			messages = append(messages, whoHas(s.gateway.addr, rogue), isAt(rogue, s.ports[0]),
				arpPacket(layers.ARPReply, rogue, vip, rogueMAC, packet.Broadcast))
		}
		claims := uint64(0)
		for _, m := range messages {
			b.receive(0, m)
			b.defends(s.defence(vip))
			b.receive(0, m)
			b.wait(defendInterval - 100)
			b.receive(0, m)
			b.defends()
			b.wait(100)
			claims += 3
		}
		b.claimed(Conflict{vip, 0, rogueMAC, claims, 100 * time.Millisecond, 1})
		b.receive(0, s.claims(own, rogueMAC)) // another address
		b.defends(s.defence(own))
		b.claimed(Conflict{own, 0, rogueMAC, 1, 0, 2},
			Conflict{vip, 0, rogueMAC, claims, 100 * time.Millisecond, 1})
		if n := b.worker.counters.ports[0].Conflicts; n != claims+1 {
			t.Errorf("%d claims counted", n)
		}
		b.dropped("")
	})
}

// TestDefendsLocalAddresses: on their own port.
func TestDefendsLocalAddresses(t *testing.T) {
	s := twoArm
	silent := s.web(modes.FullNAT, 1)
	silent.Silent = true // of no matter to them
	b := newBed(t, s, s.serving(silent))
	rogue := host{s.local[0], rogueMAC}
	b.receive(0, isAt(rogue, s.ports[0]))
	b.quiet()
	b.receive(1, isAt(rogue, s.ports[1]))
	b.sent(1, gratuitous(s.as(1, "10.1.0.50")))
	b.claimed(Conflict{s.local[0], 1, rogueMAC, 1, 0, 1})
}

// TestAnswersProbesAsDefence: who asks whether an address is free hears that it is not, each time,
// and counts as a conflict. The answer is enough.
func TestAnswersProbesAsDefence(t *testing.T) {
	for _, s := range []site{oneArm, oneArm.twin()} {
		b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
		vip := s.web(modes.NAT, 1).Address.Addr()
		answer := s.defence(vip)
		if !s.is6 {
			own := host{vip, s.ports[0].mac}
			answer = isAt(own, host{netip.IPv4Unspecified(), rogueMAC})
		}
		for range 3 {
			b.receive(0, s.probes(vip, rogueMAC))
			b.sent(0, answer)
		}
		b.claimed(Conflict{vip, 0, rogueMAC, 3, 0, 1})
	}
}

// TestWhatIsNoConflict: questions of others, messages of the director's own ports, addresses that
// it does not answer for there, and switches that watch their stations.
func TestWhatIsNoConflict(t *testing.T) {
	s := twoArm
	nowhere := s.echo(modes.NAT, 1)
	nowhere.Address = netip.MustParseAddrPort("172.16.0.1:7") // announced on both ports
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1), nowhere))
	watching := arpPacket(layers.ARPRequest, host{netip.IPv4Unspecified(), rogueMAC},
		s.ports[0].addr, packet.MAC{}, s.ports[0].mac)
	b.receive(0, whoHas(s.ports[0].addr, s.neighbour), watching)
	b.collectAll()
	for port, frames := range [][][]byte{
		{
			gratuitous(s.as(1, "172.16.0.1")),           // the back port is on the same segment
			gratuitous(s.neighbour),                     // a stranger
			gratuitous(host{s.ports[1].addr, rogueMAC}), // of the other port's subnet
			whoHas(s.gateway.addr, host{s.neighbour.addr, rogueMAC}),
			isAt(s.as(1, vipAlone), s.ports[0]),
		},
		{gratuitous(host{netip.MustParseAddr(vipAlone), rogueMAC})},
	} {
		b.receive(port, frames...)
		b.defends()
		b.collectAll()
	}
	b.receive(0, gratuitous(s.as(0, vipAlone))) // its own, which a switch has sent back
	b.quiet()
	b.claimed()
	b.dropped("bad_arp=1")
	b.receive(0, gratuitous(host{nowhere.Address.Addr(), rogueMAC}))
	b.defends(gratuitous(s.as(0, "172.16.0.1")))
	b.claimed(Conflict{nowhere.Address.Addr(), 0, rogueMAC, 1, 0, 1})
}

// TestAdvertisementWithoutAddress: an advertisement without a link-layer address claims the address
// for the frame's sender.
func TestAdvertisementWithoutAddress(t *testing.T) {
	s := oneArm.twin()
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	vip := s.web(modes.NAT, 1).Address.Addr()
	n := packet.ND{Type: packet.ICMP6Advertisement, Src: packet.AddrOf(vip), Dst: packet.AllNodes,
		Target: packet.AddrOf(vip), LinkLayer: rogueMAC}
	frame := make([]byte, packet.EthernetLen+packet.NDLen-8)
	packet.Ethernet(frame).SetHeader(packet.AllNodesMAC, rogueMAC, packet.EtherTypeIPv6)
	whole := make([]byte, packet.NDLen)
	n.Encode(whole)
	copy(frame[packet.EthernetLen:], whole)
	ip := packet.IPv6(frame[packet.EthernetLen:])
	ip.SetPayloadLength(packet.NDLen - packet.IPv6Len - 8)
	m := packet.ICMPv6(ip[packet.IPv6Len:])
	m.Encode(n.Type, 0, 0, n.Src, n.Dst)
	b.receive(0, frame)
	b.sent(0, s.defence(vip))
	b.claimed(Conflict{vip, 0, rogueMAC, 1, 0, 1})
}

// TestNumbersOfConflicts: a conflict keeps its number while it lasts. After a minute of silence, or
// if another station claims the address, it is a new one, but not more often than every 10 s.
func TestNumbersOfConflicts(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	vip := netip.MustParseAddr(vipAlone)
	other := packet.MAC{2, 0, 0, 0, 9, 10}
	for i, step := range []struct {
		wait   uint32
		by     packet.MAC
		number uint64
	}{
		{0, rogueMAC, 1}, {conflictOver - 100, rogueMAC, 1}, {conflictOver, rogueMAC, 2},
		{100, other, 2}, {100, rogueMAC, 2}, {defendInterval, other, 3}, {100, other, 3},
		{100, rogueMAC, 3}, {defendInterval, rogueMAC, 3}, {100, other, 4},
	} {
		b.wait(step.wait)
		b.receive(0, gratuitous(host{vip, step.by}))
		b.collectAll()
		if n := b.engine.LastConflict(); n != step.number {
			t.Fatalf("step %d: number %d, want %d", i, n, step.number)
		}
	}
	b.wait(conflictKept)
	b.claimed()
	if len(b.engine.conflicts.known) != 0 {
		t.Error("an old conflict is still remembered")
	}
}

// TestConflictsAreBounded: claims to thousands of addresses leave no more than maxConflicts behind.
// Those that are being defended stay, and no more than 150 are defended in a second.
func TestConflictsAreBounded(t *testing.T) {
	s := oneArm
	b := newSilentBed(t, s, crowdOfVIPs(s, 3000))
	b.turn()
	b.announced()
	defended := 0
	for i := range 3000 {
		b.receive(0, gratuitous(host{packet.AddrFrom4(10<<24 | 1<<8 + uint32(i)), rogueMAC}))
		for _, f := range collect(b.ports[0]) {
			if packet.Ethernet(f).Dst() == packet.Broadcast {
				defended++
			}
		}
	}
	c := &b.engine.conflicts
	if c.order.Len() != maxConflicts || len(c.known) != maxConflicts {
		t.Errorf("%d conflicts are remembered, %d known", c.order.Len(), len(c.known))
	}
	if most := int(defenceRate.burst); defended != most {
		t.Errorf("%d addresses are defended at once, want %d", defended, most)
	}
	if n := b.worker.counters.ports[0].Conflicts; n != 3000 {
		t.Errorf("%d claims counted", n)
	}
	b.wait(defendInterval)
	b.receive(0, gratuitous(host{packet.AddrFrom4(10<<24 | 1<<8 + 2999), rogueMAC}))
	b.defends(gratuitous(host{packet.AddrFrom4(10<<24 | 1<<8 + 2999), s.ports[0].mac}))
	if c.order.Len() != maxConflicts {
		t.Errorf("%d conflicts are remembered", c.order.Len())
	}
}

// TestWorkersDefendTogether: two workers that hear the same station defend the address once, also
// where the clock of one is behind.
func TestWorkersDefendTogether(t *testing.T) {
	var c conflicts
	where := announcement{0, packet.AddrOf(netip.MustParseAddr(vipAlone))}
	for i, step := range []struct {
		now    uint32
		defend bool
	}{
		{5000, true}, {4990, false}, {5000 + defendInterval - 1, false}, {5000 + defendInterval, true},
		{5000 + defendInterval - 5, false},
	} {
		if got := c.note(where, rogueMAC, false, step.now); got != step.defend {
			t.Errorf("step %d: %v", i, got)
		}
	}
	c.mu.Lock() // a reader has the conflicts just now
	if c.note(where, rogueMAC, false, 90_000) {
		t.Error("a worker has waited")
	}
	c.mu.Unlock()
}

// TestConflictsCostNoMemory: a flood of claims allocates nothing once its addresses are known.
func TestConflictsCostNoMemory(t *testing.T) {
	var c conflicts
	where := announcement{0, packet.AddrOf(netip.MustParseAddr(vipAlone))}
	now := uint32(5000)
	c.note(where, rogueMAC, false, now)
	if n := testing.AllocsPerRun(100, func() {
		now += defendInterval
		c.note(where, packet.MAC{2, byte(now)}, false, now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
