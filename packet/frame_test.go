package packet_test

import (
	"encoding/binary"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"fulcrum/packet"
)

var (
	macA = packet.MAC{0x02, 0, 0, 0, 0, 0x0a}
	macB = packet.MAC{0x02, 0, 0, 0, 0, 0x0b}
)

const (
	client = 0x0a000001 // 10.0.0.1
	vip    = 0x0a000064 // 10.0.0.100
)

func netIP(v uint32) net.IP { return binary.BigEndian.AppendUint32(nil, v) }

func ipv4Layer(protocol uint8) *layers.IPv4 {
	return &layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocol(protocol),
		SrcIP: netIP(client), DstIP: netIP(vip),
	}
}

// fataler is the part that *testing.T, *testing.B and *rapid.T share.
type fataler interface{ Fatalf(string, ...any) }

// frameOf puts layers written by gopacket behind an Ethernet header. It omits gopacket's padding
// to 60 bytes.
func frameOf(t fataler, typ packet.EtherType, l ...gopacket.SerializableLayer) []byte {
	return rawFrame(typ, serialize(t, l...)...)
}

// serialize lets gopacket write the layers with their lengths and checksums.
func serialize(t fataler, l ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, opts, l...); err != nil {
		t.Fatalf("serialize %v: %v", l, err)
	}
	return b.Bytes()
}

func tcpFrame(t testing.TB, payload string) []byte {
	ip := ipv4Layer(packet.ProtocolTCP)
	tcp := &layers.TCP{
		SrcPort: 40000, DstPort: 80, SYN: true, ACK: true, Seq: 0x01020304, Ack: 0xfffefdfc, Window: 1024,
	}
	_ = tcp.SetNetworkLayerForChecksum(ip)
	return frameOf(t, packet.EtherTypeIPv4, ip, tcp, gopacket.Payload(payload))
}

func udpFrame(t testing.TB, payload string) []byte {
	ip := ipv4Layer(packet.ProtocolUDP)
	udp := &layers.UDP{SrcPort: 40000, DstPort: 53}
	_ = udp.SetNetworkLayerForChecksum(ip)
	return frameOf(t, packet.EtherTypeIPv4, ip, udp, gopacket.Payload(payload))
}

func icmpFrame(t testing.TB, payload string) []byte {
	ip := ipv4Layer(packet.ProtocolICMP)
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 7, Seq: 9}
	return frameOf(t, packet.EtherTypeIPv4, ip, icmp, gopacket.Payload(payload))
}

func otherIPFrame(t testing.TB) []byte {
	return frameOf(t, packet.EtherTypeIPv4, ipv4Layer(47), gopacket.Payload("gre"))
}

func arpFrame(t testing.TB) []byte {
	return frameOf(t, packet.EtherTypeARP, &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
		HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
		SourceHwAddress: macA[:], SourceProtAddress: netIP(client),
		DstHwAddress: make([]byte, 6), DstProtAddress: netIP(vip),
	})
}

// rawFrame returns a frame of the given type and payload.
func rawFrame(typ packet.EtherType, payload ...byte) []byte {
	f := make([]byte, packet.EthernetLen, packet.EthernetLen+len(payload))
	packet.Ethernet(f).SetHeader(macB, macA, typ)
	return append(f, payload...)
}

// fixIP recomputes the header checksum of an IPv4 frame that a test has edited.
func fixIP(frame []byte) {
	ip := packet.IPv4(frame[packet.EthernetLen:])
	n := min(max(ip.HeaderLen(), packet.IPv4MinLen), len(ip))
	ip.SetChecksum(0)
	ip.SetChecksum(^naiveSum(ip[:n]))
}

// naiveSum is the one's complement sum as RFC 1071 defines it, 16 bits at a time.
func naiveSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		sum += word
		if sum > 0xffff {
			sum -= 0xffff
		}
	}
	return uint16(sum)
}

func drawBytes(t *rapid.T, label string, least, most int) []byte {
	return rapid.SliceOfN(rapid.Byte(), least, most).Draw(t, label)
}

// cornered16 and cornered32 draw numbers and prefer all-zero and all-one values.
func cornered16() *rapid.Generator[uint16] {
	corners := []uint16{0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff}
	return rapid.OneOf(rapid.Uint16(), rapid.SampledFrom(corners))
}

func cornered32() *rapid.Generator[uint32] {
	corners := []uint32{0, 1, 0xffff, 0xffff0000, 0xfffffffe, 0xffffffff}
	return rapid.OneOf(rapid.Uint32(), rapid.SampledFrom(corners))
}
