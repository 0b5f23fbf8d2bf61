package packet

import "encoding/binary"

// Tunnelled4 looks for a tunnelled packet in a quoted IPv4 packet (RFC 2003, section 4; RFC 2473,
// section 8). b begins with the outer header and may be truncated. Tunnelled4 returns the offset
// of the inner packet and whether that is IPv6. The offset is 0 if there is no inner packet or the
// quotation ends before it.
func Tunnelled4(b []byte) (at int, six bool) {
	ip := IPv4(b)
	if len(b) < IPv4MinLen || ip.Version() != 4 || ip.HeaderLen() < IPv4MinLen ||
		ip.FragmentOffset() != 0 {
		return 0, false
	}
	return inside(b, ip.HeaderLen(), ip.Protocol())
}

// Tunnelled6 is Tunnelled4 for an outer IPv6 packet without extension headers.
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

// Quotation is the packet that an ICMP error quotes.
type Quotation struct {
	Key       Key // as the packet was sent, ports included
	Transport int // offset of the transport header from the start of the quoted IP header
}

// quotedPorts is the number of bytes of the transport header that must be there. Senders quote at
// least eight (RFC 792), which include the checksum of UDP.
const quotedPorts = 4

// Quoted4 reads the IPv4 packet at the start of b, which may be truncated. ok is false for
// protocols without ports, for all fragments but the first, and if the ports are missing. Addresses
// and protocol are valid even then, or zero.
func Quoted4(b []byte) (q Quotation, ok bool) {
	ip := IPv4(b)
	if len(b) < IPv4MinLen || ip.Version() != 4 || ip.HeaderLen() < IPv4MinLen ||
		ip.FragmentOffset() != 0 {
		return q, false
	}
	q.Key = Key{Flow{Src: AddrOf4(ip.Src()), Dst: AddrOf4(ip.Dst())}, ip.Protocol()}
	q.Transport = ip.HeaderLen()
	return q, q.readPorts(b)
}

// Quoted6 is Quoted4 for IPv6. It skips extension headers.
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
