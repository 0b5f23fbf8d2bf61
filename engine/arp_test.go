package engine

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// gratuitous is a station's announcement of its own address.
func gratuitous(h host) []byte { return whoHas(h.addr, h) }

// announcement4 is the director's announcement of IPv4 addresses: of each as a request, then of
// each as a reply.
func announcement4(all ...host) (frames [][]byte) {
	for _, h := range all {
		frames = append(frames, gratuitous(h))
	}
	for _, h := range all {
		frames = append(frames, arpPacket(layers.ARPReply, h, h.addr, h.mac, packet.Broadcast))
	}
	return frames
}

func (s *site) as(port int, addr string) host {
	return host{netip.MustParseAddr(addr), s.ports[port].mac}
}

func TestAnnouncesItsAddresses(t *testing.T) {
	s := twoArm
	b := newSilentBed(t, s, s.serving(s.web(modes.FullNAT, 1)))
	b.turn()
	b.sent(0, announcement4(s.as(0, "10.0.0.1"), s.as(0, vipAlone))...)
	b.sent(1, announcement4(s.as(1, "10.1.0.1"), s.as(1, "10.1.0.50"), s.as(1, "10.1.0.51"))...)
	b.turn()
	b.quiet()
}

// TestAnnouncesOnlyNewAddresses: after a change the director announces, twice, only the addresses
// that it did not have before.
func TestAnnouncesOnlyNewAddresses(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.settings())
	vip := announcement4(s.as(0, vipAlone))
	b.engine.Apply(s.serving(s.web(modes.DR, 1)))
	b.turn()
	b.sent(0, vip...)
	b.wait(announceInterval)
	b.sent(0, vip...)
	b.engine.Apply(s.serving(s.web(modes.DR, 2), s.echo(modes.DR, 1))) // the same VIP
	b.wait(2 * announceInterval)
	b.quiet()
	moved := s.serving(s.web(modes.DR, 2))
	moved.Ports[0].Addresses = append(moved.Ports[0].Addresses,
		netip.MustParsePrefix("10.0.0.2/24"))
	b.engine.Apply(moved)
	b.turn()
	b.sent(0, announcement4(s.as(0, "10.0.0.2"))...)
	// Before the second round: an address that was given up is not announced again.
	b.engine.Apply(s.settings())
	b.wait(2 * announceInterval)
	b.quiet()
	b.engine.Apply(s.serving(s.web(modes.DR, 1)))
	b.turn()
	b.sent(0, vip...)
}

// TestAnnouncesAtOnce: a change in the middle of a turn is announced at the end of the turn, twice
// in all.
func TestAnnouncesAtOnce(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.settings())
	b.engine.Apply(s.serving(s.web(modes.DR, 1)))
	b.worker.announce() // the turn began before the change
	b.worker.exchange(0, nil)
	b.sent(0, announcement4(s.as(0, vipAlone))...)
	b.wait(announceInterval)
	b.sent(0, announcement4(s.as(0, vipAlone))...)
	b.wait(2 * announceInterval)
	b.quiet()
}

// TestAddressesThatComeAndGo: however often addresses come and go, few announcements are kept, and
// the last state is announced twice.
func TestAddressesThatComeAndGo(t *testing.T) {
	s := oneArm
	web, echo := s.web(modes.DR, 1), s.echo(modes.DR, 1)
	web.Address = at4("10.0.0.101:80")
	b := newBed(t, s, s.settings())
	comeAndGo := func() {
		for _, v := range []Service{web, echo} {
			b.engine.Change(Change{Put: []Service{v}})
			b.engine.Change(Change{Remove: []lvs.ServiceID{v.ID()}})
		}
	}
	for range 100 {
		comeAndGo() // no worker turns
	}
	for range 5000 {
		comeAndGo()
		if n := len(b.engine.announcements.ports[0].tasks); n != 2 {
			t.Fatalf("%d addresses are being announced", n)
		}
		b.now++
		b.turn()
		b.collectAll()
	}
	b.wait(2 * announceInterval)
	b.collectAll()
	b.engine.Change(Change{Put: []Service{web, echo}})
	b.turn()
	both := announcement4(s.as(0, vipAlone), s.as(0, "10.0.0.101"))
	b.sent(0, both...)
	b.wait(2 * announceInterval)
	b.sent(0, both...)
}

