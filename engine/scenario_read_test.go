package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"fulcrum/lvs"
	"hash/crc32"
	"net/netip"
	"strings"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/packet"
)

// reading is an IP packet that is put into words. It shares no code with the director's parser.
type reading struct {
	*scenario
	out      strings.Builder
	src, dst netip.Addr
	protocol uint8
	six      bool
	body     []byte // behind the IP header, as far as it is there
	length   int    // of the body by the IP header
	offset   int    // of a fragment
	fragment bool
	more     bool
	id       uint32
	options  string
}

// read puts a frame that a port sent into the notation of packets.
func (s *scenario) read(port int, f []byte) string {
	e := packet.Ethernet(f)
	if e.Src() != s.site.ports[port].mac {
		s.Fatalf("port %d sent under another's MAC:\n%s", port, dump(f))
	}
	if e.Type() == packet.EtherTypeARP {
		return readARP(e, f[packet.EthernetLen:])
	}
	s.sound(f[packet.EthernetLen:])
	r := &reading{scenario: s}
	r.ip(f[packet.EthernetLen:])
	if r.protocol == packet.ProtocolICMPv6 && (r.body[0] == 135 || r.body[0] == 136) {
		return readND(e, r)
	}
	text := r.out.String()
	if a, ok := stationOf(e.Dst()); !ok {
		text += fmt.Sprintf(" to %v", e.Dst())
	} else if a != r.dst {
		text += fmt.Sprintf(" via %v", a)
	}
	return text
}

// sound fails the scenario unless the lengths and checksums of a packet are right. It has gopacket
// read only IP: gopacket would guess the payload's protocol by its ports.
func (s *scenario) sound(b []byte) {
	var err error
	if b[0]>>4 == 6 {
		var ip layers.IPv6
		if err = ip.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err == nil {
			judgeIPv6(s, &ip)
			s.soundSCTP(uint8(ip.NextHeader), ip.Payload)
		}
	} else {
		var ip layers.IPv4
		if err = ip.DecodeFromBytes(b, gopacket.NilDecodeFeedback); err == nil {
			judgeIPv4(s, &ip)
			s.soundSCTP(uint8(ip.Protocol), ip.Payload)
		}
	}
	if err != nil {
		s.Fatalf("gopacket cannot read what was sent: %v\n%x", err, b)
	}
}

// soundSCTP checks SCTP's own checksum (RFC 9260, appendix A).
func (s *scenario) soundSCTP(protocol uint8, b []byte) {
	if protocol != packet.ProtocolSCTP {
		return
	}
	b = bytes.Clone(b)
	sum := binary.LittleEndian.Uint32(b[8:])
	clear(b[8:12])
	if want := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)); sum != want {
		s.Fatalf("SCTP checksum %#x, want %#x", sum, want)
	}
}

func readARP(e packet.Ethernet, b []byte) string {
	sender, target := netip.AddrFrom4([4]byte(b[14:18])), netip.AddrFrom4([4]byte(b[24:28]))
	switch {
	case b[7] == 2 && sender == target:
		return fmt.Sprintf("arp announces %v by a reply", sender)
	case b[7] == 2:
		return fmt.Sprintf("arp %v is-at %v to %v", sender, packet.MAC(b[8:14]), target)
	case sender == target:
		return fmt.Sprintf("arp announces %v", sender)
	case e.Dst() == packet.Broadcast:
		return fmt.Sprintf("arp who-has %v tell %v", target, sender)
	}
	return fmt.Sprintf("arp who-has %v tell %v, asked directly", target, sender)
}

func readND(e packet.Ethernet, r *reading) string {
	target := netip.AddrFrom16([16]byte(r.body[8:24]))
	switch {
	case r.body[0] == 136 && r.dst.IsMulticast():
		return fmt.Sprintf("nd announces %v", target)
	case r.body[0] == 136:
		return fmt.Sprintf("nd %v is-at %v to %v", target, packet.MAC(r.body[26:32]), r.dst)
	case r.dst.IsMulticast():
		return fmt.Sprintf("nd who-has %v tell %v", target, r.src)
	}
	return fmt.Sprintf("nd who-has %v tell %v, asked directly", target, r.src)
}

// ip reads a packet, which may be cut off after the first eight bytes of its transport header.
func (r *reading) ip(b []byte) {
	if r.six = b[0]>>4 == 6; r.six {
		r.ip6(b)
	} else {
		r.ip4(b)
	}
	if r.offset != 0 {
		fmt.Fprintf(&r.out, "%s %v > %v", protocolWord(r.protocol), r.src, r.dst)
	} else {
		r.transport()
	}
	r.out.WriteString(r.options)
	if r.fragment {
		r.place()
	}
	r.inside()
}

func (r *reading) ip4(b []byte) {
	header := int(b[0]&0xf) * 4
	place := binary.BigEndian.Uint16(b[6:])
	r.src, r.dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	r.protocol, r.length, r.body = b[9], quotedLength(b)-header, b[header:]
	r.offset, r.more = int(place&0x1fff)*8, place&0x2000 != 0
	r.id = uint32(binary.BigEndian.Uint16(b[4:]))
	r.fragment = r.more || r.offset != 0
	r.header(b[8], b[1], place&0x4000 != 0)
}

func (r *reading) ip6(b []byte) {
	r.src, r.dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	r.protocol, r.length, r.body = b[6], quotedLength(b)-packet.IPv6Len, b[packet.IPv6Len:]
	if r.protocol == 44 {
		place := binary.BigEndian.Uint16(r.body[2:])
		r.fragment, r.offset, r.more = true, int(place&^7), place&1 != 0
		r.protocol, r.id = r.body[0], binary.BigEndian.Uint32(r.body[4:])
		r.length, r.body = r.length-8, r.body[8:]
	}
	r.header(b[7], byte(binary.BigEndian.Uint16(b)>>4), false)
}

