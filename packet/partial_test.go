package packet_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"fulcrum/packet"
)

// networks make the IP layers of both families.
var networks = map[packet.EtherType]func(protocol uint8) gopacket.NetworkLayer{
	packet.EtherTypeIPv4: func(protocol uint8) gopacket.NetworkLayer { return ipv4Layer(protocol) },
	packet.EtherTypeIPv6: func(protocol uint8) gopacket.NetworkLayer {
		return &layers.IPv6{
			Version: 6, HopLimit: 64, NextHeader: layers.IPProtocol(protocol),
			SrcIP: append(make([]byte, 12), 1, 2, 3, 4), DstIP: append(make([]byte, 12), 5, 6, 7, 8),
		}
	},
}

// wholeFrame returns a frame with the checksum that gopacket computes.
func wholeFrame(t fataler, typ packet.EtherType, protocol uint8, payload []byte) []byte {
	ip := networks[typ](protocol)
	below := ip.(gopacket.SerializableLayer)
	switch protocol {
	case packet.ProtocolTCP:
		tcp := &layers.TCP{SrcPort: 40000, DstPort: 80, SYN: true, Seq: 7, Window: 1024}
		_ = tcp.SetNetworkLayerForChecksum(ip)
		return frameOf(t, typ, below, tcp, gopacket.Payload(payload))
	case packet.ProtocolUDP:
		udp := &layers.UDP{SrcPort: 40000, DstPort: 53}
		_ = udp.SetNetworkLayerForChecksum(ip)
		return frameOf(t, typ, below, udp, gopacket.Payload(payload))
	}
	chunk := append([]byte{1, 0, 0, byte(4 + len(payload))}, payload...)
	chunk = append(chunk, make([]byte, -len(payload)&3)...)
	return frameOf(t, typ, below, &layers.SCTP{SrcPort: 4, DstPort: 5}, gopacket.Payload(chunk))
}

// field returns the checksum field of a frame.
func field(p *packet.Parsed, frame []byte) []byte {
	b := frame[p.Transport:p.End]
	switch p.Protocol {
	case packet.ProtocolTCP:
		return b[16:18]
	case packet.ProtocolUDP:
		return b[6:8]
	}
	return b[8:12]
}

// leave makes a frame as a sender with transmit offload leaves it: the field holds the sum of the
// pseudo header, and in SCTP nothing.
func leave(p *packet.Parsed, frame []byte) {
	f := field(p, frame)
	if p.Protocol == packet.ProtocolSCTP {
		copy(f, make([]byte, 4))
		return
	}
	pseudo := make([]byte, 4, 40)
	binary.BigEndian.PutUint16(pseudo, p.End-p.Transport)
	pseudo[3] = p.Protocol
	addresses := frame[packet.EthernetLen+12 : packet.EthernetLen+20]
	if p.Kind.Is6() {
		addresses = frame[packet.EthernetLen+8 : packet.EthernetLen+40]
	}
	binary.BigEndian.PutUint16(f, naiveSum(append(pseudo, addresses...)))
}

// eachTransport runs a property over both families and all protocols with checksums.
func eachTransport(t *testing.T, check func(*rapid.T, packet.EtherType, uint8)) {
	for typ := range networks {
		for name, protocol := range map[string]uint8{
			"tcp": packet.ProtocolTCP, "udp": packet.ProtocolUDP, "sctp": packet.ProtocolSCTP,
		} {
			family := map[bool]string{false: "ipv4", true: "ipv6"}[typ == packet.EtherTypeIPv6]
			t.Run(name+"/"+family, func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) { check(t, typ, protocol) })
			})
		}
	}
}

// TestPartialChecksumIsCompleted: the result is what a sender without offload sends.
func TestPartialChecksumIsCompleted(t *testing.T) {
	eachTransport(t, func(t *rapid.T, typ packet.EtherType, protocol uint8) {
		want := wholeFrame(t, typ, protocol, drawBytes(t, "payload", 1, 100))
		want = append(want, drawBytes(t, "padding", 0, 9)...)
		var p packet.Parsed
		packet.Parse(want, &p)
		frame := bytes.Clone(want)
		leave(&p, frame)
		if bytes.Equal(frame, want) {
			t.Skip("the checksum is the sum of the pseudo header")
		}
		if !p.CompleteChecksum(frame) || !bytes.Equal(frame, want) {
			t.Fatalf("completed to %x, want %x", frame, want)
		}
		if p.CompleteChecksum(frame) || !bytes.Equal(frame, want) {
			t.Fatal("a complete checksum is completed")
		}
	})
}

