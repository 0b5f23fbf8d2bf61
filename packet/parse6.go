package packet

import "encoding/binary"

// maxExtensions limits the number of extension headers. Senders use few.
const maxExtensions = 8

// parseIPv6 checks the fixed header and walks the extension headers.
func (p *Parsed) parseIPv6(frame []byte) {
	if len(frame) < EthernetLen+IPv6Len {
		p.Fault = FaultTruncated
		return
	}
	ip := IPv6(frame[EthernetLen:])
	length := int(ip.PayloadLength())
	switch {
	case ip.Version() != 6:
		p.Fault = FaultIPVersion
		return
	case length > len(ip)-IPv6Len, length == 0 && ip.NextHeader() != NextNone:
		// Length 0 is a jumbogram (RFC 2675), which no frame holds.
		p.Fault = FaultIPTotalLength
		return
	case ip.Src().Is4(), ip.Dst().Is4(), ip[8] == 0xff:
		p.Fault = FaultIPv6Address
		return
	}
	p.TTL, p.DontFragment = ip.HopLimit(), true
	p.End = uint16(EthernetLen + IPv6Len + length)
	p.walk(frame, EthernetLen+IPv6Len, ip.NextHeader(), NextHopByHop)
}

// walk follows the chain of extension headers to the upper layer. It begins with the header of
// type next at offset at. Hop-by-hop options must come first: hopByHop is NextHopByHop while they
// are allowed, and NextNone afterwards.
func (p *Parsed) walk(frame []byte, at int, next, hopByHop uint8) {
	for range maxExtensions + 1 {
		b := frame[at:p.End]
		size := 0
		switch next {
		case NextFragment:
			if size = FragmentLen; len(b) < size {
				p.Fault = FaultIPv6Extension
				return
			}
			if binary.BigEndian.Uint16(b[2:4])&^6 != 0 { // 0 is an atomic fragment (RFC 6946)
				p.Kind, p.Protocol, p.Transport = Fragment6, b[0], uint16(at+size)
				return
			}
		case NextHopByHop, NextRouting, NextDestination, NextAH:
			if size = extensionSize(next, b); size == 0 || next == NextHopByHop && hopByHop != NextHopByHop {
				p.Fault = FaultIPv6Extension
				return
			}
		default:
			p.Protocol, p.Transport = next, uint16(at)
			p.parseUpper6(b)
			return
		}
		next, at, hopByHop = b[0], at+size, NextNone
	}
	p.Fault = FaultIPv6Extension
}

// extensionSize returns the length in bytes of the extension header at the start of b. It returns
// 0 for a truncated header, and for a routing header whose segments are not used up or whose type
// is 0 (RFC 5095 forbids it). The director does not forward along a source route.
func extensionSize(kind uint8, b []byte) int {
	if len(b) < 8 {
		return 0
	}
	size := (int(b[1]) + 1) * 8
	if kind == NextAH {
		size = (int(b[1]) + 2) * 4 // RFC 4302, 2.2
	}
	if size > len(b) || kind == NextRouting && (b[2] == 0 || b[3] != 0) {
		return 0
	}
	return size
}

// UpperLayerPointer returns the place of the field that names the upper layer's protocol: the last
// Next Header field of an IPv6 packet, in bytes from the start of its header. p must be the result
// of Parse for frame, of an IPv6 kind.
func (p *Parsed) UpperLayerPointer(frame []byte) int {
	pointer, at, next := 6, int(p.Network)+IPv6Len, frame[p.Network+6]
	for at < int(p.Transport) {
		size := FragmentLen
		if next != NextFragment {
			size = extensionSize(next, frame[at:p.Transport])
		}
		pointer, next = at-int(p.Network), frame[at]
		at += size
	}
	return pointer
}

// parseUpper6 is parseTransport for IPv6.
func (p *Parsed) parseUpper6(b []byte) {
	switch p.Protocol {
	case ProtocolTCP:
		p.parseTCP(b)
	case ProtocolUDP:
		p.parseUDP(b)
	case ProtocolSCTP:
		p.parseSCTP(b)
	case ProtocolICMPv6:
		p.Kind = ICMP6
		if len(b) < ICMPLen {
			p.Kind, p.Fault = Invalid, FaultTruncated
		}
		return
	default:
		p.Kind = Other6
		return
	}
	if p.Kind != Invalid {
		p.Kind += TCP6 - TCP4
	}
}

// Key returns addresses, ports and protocol of an IP packet of either family. Ports are valid as
// in Parsed. frame must be the one that was parsed.
func (p *Parsed) Key(frame []byte) (k Key) {
	p.WriteKey(&k, frame)
	return k
}

// WriteKey writes the result of Key into k, field by field. The CPU stalls when a whole key is
// copied right after its fields were written.
func (p *Parsed) WriteKey(k *Key, frame []byte) {
	if p.Kind.Is6() {
		ip := IPv6(frame[p.Network:])
		k.Src, k.Dst = ip.Src(), ip.Dst()
	} else {
		k.Src, k.Dst = AddrOf4(p.Src), AddrOf4(p.Dst)
	}
	k.SrcPort, k.DstPort, k.Protocol = p.SrcPort, p.DstPort, p.Protocol
}