// header writes what is unusual about an IP header.
func (r *reading) header(ttl, tos byte, df bool) {
	if ttl != 64 {
		r.options += fmt.Sprintf(" ttl=%d", ttl)
	}
	if tos != 0 {
		r.options += fmt.Sprintf(" tos=%#x", tos)
	}
	if df {
		r.options += " df"
	}
}

func protocolWord(number uint8) string {
	switch number {
	case packet.ProtocolIPv4, packet.ProtocolIPv6:
		return "ipip"
	case packet.ProtocolICMPv6:
		return "icmp"
	case protocolGRE:
		return "gre"
	}
	return lvs.Protocol(number).String()
}

// transport reads the packet's protocol and its ends.
func (r *reading) transport() {
	if len(r.body) > r.length {
		r.body = r.body[:r.length] // the rest is padding
	}
	switch word := protocolWord(r.protocol); word {
	case "tcp":
		r.ends(word)
		r.tcp()
	case "udp":
		r.ends(word)
		r.payload(packet.UDPLen, int(binary.BigEndian.Uint16(r.body[4:])))
	case "sctp":
		r.ends(word)
		r.chunk()
	case "icmp":
		fmt.Fprintf(&r.out, "icmp %s %v > %v", r.icmpKind(), r.src, r.dst)
	default:
		fmt.Fprintf(&r.out, "%s %v > %v", word, r.src, r.dst)
	}
}

// ends writes SOURCE > DESTINATION.
func (r *reading) ends(word string) {
	src := netip.AddrPortFrom(r.src, binary.BigEndian.Uint16(r.body))
	dst := netip.AddrPortFrom(r.dst, binary.BigEndian.Uint16(r.body[2:]))
	fmt.Fprintf(&r.out, "%s %s > %s", word, r.end(src), r.end(dst))
}

// end names a local address and port that the director chose, since another run chooses others.
func (s *scenario) end(a netip.AddrPort) string {
	if name, ok := s.localName(a); ok {
		return name
	}
	return a.String()
}

func (r *reading) tcp() {
	if len(r.body) < packet.TCPMinLen {
		return // quoted, and cut off
	}
	flags := ""
	for _, letter := range "SFRPA" {
		if flag, _ := packet.ParseTCPFlags(string(letter)); packet.TCPFlags(r.body[13])&flag != 0 {
			flags += string(letter)
		}
	}
	if flags == "" {
		flags = "none"
	}
	r.out.WriteString(" " + flags)
	r.number("seq", 4, 1000)
	r.number("ack", 8, 2000)
	header := int(r.body[12]>>4) * 4
	if header > packet.TCPMinLen && r.body[20] == 2 {
		fmt.Fprintf(&r.out, " mss=%d", binary.BigEndian.Uint16(r.body[22:]))
	}
	r.payload(header, r.length)
}

// number shows a number of the TCP header unless it is the usual one.
func (r *reading) number(name string, at int, usual uint32) {
	if n := binary.BigEndian.Uint32(r.body[at:]); n != usual {
		fmt.Fprintf(&r.out, " %s=%d", name, n)
	}
}

// payload shows the data behind a header of a packet with length bytes.
func (r *reading) payload(header, length int) {
	n := length - header
	switch {
	case n <= 0:
	case n > 40 || len(r.body) < length:
		fmt.Fprintf(&r.out, " len=%d", n)
	default:
		fmt.Fprintf(&r.out, " %q", r.body[header:length])
	}
}

func (r *reading) chunk() {
	for name, kind := range chunkKinds {
		if len(r.body) > packet.SCTPLen && r.body[packet.SCTPLen] == kind {
			r.out.WriteString(" " + name)
		}
	}
}

// icmpKind names a message, and writes what its second word says.
func (r *reading) icmpKind() string {
	for _, k := range icmpKinds {
		typ, code := k.typ, k.code
		if r.six {
			typ, code = icmpTwin(layers.CreateICMPv4TypeCode(k.typ, k.code))
		}
		if r.body[0] != typ || r.body[1] != code {
			continue
		}
		switch rest := binary.BigEndian.Uint32(r.body[4:]); {
		case k.name == "protocol-unreachable" && r.six:
			r.options += fmt.Sprintf(" pointer=%d", rest)
		case k.name == "too-big":
			r.options += fmt.Sprintf(" mtu=%d", rest)
		case strings.HasPrefix(k.name, "echo"):
			r.options += fmt.Sprintf(" echo=%d", rest>>16)
		}
		return k.name
	}
	return fmt.Sprintf("type=%d code=%d", r.body[0], r.body[1])
}

// place writes the place of a fragment in its datagram.
func (r *reading) place() {
	fmt.Fprintf(&r.out, " id=%d frag=%d+%d", r.id, r.offset, r.length)
	if r.more {
		r.out.WriteString(" more")
	}
}

// inside reads the packet that another packet quotes or carries.
func (r *reading) inside() {
	inner := &reading{scenario: r.scenario}
	switch word := protocolWord(r.protocol); {
	case r.offset != 0:
		return
	case word == "ipip":
		if !r.fragment {
			r.sound(r.body)
		}
		inner.ip(r.body)
		r.out.WriteString(" carrying " + inner.out.String())
	case word == "icmp" && len(r.body) > packet.ICMPLen && strings.Contains(r.out.String(), "echo"):
		r.payload(packet.ICMPLen, r.length)
	case word == "icmp" && len(r.body) > packet.ICMPLen+packet.IPv4MinLen+7:
		inner.ip(r.body[packet.ICMPLen:])
		r.out.WriteString(" about " + inner.out.String())
	}
}
