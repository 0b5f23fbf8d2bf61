package packet_test

import (
	"encoding/binary"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"fulcrum/packet"
)

// TestParseAgreesWithGopacket compares with gopacket on random valid frames, which gopacket writes
// and reads.
func TestParseAgreesWithGopacket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frame := append(drawFrame(t), drawBytes(t, "padding", 0, 20)...)
		var p packet.Parsed
		packet.Parse(frame, &p)
		if p.Kind == packet.Invalid {
			t.Fatalf("fault %d in %x", p.Fault, frame)
		}
		// gopacket parses the payload on port 53 as DNS and may fail, which does not matter here.
		judge := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
		compareIP(t, frame, &p, judge.Layer(layers.LayerTypeIPv4).(*layers.IPv4))
		compareTransport(t, frame, &p, judge)
	})
}

func drawFrame(t *rapid.T) []byte {
	ip := &layers.IPv4{
		Version: 4, TOS: rapid.Byte().Draw(t, "tos"), Id: cornered16().Draw(t, "id"),
		TTL: rapid.Byte().Draw(t, "ttl"), Options: drawIPOptions(t),
		SrcIP: netIP(cornered32().Draw(t, "source")), DstIP: netIP(cornered32().Draw(t, "destination")),
	}
	if rapid.Bool().Draw(t, "df") {
		ip.Flags = layers.IPv4DontFragment
	}
	return frameOf(t, packet.EtherTypeIPv4, ip, drawTransport(t, ip),
		gopacket.Payload(drawBytes(t, "payload", 0, 60)))
}

// drawTransport draws a transport header and sets the protocol of ip.
func drawTransport(t *rapid.T, ip *layers.IPv4) gopacket.SerializableLayer {
	src, dst := cornered16().Draw(t, "source port"), cornered16().Draw(t, "destination port")
	ip.Protocol = rapid.SampledFrom([]layers.IPProtocol{1, 6, 17}).Draw(t, "protocol")
	switch ip.Protocol {
	case layers.IPProtocolTCP:
		flags := rapid.Byte().Draw(t, "flags")
		l := &layers.TCP{
			SrcPort: layers.TCPPort(src), DstPort: layers.TCPPort(dst), Options: drawTCPOptions(t),
			Seq: cornered32().Draw(t, "seq"), Ack: cornered32().Draw(t, "ack"),
			FIN: flags&1 != 0, SYN: flags&2 != 0, RST: flags&4 != 0,
			PSH: flags&8 != 0, ACK: flags&16 != 0, URG: flags&32 != 0,
		}
		_ = l.SetNetworkLayerForChecksum(ip)
		return l
	case layers.IPProtocolUDP:
		l := &layers.UDP{SrcPort: layers.UDPPort(src), DstPort: layers.UDPPort(dst)}
		_ = l.SetNetworkLayerForChecksum(ip)
		return l
	}
	typ, code := rapid.Byte().Draw(t, "type"), rapid.Byte().Draw(t, "code")
	return &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(typ, code)}
}

func drawIPOptions(t *rapid.T) []layers.IPv4Option {
	var options []layers.IPv4Option
	for left := 4 * rapid.IntRange(0, 10).Draw(t, "IP option words"); left > 0; {
		n := rapid.IntRange(1, left).Draw(t, "option length")
		if n <= 2 { // gopacket writes options without data but cannot read them
			n = 1
			options = append(options, layers.IPv4Option{OptionType: 1, OptionLength: 1})
		} else {
			options = append(options, layers.IPv4Option{
				OptionType: 0x94, OptionLength: uint8(n), OptionData: make([]byte, n-2),
			})
		}
		left -= n
	}
	return options
}

func drawTCPOptions(t *rapid.T) []layers.TCPOption {
	var options []layers.TCPOption
	for left := 4 * rapid.IntRange(0, 10).Draw(t, "TCP option words"); left > 0; {
		n := rapid.IntRange(1, left).Draw(t, "option length")
		if n == 1 {
			options = append(options, layers.TCPOption{OptionType: layers.TCPOptionKindNop})
		} else {
			options = append(options, layers.TCPOption{OptionType: 254, OptionData: make([]byte, n-2)})
		}
		left -= n
	}
	return options
}

func compareIP(t *rapid.T, frame []byte, p *packet.Parsed, ip *layers.IPv4) {
	if p.Network != packet.EthernetLen || int(p.Transport) != packet.EthernetLen+4*int(ip.IHL) ||
		int(p.End) != packet.EthernetLen+int(ip.Length) {
		t.Fatalf("network %d, transport %d, end %d; gopacket: IHL %d, length %d",
			p.Network, p.Transport, p.End, ip.IHL, ip.Length)
	}
	if p.Protocol != uint8(ip.Protocol) || p.Src != binary.BigEndian.Uint32(ip.SrcIP) ||
		p.Dst != binary.BigEndian.Uint32(ip.DstIP) {
		t.Fatalf("protocol %d, %x -> %x; gopacket: %d, %v -> %v",
			p.Protocol, p.Src, p.Dst, ip.Protocol, ip.SrcIP, ip.DstIP)
	}
	v := packet.IPv4(frame[p.Network:])
	if v.TOS() != ip.TOS || v.ID() != ip.Id || v.TTL() != ip.TTL || v.Checksum() != ip.Checksum ||
		v.DontFragment() != (ip.Flags&layers.IPv4DontFragment != 0) || v.IsFragment() {
		t.Fatalf("%x does not read as gopacket's %+v", frame, ip)
	}
}

func compareTransport(t *rapid.T, frame []byte, p *packet.Parsed, judge gopacket.Packet) {
	switch l := judge.TransportLayer().(type) {
	case *layers.TCP:
		compareTCP(t, packet.TCP(frame[p.Transport:p.End]), p, l)
	case *layers.UDP:
		u := packet.UDP(frame[p.Transport:p.End])
		if p.Kind != packet.UDP4 || p.SrcPort != uint16(l.SrcPort) || p.DstPort != uint16(l.DstPort) ||
			u.Length() != l.Length || u.Checksum() != l.Checksum {
			t.Fatalf("%+v, %x; gopacket: %+v", p, []byte(u), l)
		}
	default:
		l4 := judge.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
		m := packet.ICMP(frame[p.Transport:p.End])
		if p.Kind != packet.ICMP4 || m.Type() != l4.TypeCode.Type() ||
			m.Code() != l4.TypeCode.Code() || m.Checksum() != l4.Checksum {
			t.Fatalf("%+v, %x; gopacket: %+v", p, []byte(m), l4)
		}
	}
}

func compareTCP(t *rapid.T, s packet.TCP, p *packet.Parsed, l *layers.TCP) {
	if p.Kind != packet.TCP4 || p.SrcPort != uint16(l.SrcPort) || p.DstPort != uint16(l.DstPort) ||
		s.Seq() != l.Seq || s.Ack() != l.Ack || s.HeaderLen() != 4*int(l.DataOffset) ||
		s.Checksum() != l.Checksum {
		t.Fatalf("%+v, %x; gopacket: %+v", p, []byte(s), l)
	}
	for _, f := range []struct {
		bit packet.TCPFlags
		set bool
	}{
		{packet.TCPFin, l.FIN}, {packet.TCPSyn, l.SYN}, {packet.TCPRst, l.RST},
		{packet.TCPPsh, l.PSH}, {packet.TCPAck, l.ACK}, {packet.TCPUrg, l.URG},
	} {
		if (p.TCPFlags&f.bit != 0) != f.set {
			t.Fatalf("flags %06b; gopacket: %+v", p.TCPFlags, l)
		}
	}
}
