package modes

import "fulcrum/packet"

// outerTTL is the TTL of outer headers (RFC 1700's default).
const outerTTL = 64

// Encapsulate wraps the packet of either family that begins at b[20] into an outer IPv4 one (RFC
// 2003, RFC 4213). src and dst are its addresses in host byte order. The outer header takes DSCP
// and ECN (RFC 6040, normal mode) and DF from the inner one. Around IPv6, which is never fragmented
// on its way, DF is set. id is the outer identification, which matters without DF.
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

// Encapsulate6 wraps the packet of either family that begins at b[40] into an outer IPv6 one (RFC
// 2473). The flow label is zero.
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

// innerFields are what an outer header takes from the inner packet.
type innerFields struct {
	class, protocol uint8
	length          int // bytes
	df              bool
}

// forward decrements the inner packet's TTL and returns the fields for the outer header.
func forward(b []byte) innerFields {
	if b[0]>>4 == 6 {
		ip := packet.IPv6(b)
		Route6(ip)
		return innerFields{ip.TrafficClass(), packet.ProtocolIPv6,
			packet.IPv6Len + int(ip.PayloadLength()), true}
	}
	ip := packet.IPv4(b)
	ip.DecrementTTL()
	return innerFields{ip.TOS(), packet.ProtocolIPv4, int(ip.TotalLength()), ip.DontFragment()}
}
