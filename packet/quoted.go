package packet

import "encoding/binary"

// Tunnelled4 and Tunnelled6 report where, behind the beginning of a quoted packet, the one begins that a tunnel carries in it (RFC 2003,
// section 4; RFC 2473, section 8), and whether that is one of IPv6; 0 if it carries none or that is not quoted.
func Tunnelled4(b []byte) (at int, six bool) {
	ip := IPv4(b)
	if len(b) < IPv4MinLen || ip.Version() != 4 || ip.HeaderLen() < IPv4MinLen || ip.FragmentOffset() != 0 {
		return 0, false
	}
	return inside(b, ip.HeaderLen(), ip.Protocol())
}

// Tunnelled6 is Tunnelled4 for an outer packet of IPv6, without extension headers.
func Tunnelled6(b []byte) (at int, six bool) {
	if len(b) < IPv6Len || IPv6(b).Version() != 6 {
		return 0, false
	}
	return inside(b, IPv6Len, IPv6(b).NextHeader())
}

func inside(b []byte, at int, protocol uint8) (int, bool) {
	if len(b) <= at || protocol != ProtocolIPv4 && protocol != ProtocolIPv6 {
		return 0, false
	}
	return at, protocol == ProtocolIPv6
}

// Quotation is the packet that an ICMP error is about, as far as the error quotes it.
type Quotation struct {
	Key       Key // of TCP, UDP and SCTP
	Transport int // offset of the transport header behind the quoted IP header's beginning
}

// quotedPorts is as much as must be there of the transport header. Senders give eight bytes at least (RFC 792), which
// hold UDP's checksum too.
const quotedPorts = 4

// Quoted4 reads the IPv4 packet that b begins with, which may be cut off. It reports false for what has no ports: other protocols,
// and all fragments but the first.
func Quoted4(b []byte) (q Quotation, ok bool) {
	ip := IPv4(b)
	if len(b) < IPv4MinLen || ip.Version() != 4 || ip.HeaderLen() < IPv4MinLen || ip.FragmentOffset() != 0 {
		return q, false
	}
	q.Key = Key{Flow{Src: AddrOf4(ip.Src()), Dst: AddrOf4(ip.Dst())}, ip.Protocol()}
	q.Transport = ip.HeaderLen()
	return q, q.readPorts(b)
}

// Quoted6 is Quoted4 for IPv6.
func Quoted6(b []byte) (q Quotation, ok bool) {
	ip := IPv6(b)
	if len(b) < IPv6Len || ip.Version() != 6 || ip.Src().Is4() || ip.Dst().Is4() {
		return q, false
	}
	at, next := IPv6Len, ip.NextHeader()
	for range maxExtensions {
		if !isExtension(next) {
			break
		}
		rest := b[at:]
		size := FragmentLen
		if next != NextFragment {
			size = extensionSize(next, rest)
		} else if len(rest) < size || binary.BigEndian.Uint16(rest[2:4])&^7 != 0 {
			return q, false
		}
		if size == 0 {
			return q, false
		}
		at, next = at+size, rest[0]
	}
	q.Key = Key{Flow{Src: ip.Src(), Dst: ip.Dst()}, next}
	q.Transport = at
	return q, q.readPorts(b)
}

func (q *Quotation) readPorts(b []byte) bool {
	if len(b) < q.Transport+quotedPorts {
		return false
	}
	q.Key.SrcPort = binary.BigEndian.Uint16(b[q.Transport:])
	q.Key.DstPort = binary.BigEndian.Uint16(b[q.Transport+2:])
	switch q.Key.Protocol {
	case ProtocolTCP, ProtocolUDP, ProtocolSCTP:
		return true
	}
	return false
}
