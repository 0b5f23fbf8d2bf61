package modes

import "fulcrum/packet"

// outerTTL is the TTL of the outer header (RFC 1700's default).
const outerTTL = 64

// Encapsulate wraps the packet of either family that follows the first 20 bytes of b into an outer one of IPv4, from src to dst (RFC
// 2003, RFC 4213). The outer header takes DSCP and ECN (RFC 6040, normal mode) and DF from the inner one; IPv6 is never
// fragmented on its way, which DF says. id is the outer packet's identification, which matters when it may be.
func Encapsulate(b []byte, src, dst uint32, id uint16) {
	inner := forward(b[packet.IPv4MinLen:])
	packet.IPv4(b).Encode(packet.IPv4Fields{
		TOS:          inner.class,
		TotalLength:  uint16(packet.IPv4MinLen + inner.length),
		ID:           id,
		DontFragment: inner.df,
		TTL:          outerTTL,
		Protocol:     inner.protocol,
		Src:          src,
		Dst:          dst,
	})
}

// Encapsulate6 wraps the packet of either family that follows the first 40 bytes of b into an outer one of IPv6 (RFC 2473), whose
// flow label is zero.
func Encapsulate6(b []byte, src, dst packet.Addr) {
	inner := forward(b[packet.IPv6Len:])
	packet.IPv6(b).Encode(packet.IPv6Fields{
		TrafficClass:  inner.class,
		PayloadLength: uint16(inner.length),
		NextHeader:    inner.protocol,
		HopLimit:      outerTTL,
		Src:           src,
		Dst:           dst,
	})
}

// innerFields are what an outer header takes from the inner one.
type innerFields struct {
	class, protocol uint8
	length          int // bytes
	df              bool
}

// forward takes the packet inside a tunnel one hop on, and says what the outer header has to know of it.
func forward(b []byte) innerFields {
	if b[0]>>4 == 6 {
		ip := packet.IPv6(b)
		Route6(ip)
		return innerFields{ip.TrafficClass(), packet.ProtocolIPv6, packet.IPv6Len + int(ip.PayloadLength()), true}
	}
	ip := packet.IPv4(b)
	ip.DecrementTTL()
	return innerFields{ip.TOS(), packet.ProtocolIPv4, int(ip.TotalLength()), ip.DontFragment()}
}
