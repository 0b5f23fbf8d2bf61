package packet_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"fulcrum/packet"
)

func TestIPv4EncodeIsGopackets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := packet.IPv4Fields{
			TOS: rapid.Byte().Draw(t, "tos"), TotalLength: cornered16().Draw(t, "total length"),
			ID: cornered16().Draw(t, "id"), DontFragment: rapid.Bool().Draw(t, "df"),
			TTL: rapid.Byte().Draw(t, "ttl"), Protocol: rapid.Byte().Draw(t, "protocol"),
			Src: cornered32().Draw(t, "source"), Dst: cornered32().Draw(t, "destination"),
		}
		// Encode must overwrite all of it.
		got := packet.IPv4(bytes.Repeat([]byte{0x5a}, packet.IPv4MinLen))
		got.Encode(f)
		if want := judgeIPv4(t, f); !bytes.Equal(got, want) {
			t.Fatalf("%+v\n got %x\nwant %x", f, []byte(got), want)
		}
		if !got.HeaderValid() {
			t.Fatalf("%x is not valid", []byte(got))
		}
	})
}

func judgeIPv4(t *rapid.T, f packet.IPv4Fields) []byte {
	l := &layers.IPv4{
		Version: 4, IHL: 5, TOS: f.TOS, Length: f.TotalLength, Id: f.ID, TTL: f.TTL,
		Protocol: layers.IPProtocol(f.Protocol), SrcIP: netIP(f.Src), DstIP: netIP(f.Dst),
	}
	if f.DontFragment {
		l.Flags = layers.IPv4DontFragment
	}
	b := gopacket.NewSerializeBuffer()
	if err := l.SerializeTo(b, gopacket.SerializeOptions{ComputeChecksums: true}); err != nil {
		t.Fatalf("serialize: %v", err)
	}
	return b.Bytes()
}

func TestARPEncodeIsGopackets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := packet.ARPFields{
			Op: rapid.SampledFrom(
				[]packet.ARPOp{packet.ARPRequest, packet.ARPReply}).Draw(t, "operation"),
			SenderMAC: packet.MAC(drawBytes(t, "sender MAC", 6, 6)),
			SenderIP:  cornered32().Draw(t, "sender"),
			TargetMAC: packet.MAC(drawBytes(t, "target MAC", 6, 6)),
			TargetIP:  cornered32().Draw(t, "target"),
		}
		got := make(packet.ARP, packet.ARPLen)
		got.Encode(f)
		want := serialize(t, &layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
			HwAddressSize: 6, ProtAddressSize: 4, Operation: uint16(f.Op),
			SourceHwAddress: f.SenderMAC[:], SourceProtAddress: netIP(f.SenderIP),
			DstHwAddress: f.TargetMAC[:], DstProtAddress: netIP(f.TargetIP),
		})
		if !bytes.Equal(got, want) {
			t.Fatalf("%+v\n got %x\nwant %x", f, []byte(got), want)
		}
		read := packet.ARPFields{
			Op: got.Op(), SenderMAC: got.SenderMAC(), SenderIP: got.SenderIP(),
			TargetMAC: got.TargetMAC(), TargetIP: got.TargetIP(),
		}
		if read != f {
			t.Fatalf("read back %+v; wrote %+v", read, f)
		}
	})
}

func TestICMPEncodeIsGopackets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ, code := rapid.Byte().Draw(t, "type"), rapid.Byte().Draw(t, "code")
		id, seq := cornered16().Draw(t, "id"), cornered16().Draw(t, "seq")
		payload := drawBytes(t, "payload", 0, 99)

		got := packet.ICMP(append(bytes.Repeat([]byte{0x5a}, packet.ICMPLen), payload...))
		got.Encode(typ, code, uint32(id)<<16|uint32(seq))
		want := serialize(t,
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(typ, code), Id: id, Seq: seq},
			gopacket.Payload(payload))
		if !bytes.Equal(got, want) {
			t.Fatalf("got %x\nwant %x", []byte(got), want)
		}
		if got.Type() != typ || got.Code() != code || naiveSum(got) != 0xffff {
			t.Fatalf("type %d, code %d, sum %#04x", got.Type(), got.Code(), naiveSum(got))
		}
	})
}
