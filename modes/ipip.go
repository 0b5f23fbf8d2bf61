package modes

import "fulcrum/packet"

// outerTTL is the TTL of the outer header (RFC 1700's default).
const outerTTL = 64

// Encapsulate wraps the IPv4 packet that follows the first 20 bytes of b into an outer one from src to dst
// (RFC 2003). The outer header takes DSCP and ECN (RFC 6040, normal mode) and DF from the inner one.
// id is the outer packet's identification, which matters when it may be fragmented on its way.
func Encapsulate(b []byte, src, dst uint32, id uint16) {
	inner := packet.IPv4(b[packet.IPv4MinLen:])
	inner.DecrementTTL()
	packet.IPv4(b).Encode(packet.IPv4Fields{
		TOS:          inner.TOS(),
		TotalLength:  uint16(packet.IPv4MinLen) + inner.TotalLength(),
		ID:           id,
		DontFragment: inner.DontFragment(),
		TTL:          outerTTL,
		Protocol:     packet.ProtocolIPv4,
		Src:          src,
		Dst:          dst,
	})
}
