package modes_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"fulcrum/modes"
	"fulcrum/packet"
)

func drawAnySegment(t *rapid.T) *segment {
	protocol := rapid.SampledFrom([]uint8{packet.ProtocolTCP, packet.ProtocolUDP}).Draw(t, "protocol")
	return drawSegment(t, protocol, drawFlow(t, "flow"))
}

// TestRouteChangesTheTTLAlone: dr changes only the TTL and the header checksum.
func TestRouteChangesTheTTLAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawAnySegment(t)
		got := packet.IPv4(bytes.Clone(s.bytes(t)))
		modes.Route(got)
		s.ip.TTL--
		if want := s.bytes(t); !bytes.Equal(got, want) {
			t.Fatalf("got %x\nwant %x", []byte(got), []byte(want))
		}
	})
}

// TestEncapsulateIsGopackets compares the outer header with gopacket's, and the inner packet with
// one routed by dr.
func TestEncapsulateIsGopackets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawAnySegment(t)
		src, dst := cornered32().Draw(t, "port's address"), cornered32().Draw(t, "real server")
		id := cornered16().Draw(t, "outer id")
		inner := bytes.Clone(s.bytes(t))
		b := append(bytes.Repeat([]byte{0x5a}, packet.IPv4MinLen), inner...)
		modes.Encapsulate(b, src, dst, id)

		modes.Route(inner)
		outer := &layers.IPv4{
			Version: 4, TOS: s.ip.TOS, Id: id, Flags: s.ip.Flags, TTL: 64, Protocol: layers.IPProtocolIPv4,
			SrcIP: netIP(src), DstIP: netIP(dst),
		}
		want := gopacket.NewSerializeBuffer()
		opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		if err := gopacket.SerializeLayers(want, opts, outer, gopacket.Payload(inner)); err != nil {
			t.Fatalf("serialize: %v", err)
		}
		if !bytes.Equal(b, want.Bytes()) {
			t.Fatalf("got %x\nwant %x", b, want.Bytes())
		}
	})
}

// TestEncapsulateReadsBack states the rules of the outer header, as gopacket reads it.
func TestEncapsulateReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawAnySegment(t)
		b := append(make([]byte, packet.IPv4MinLen), s.bytes(t)...)
		modes.Encapsulate(b, 0x0a010001, 0x0a01000b, 7)
		judge := gopacket.NewPacket(b, layers.LayerTypeIPv4, gopacket.Default)
		found := judge.Layers()
		outer, inner := found[0].(*layers.IPv4), found[1].(*layers.IPv4)
		if outer.TOS != s.ip.TOS || inner.TOS != s.ip.TOS {
			t.Fatalf("DSCP and ECN %#x outside, %#x inside; want %#x", outer.TOS, inner.TOS, s.ip.TOS)
		}
		if outer.TTL != 64 || inner.TTL != s.ip.TTL-1 {
			t.Fatalf("TTL %d outside, %d inside; want 64, %d", outer.TTL, inner.TTL, s.ip.TTL-1)
		}
		if outer.Flags != s.ip.Flags || outer.Protocol != 4 || int(outer.Length) != len(b) ||
			outer.IHL != 5 {
			t.Fatalf("outer header %+v", outer)
		}
		if !packet.IPv4(outer.Contents).HeaderValid() || !packet.IPv4(inner.Contents).HeaderValid() {
			t.Fatalf("header checksums %#x, %#x", outer.Checksum, inner.Checksum)
		}
	})
}