func TestAnswersOnTheRightPortOnly(t *testing.T) {
	s := twoArm
	nowhere := s.web(modes.NAT, 1)
	nowhere.Address = at4("172.16.0.1:80")
	b := newBed(t, s, s.serving(s.web(modes.FullNAT, 2), nowhere))
	for _, tt := range []struct {
		address  string
		answered [2]bool
	}{
		{"10.0.0.1", [2]bool{true, false}},
		{"10.1.0.1", [2]bool{false, true}},
		{vipAlone, [2]bool{true, false}},
		{"10.1.0.50", [2]bool{false, true}},
		{"10.1.0.51", [2]bool{false, true}},
		{"10.1.0.52", [2]bool{false, false}},
		{"10.1.0.11", [2]bool{false, false}},
		{"10.0.0.254", [2]bool{false, false}},
		{"172.16.0.1", [2]bool{true, true}}, // on no subnet: a router sends it here
		{"0.0.0.0", [2]bool{false, false}},
	} {
		for port, asker := range []host{s.neighbour, s.servers[0]} {
			b.receive(port, whoHas(netip.MustParseAddr(tt.address), asker))
			if tt.answered[port] {
				b.sent(port, isAt(s.as(port, tt.address), asker))
			}
			b.quiet()
		}
	}
	b.dropped("")
}

// A station that probes whether an address is taken (RFC 5227) has no address itself yet.
func TestAnswersAddressProbes(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.settings())
	asker := station("0.0.0.0", 77)
	b.receive(0, whoHas(s.ports[0].addr, asker))
	b.sent(0, isAt(s.ports[0], asker))
}

func TestTakesUnicastQuestionsAndDropsThoseToOthers(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.settings())
	b.receive(0, arpPacket(layers.ARPRequest, s.neighbour, s.ports[0].addr, packet.MAC{},
		s.ports[0].mac))
	b.sent(0, isAt(s.ports[0], s.neighbour))
	b.receive(0, arpPacket(layers.ARPRequest, s.neighbour, s.ports[0].addr, packet.MAC{},
		s.gateway.mac))
	b.quiet()
	b.dropped("not_our_mac=1")
}

func TestImpossibleSendersAreBadARP(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.settings())
	for _, mac := range []packet.MAC{{}, packet.Broadcast, {1, 0, 0x5e, 0, 0, 1}, s.ports[0].mac} {
		b.receive(0, whoHas(s.ports[0].addr, host{s.neighbour.addr, mac}))
	}
	b.quiet()
	b.dropped("bad_arp=2 bad_source_mac=2")
}

// TestImpossibleAddressesAreNotLearnt: the director answers a question without sender (RFC 5227's
// probe) and one from the subnet's broadcast address, but learns neither address.
func TestImpossibleAddressesAreNotLearnt(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.settings())
	for _, address := range []string{"0.0.0.0", "10.0.0.255", "224.0.0.1"} {
		asker := host{netip.MustParseAddr(address), s.neighbour.mac}
		b.receive(0, whoHas(s.ports[0].addr, asker))
		b.sent(0, isAt(s.ports[0], asker))
		if _, known := b.worker.neighbours.Lookup(packet.AddrOf(asker.addr), 0); known {
			t.Errorf("%s is known as a neighbour", address)
		}
	}
}

// knows reports whether the director has learnt a host's MAC on a port.
func (b *bed) knows(h host, port int) bool {
	n, ok := b.worker.neighbours.Lookup(packet.AddrOf(h.addr), uint16(port))
	return ok && b.worker.neighbours.At(n).HasMAC() && b.worker.neighbours.At(n).MAC() == h.mac
}

func TestWhomItLearnsFrom(t *testing.T) {
	s := twoArm
	own := s.ports[0].addr
	for _, tt := range []struct {
		name   string
		sender host
		frame  func(host) []byte
		learns bool
	}{
		{"who asks for us", station("10.0.0.70", 70), func(h host) []byte { return whoHas(own, h) },
			true},
		{"a stranger who answers us unasked", station("10.0.0.70", 70),
			func(h host) []byte { return isAt(h, s.ports[0]) }, false},
		{"a stranger who asks for another", station("10.0.0.70", 70),
			func(h host) []byte { return whoHas(s.gateway.addr, h) }, false},
		{"a stranger who announces itself", station("10.0.0.70", 70), gratuitous, false},
		{"one of another subnet", station("10.9.0.70", 70),
			func(h host) []byte { return whoHas(own, h) }, false},
		{"one of the other port's subnet", station("10.1.0.70", 70),
			func(h host) []byte { return whoHas(own, h) }, false},
		{"one who claims the VIP", station(vipAlone, 70),
			func(h host) []byte { return whoHas(own, h) }, false},
		{"one who claims our address", station("10.0.0.1", 70), gratuitous, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
			b.receive(0, tt.frame(tt.sender))
			if b.knows(tt.sender, 0) != tt.learns {
				t.Fatalf("learned: %v", !tt.learns)
			}
			if b.knows(tt.sender, 1) {
				t.Fatal("learned on a port where it was not heard")
			}
		})
	}
}
