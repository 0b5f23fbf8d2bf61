package modes_test

import (
	"encoding/binary"
	"net"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"fulcrum/conntrack"
	"fulcrum/packet"
)

// segment is a whole TCP or UDP packet in fields. gopacket makes its bytes and checksums.
type segment struct {
	ip      layers.IPv4
	tcp     layers.TCP // if the protocol is TCP
	udp     layers.UDP // if it is UDP
	payload []byte
	// unsummed makes UDP without a checksum.
	unsummed bool
	// spoil is added to both checksums, to make them wrong.
	spoil uint16
}

// fataler is the common part of *testing.T, *testing.B and *rapid.T.
type fataler interface{ Fatalf(string, ...any) }

func netIP(v uint32) net.IP { return binary.BigEndian.AppendUint32(nil, v) }

// setFlow sets the packet's addresses and ports.
func (s *segment) setFlow(f conntrack.Flow4) {
	s.ip.SrcIP, s.ip.DstIP = netIP(f.Src), netIP(f.Dst)
	s.tcp.SrcPort, s.tcp.DstPort = layers.TCPPort(f.SrcPort), layers.TCPPort(f.DstPort)
	s.udp.SrcPort, s.udp.DstPort = layers.UDPPort(f.SrcPort), layers.UDPPort(f.DstPort)
}

// bytes returns the packet with right checksums, or with checksums wrong by spoil.
func (s *segment) bytes(t fataler) packet.IPv4 {
	var transport gopacket.SerializableLayer = &s.tcp
	_ = s.tcp.SetNetworkLayerForChecksum(&s.ip)
	if s.ip.Protocol == layers.IPProtocolUDP {
		_ = s.udp.SetNetworkLayerForChecksum(&s.ip)
		transport = &s.udp
	}
	b := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, opts, &s.ip, transport,
		gopacket.Payload(s.payload)); err != nil {
		t.Fatalf("serialize: %v", err)
	}
	p := packet.IPv4(b.Bytes())
	s.finish(p)
	return p
}

// finish changes the checksums where gopacket cannot.
func (s *segment) finish(p packet.IPv4) {
	p.SetChecksum(onesAdd(p.Checksum(), s.spoil))
	if s.ip.Protocol == layers.IPProtocolTCP {
		t := packet.TCP(p[p.HeaderLen():])
		t.SetChecksum(onesAdd(t.Checksum(), s.spoil))
		return
	}
	u := packet.UDP(p[p.HeaderLen():])
	switch sum := onesAdd(u.Checksum(), s.spoil); {
	case s.unsummed:
		u.SetChecksum(0)
	case sum == 0:
		u.SetChecksum(0xffff) // RFC 768
	default:
		u.SetChecksum(sum)
	}
}

// onesAdd returns the one's complement sum, with 0 for both zeros.
func onesAdd(a, b uint16) uint16 { return uint16((uint32(a) + uint32(b)) % 0xffff) }

// drawSegment draws a packet of the flow with a TTL of 2 or more.
func drawSegment(t *rapid.T, protocol uint8, f conntrack.Flow4) *segment {
	s := &segment{
		ip: layers.IPv4{
			Version: 4, TOS: rapid.Byte().Draw(t, "tos"), Id: cornered16().Draw(t, "id"),
			TTL: rapid.ByteMin(2).Draw(t, "ttl"), Protocol: layers.IPProtocol(protocol),
			Options: drawIPOptions(t),
		},
		payload: rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 60),
			rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0xff}), 0, 9)).Draw(t, "payload"),
	}
	if rapid.Bool().Draw(t, "df") {
		s.ip.Flags = layers.IPv4DontFragment
	}
	if protocol == packet.ProtocolTCP {
		s.drawTCP(t)
	} else {
		s.unsummed = rapid.Bool().Draw(t, "without checksum")
	}
	s.setFlow(f)
	return s
}

func (s *segment) drawTCP(t *rapid.T) {
	flags := rapid.Byte().Draw(t, "flags")
	s.tcp = layers.TCP{
		Seq: cornered32().Draw(t, "seq"), Ack: cornered32().Draw(t, "ack"),
		Window: cornered16().Draw(t, "window"),
		Urgent: cornered16().Draw(t, "urgent"), NS: rapid.Bool().Draw(t, "ns"),
		FIN: flags&1 != 0, SYN: flags&2 != 0, RST: flags&4 != 0, PSH: flags&8 != 0,
		ACK: flags&16 != 0, URG: flags&32 != 0, ECE: flags&64 != 0, CWR: flags&128 != 0,
	}
	if n := rapid.IntRange(0, 38).Draw(t, "TCP option length"); n > 0 {
		s.tcp.Options = []layers.TCPOption{{OptionType: 254,
			OptionData: rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "TCP option")}}
	}
}

func drawIPOptions(t *rapid.T) []layers.IPv4Option {
	n := rapid.IntRange(0, 38).Draw(t, "IP option length")
	if n == 0 {
		return nil
	}
	data := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "IP option")
	return []layers.IPv4Option{{OptionType: 0x9e, OptionLength: uint8(n + 2), OptionData: data}}
}

// cornered16 and cornered32 draw numbers, often all zeros or all ones.
func cornered16() *rapid.Generator[uint16] {
	return rapid.OneOf(rapid.Uint16(), rapid.SampledFrom([]uint16{0, 1, 0xfffe, 0xffff}))
}

func cornered32() *rapid.Generator[uint32] {
	return rapid.OneOf(rapid.Uint32(),
		rapid.SampledFrom([]uint32{0, 1, 0xffff, 0xffff0000, 0xfffffffe, 0xffffffff}))
}

func drawFlow(t *rapid.T, label string) conntrack.Flow4 {
	return conntrack.Flow4{
		Src: cornered32().Draw(t, label+" source"), Dst: cornered32().Draw(t, label+" destination"),
		SrcPort: cornered16().Draw(t, label+" source port"),
		DstPort: cornered16().Draw(t, label+" destination port"),
	}
}

func reversed(f conntrack.Flow4) conntrack.Flow4 {
	return conntrack.Flow4{Src: f.Dst, Dst: f.Src, SrcPort: f.DstPort, DstPort: f.SrcPort}
}
