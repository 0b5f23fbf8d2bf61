package modes_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

// drawSession draws a session between any addresses and ports. It also draws a direction and
// returns the direction's flow before and after.
func drawSession(
	t *rapid.T,
) (s *conntrack.Session, d conntrack.Direction, before, after conntrack.Flow4) {
	s = &conntrack.Session{
		In: drawFlow(t, "in"), Out: drawFlow(t, "out"),
		Protocol: rapid.SampledFrom([]uint8{packet.ProtocolTCP, packet.ProtocolUDP}).Draw(t, "protocol"),
	}
	if rapid.Bool().Draw(t, "outbound") {
		return s, conntrack.Outbound, s.Out, reversed(s.In)
	}
	return s, conntrack.Inbound, s.In, reversed(s.Out)
}

// TestTranslateIsGopackets compares every byte with the packet that gopacket makes with the other
// flow and a TTL one less. So nothing else changes, and the checksums are right, or as wrong as
// before.
func TestTranslateIsGopackets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		session, d, before, after := drawSession(t)
		s := drawSegment(t, session.Protocol, before)
		if rapid.Bool().Draw(t, "wrong checksums") {
			s.spoil = rapid.Uint16Range(1, 0xfffe).Draw(t, "wrong by")
		}
		got := packet.IPv4(bytes.Clone(s.bytes(t)))
		padding := append(got, 0xde, 0xad) // after the packet's end
		modes.Translate(padding, got.HeaderLen(), session, d)

		s.setFlow(after)
		s.ip.TTL--
		want := append(s.bytes(t), 0xde, 0xad)
		if !bytes.Equal(padding, want) {
			t.Fatalf("%v\n got %x\nwant %x", d, []byte(padding), []byte(want))
		}
	})
}

// TestTranslateReadsBack has gopacket decode the result and verify both checksums.
func TestTranslateReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		session, d, before, after := drawSession(t)
		p := bytes.Clone(drawSegment(t, session.Protocol, before).bytes(t))
		modes.Translate(p, packet.IPv4(p).HeaderLen(), session, d)

		judge := gopacket.NewPacket(p, layers.LayerTypeIPv4, gopacket.Default)
		ip := judge.NetworkLayer().(*layers.IPv4)
		if !ip.SrcIP.Equal(netIP(after.Src)) || !ip.DstIP.Equal(netIP(after.Dst)) ||
			!packet.IPv4(p).HeaderValid() {
			t.Fatalf("%v -> %v, valid %v; want %+v", ip.SrcIP, ip.DstIP, packet.IPv4(p).HeaderValid(), after)
		}
		switch l := judge.TransportLayer().(type) {
		case *layers.TCP:
			_ = l.SetNetworkLayerForChecksum(ip)
			if sum, err := l.ComputeChecksum(); err != nil || sum != 0 {
				t.Fatalf("the TCP checksum is off by %#x (%v)", sum, err)
			}
		case *layers.UDP:
			checkUDP(t, ip, l)
		}
	})
}

func checkUDP(t *rapid.T, ip *layers.IPv4, u *layers.UDP) {
	if u.Checksum == 0 {
		return // TestTranslateIsGopackets checks whether it may
	}
	header := packet.IPv4(ip.Contents)
	sum := packet.PseudoHeader4(header.Src(), header.Dst(), packet.ProtocolUDP, int(u.Length))
	if got := packet.Fold(packet.Sum(u.Payload, packet.Sum(u.Contents, sum))); got != 0xffff {
		t.Fatalf("the UDP datagram sums up to %#x", got)
	}
}

// TestTranslateThereAndBack: the translations of a packet and of its answer match.
func TestTranslateThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		session, d, before, _ := drawSession(t)
		s := drawSegment(t, session.Protocol, before)
		p := bytes.Clone(s.bytes(t))
		modes.Translate(p, packet.IPv4(p).HeaderLen(), session, d)
		swapped := &conntrack.Session{In: reversed(session.In), Out: reversed(session.Out),
			Protocol: session.Protocol}
		modes.Translate(p, packet.IPv4(p).HeaderLen(), swapped, 1-d)
		s.ip.TTL -= 2
		if want := s.bytes(t); !bytes.Equal(p, want) {
			t.Fatalf("there and back\n got %x\nwant %x", p, []byte(want))
		}
	})
}

