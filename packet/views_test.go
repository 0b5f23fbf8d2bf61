package packet_test

import (
	"net/netip"
	"testing"

	"fulcrum/packet"
)

// check compares the result of a getter with the expected value.
func check[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v; want %v", what, got, want)
	}
}

func TestEthernetView(t *testing.T) {
	e := packet.Ethernet{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x86, 0xdd, 0xaa}
	check(t, "destination", e.Dst(), packet.MAC{1, 2, 3, 4, 5, 6})
	check(t, "source", e.Src(), packet.MAC{7, 8, 9, 10, 11, 12})
	check(t, "type", e.Type(), packet.EtherTypeIPv6)
	check(t, "payload", string(e.Payload()), "\xaa")
	e.SetHeader(macA, macB, packet.EtherTypeARP)
	check(t, "header", string(e), "\x02\x00\x00\x00\x00\x0a\x02\x00\x00\x00\x00\x0b\x08\x06\xaa")
}

func TestMAC(t *testing.T) {
	m := packet.MAC{0x02, 0x42, 0xac, 0x11, 0x00, 0xff}
	check(t, "number", m.Uint64(), 0x0242ac1100ff)
	check(t, "MAC of the number", packet.MACFromUint64(0xdead_0242ac1100ff), m)
	check(t, "text", m.String(), "02:42:ac:11:00:ff")
	check(t, "multicast", m.IsMulticast(), false)
	check(t, "multicast of broadcast", packet.Broadcast.IsMulticast(), true)
	check(t, "multicast of 01:00:5e", packet.MAC{1, 0, 0x5e}.IsMulticast(), true)
	check(t, "zero", m.IsZero(), false)
	check(t, "zero of zero", packet.MAC{}.IsZero(), true)
}

func TestIPv4View(t *testing.T) {
	p := packet.IPv4{
		0x46, 0xb9, 0x01, 0x02, 0xab, 0xcd, 0x40, 0x00, 63, 6, 0x12, 0x34,
		10, 0, 0, 1, 192, 168, 2, 3, 1, 1, 1, 0,
	}
	check(t, "version", p.Version(), 4)
	check(t, "header length", p.HeaderLen(), 24)
	check(t, "TOS", p.TOS(), 0xb9)
	check(t, "total length", p.TotalLength(), 0x0102)
	check(t, "id", p.ID(), 0xabcd)
	check(t, "DF", p.DontFragment(), true)
	check(t, "fragment", p.IsFragment(), false)
	check(t, "TTL", p.TTL(), 63)
	check(t, "protocol", p.Protocol(), packet.ProtocolTCP)
	check(t, "checksum", p.Checksum(), 0x1234)
	check(t, "source", p.Src(), 0x0a000001)
	check(t, "destination", p.Dst(), 0xc0a80203)
}

func TestIPv4Fragments(t *testing.T) {
	for _, c := range []struct {
		hi, lo   byte
		fragment bool
		offset   int
	}{
		{0x00, 0x00, false, 0},
		{0x40, 0x00, false, 0},    // DF
		{0x80, 0x00, false, 0},    // reserved
		{0x20, 0x00, true, 0},     // MF: first fragment
		{0x00, 0x01, true, 8},     // last fragment
		{0x20, 0xb9, true, 1480},  // in the middle
		{0x1f, 0xff, true, 65528}, // largest offset
		{0x60, 0x00, true, 0},     // DF and MF
	} {
		p := make(packet.IPv4, packet.IPv4MinLen)
		p[6], p[7] = c.hi, c.lo
		check(t, "fragment", p.IsFragment(), c.fragment)
		check(t, "offset", p.FragmentOffset(), c.offset)
	}
}

func TestTCPView(t *testing.T) {
	s := packet.TCP{
		0x9c, 0x40, 0x00, 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0xd2, 0x04, 0x00, 0xbe, 0xef, 0, 0, 2, 4, 5, 0xb4,
	}
	check(t, "source port", s.SrcPort(), 40000)
	check(t, "destination port", s.DstPort(), 80)
	check(t, "seq", s.Seq(), 0x01020304)
	check(t, "ack", s.Ack(), 0x05060708)
	check(t, "header length", s.HeaderLen(), 24)
	check(t, "flags", s.Flags(), packet.TCPSyn|packet.TCPAck|0xc0)
	check(t, "checksum", s.Checksum(), 0xbeef)
	s.SetSrcPort(0x0102)
	s.SetDstPort(0x0304)
	s.SetChecksum(0x0506)
	check(t, "ports", string(s[:4]), "\x01\x02\x03\x04")
	check(t, "new checksum", string(s[16:18]), "\x05\x06")
}

func TestTCPFlagBits(t *testing.T) {
	for bit, f := range []packet.TCPFlags{
		packet.TCPFin, packet.TCPSyn, packet.TCPRst, packet.TCPPsh, packet.TCPAck, packet.TCPUrg,
	} {
		check(t, "flag", f, 1<<bit) // RFC 9293, 3.1
	}
}

func TestUDPView(t *testing.T) {
	u := packet.UDP{0x9c, 0x40, 0x00, 0x35, 0x00, 0x0a, 0xbe, 0xef, 1, 2}
	check(t, "source port", u.SrcPort(), 40000)
	check(t, "destination port", u.DstPort(), 53)
	check(t, "length", u.Length(), 10)
	check(t, "checksum", u.Checksum(), 0xbeef)
	u.SetSrcPort(0x0102)
	u.SetDstPort(0x0304)
	u.SetChecksum(0x0506)
	check(t, "datagram", string(u), "\x01\x02\x03\x04\x00\x0a\x05\x06\x01\x02")
}

func TestIPv6View(t *testing.T) {
	src, dst := netip.MustParseAddr("fd00::1").As16(), netip.MustParseAddr("2001:db8::2").As16()
	p := packet.IPv6{0x60, 0, 0, 0, 0x01, 0x02, 17, 63}
	p = append(append(p, src[:]...), dst[:]...)
	check(t, "version", p.Version(), 6)
	check(t, "payload length", p.PayloadLength(), 0x0102)
	check(t, "next header", p.NextHeader(), packet.ProtocolUDP)
	check(t, "hop limit", p.HopLimit(), 63)
	check(t, "source", p.Src(), packet.AddrOf6(src[:]))
	check(t, "destination", p.Dst(), packet.AddrOf6(dst[:]))
	check(t, "length", len(p), packet.IPv6Len)
}

func TestAddr4(t *testing.T) {
	for text, v := range map[string]uint32{
		"0.0.0.0": 0, "10.0.0.1": 0x0a000001, "255.255.255.255": 0xffffffff, "1.2.3.4": 0x01020304,
	} {
		check(t, text, packet.Addr4(netip.MustParseAddr(text)), v)
		check(t, text, packet.AddrFrom4(v), netip.MustParseAddr(text))
	}
}

func TestICMPIsError(t *testing.T) {
	errors := map[uint8]bool{3: true, 4: true, 5: true, 11: true, 12: true} // RFC 1122, 3.2.2
	for typ := range 256 {
		m := make(packet.ICMP, packet.ICMPLen)
		m[0] = uint8(typ)
		check(t, "error", m.IsError(), errors[uint8(typ)])
	}
}