// TestOtherChecksumsStay: those that are right, and those that are wrong otherwise.
func TestOtherChecksumsStay(t *testing.T) {
	eachTransport(t, func(t *rapid.T, typ packet.EtherType, protocol uint8) {
		frame := wholeFrame(t, typ, protocol, drawBytes(t, "payload", 1, 100))
		var p packet.Parsed
		packet.Parse(frame, &p)
		partial := bytes.Clone(frame)
		leave(&p, partial)
		if rapid.Bool().Draw(t, "wrong") {
			f := field(&p, frame)
			f[rapid.IntRange(0, len(f)-1).Draw(t, "byte")] ^= rapid.ByteMin(1).Draw(t, "damage")
		}
		was := bytes.Clone(frame)
		if bytes.Equal(was, partial) {
			t.Skip("the damage is a partial checksum")
		}
		if p.CompleteChecksum(frame) || !bytes.Equal(frame, was) {
			t.Fatalf("%x became %x", was, frame)
		}
	})
}

// TestChecksumThatLooksPartial: a payload may be such that the right checksum is the sum of the
// pseudo header. It stays.
func TestChecksumThatLooksPartial(t *testing.T) {
	for _, protocol := range []uint8{packet.ProtocolTCP, packet.ProtocolUDP} {
		frame := wholeFrame(t, packet.EtherTypeIPv4, protocol, []byte{0, 0})
		var p packet.Parsed
		packet.Parse(frame, &p)
		leave(&p, frame)
		// The payload takes what the sum lacks.
		lacks := p.End - 2
		pseudo := binary.BigEndian.Uint16(field(&p, frame))
		sum := packet.Sum(frame[p.Transport:p.End], uint64(pseudo))
		binary.BigEndian.PutUint16(frame[lacks:], ^packet.Fold(sum))
		was := bytes.Clone(frame)
		if !p.TransportValid(frame) {
			t.Fatalf("protocol %d: the test's frame is wrong", protocol)
		}
		if p.CompleteChecksum(frame) || !bytes.Equal(frame, was) {
			t.Errorf("protocol %d: %x became %x", protocol, was, frame)
		}
	}
}

// TestNoChecksumStays: a UDP datagram without checksum stays without.
func TestNoChecksumStays(t *testing.T) {
	frame := udpFrame(t, "payload")
	var p packet.Parsed
	packet.Parse(frame, &p)
	copy(field(&p, frame), []byte{0, 0})
	if p.CompleteChecksum(frame) || packet.UDP(frame[p.Transport:]).Checksum() != 0 {
		t.Error("it got one")
	}
}

// FuzzCompleteChecksum: a completed checksum is right, and nothing but the field changes.
func FuzzCompleteChecksum(f *testing.F) {
	for typ := range networks {
		for _, protocol := range []uint8{packet.ProtocolTCP, packet.ProtocolUDP, packet.ProtocolSCTP} {
			frame := wholeFrame(f, typ, protocol, []byte("payload"))
			var p packet.Parsed
			packet.Parse(frame, &p)
			leave(&p, frame)
			f.Add(frame)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var p packet.Parsed
		if packet.Parse(frame, &p); len(frame) > maxFrame || !p.Kind.HasSession() {
			return
		}
		was := bytes.Clone(frame)
		changed := p.CompleteChecksum(frame)
		if changed == bytes.Equal(was, frame) || changed && !p.TransportValid(frame) {
			t.Fatalf("%x became %x (%v)", was, frame, changed)
		}
		copy(field(&p, was), field(&p, frame))
		if !bytes.Equal(was, frame) {
			t.Fatalf("%x became %x", was, frame)
		}
	})
}

// TestCompletingAllocatesNothing: it runs for every packet of some drivers.
func TestCompletingAllocatesNothing(t *testing.T) {
	for typ := range networks {
		for _, protocol := range []uint8{packet.ProtocolTCP, packet.ProtocolUDP, packet.ProtocolSCTP} {
			frame := wholeFrame(t, typ, protocol, []byte("payload"))
			var p packet.Parsed
			packet.Parse(frame, &p)
			leave(&p, frame)
			partial, all := bytes.Clone(frame), true
			if n := testing.AllocsPerRun(100, func() {
				copy(frame, partial)
				all = p.CompleteChecksum(frame) && all
			}); n != 0 || !all {
				t.Errorf("type %#x, protocol %d: %v allocations; completed: %v", typ, protocol, n, all)
			}
		}
	}
}