// TestUDPSumOfZero searches for translations with a sum of zero, which must be sent as 0xffff.
func TestUDPSumOfZero(t *testing.T) {
	in := conntrack.Flow4{Src: 0x0a000001, Dst: 0x0a000064, SrcPort: 40000, DstPort: 53}
	found := 0
	for port := range 1 << 16 {
		session := &conntrack.Session{
			In: in, Protocol: packet.ProtocolUDP,
			Out: conntrack.Flow4{Src: 0x0a01000b, Dst: 0x0a000001, SrcPort: 53, DstPort: uint16(port)},
		}
		p := udpPacket(t, in, false)
		modes.Translate(p, packet.IPv4MinLen, session, conntrack.Inbound)
		switch packet.UDP(p[packet.IPv4MinLen:]).Checksum() {
		case 0:
			t.Fatalf("port %d: the checksum is gone", port)
		case 0xffff:
			found++
		}
	}
	if found == 0 {
		t.Error("no port makes the sum zero: the test tests nothing")
	}
}

func TestUDPWithoutChecksumStaysSo(t *testing.T) {
	in := conntrack.Flow4{Src: 0x0a000001, Dst: 0x0a000064, SrcPort: 40000, DstPort: 53}
	session := &conntrack.Session{In: in, Protocol: packet.ProtocolUDP,
		Out: conntrack.Flow4{Src: 0x0a01000b, Dst: 0x0a010032, SrcPort: 53, DstPort: 5000}}
	p := udpPacket(t, in, true)
	modes.Translate(p, packet.IPv4MinLen, session, conntrack.Inbound)
	if got := packet.UDP(p[packet.IPv4MinLen:]).Checksum(); got != 0 {
		t.Errorf("checksum %#04x", got)
	}
}

func udpPacket(t testing.TB, f conntrack.Flow4, unsummed bool) packet.IPv4 {
	s := &segment{ip: layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP},
		payload: []byte("odd"), unsummed: unsummed}
	s.setFlow(f)
	return s.bytes(t)
}

// TestTranslateByMode states the addresses and ports in each mode and direction.
func TestTranslateByMode(t *testing.T) {
	const client, vip, server, local = 0x0a000001, 0x0a000064, 0x0a01000b, 0x0a010032
	in := conntrack.Flow4{Src: client, Dst: vip, SrcPort: 40000, DstPort: 80}
	nat := conntrack.Flow4{Src: server, Dst: client, SrcPort: 8080, DstPort: 40000}
	fullnat := conntrack.Flow4{Src: server, Dst: local, SrcPort: 8080, DstPort: 5001}
	for _, c := range []struct {
		name         string
		out          conntrack.Flow4
		direction    conntrack.Direction
		before, want conntrack.Flow4
	}{
		{"nat in", nat, conntrack.Inbound, in,
			conntrack.Flow4{Src: client, Dst: server, SrcPort: 40000, DstPort: 8080}},
		{"nat out", nat, conntrack.Outbound, nat,
			conntrack.Flow4{Src: vip, Dst: client, SrcPort: 80, DstPort: 40000}},
		{"fullnat in", fullnat, conntrack.Inbound, in,
			conntrack.Flow4{Src: local, Dst: server, SrcPort: 5001, DstPort: 8080}},
		{"fullnat out", fullnat, conntrack.Outbound, fullnat,
			conntrack.Flow4{Src: vip, Dst: client, SrcPort: 80, DstPort: 40000}},
	} {
		p := udpPacket(t, c.before, false)
		modes.Translate(p, packet.IPv4MinLen,
			&conntrack.Session{In: in, Out: c.out, Protocol: packet.ProtocolUDP}, c.direction)
		u := packet.UDP(p[packet.IPv4MinLen:])
		got := conntrack.Flow4{Src: p.Src(), Dst: p.Dst(), SrcPort: u.SrcPort(), DstPort: u.DstPort()}
		if got != c.want || p.TTL() != 63 {
			t.Errorf("%s: %+v, TTL %d; want %+v, TTL 63", c.name, got, p.TTL(), c.want)
		}
	}
}
