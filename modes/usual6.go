package modes

import (
	"encoding/binary"
	"math/bits"

	"fulcrum/conntrack"
	"fulcrum/packet"
)

// Offsets in the frame of a usual IPv6 packet.
const (
	usualHopLimit = packet.EthernetLen + 7
	usualSrc6     = packet.EthernetLen + 8 // and the destination behind it
	usualPorts6   = packet.EthernetLen + packet.IPv6Len
	usualTCPSum6  = usualPorts6 + 16
	usualUDPSum6  = usualPorts6 + 6
)

// TranslateUsual6 is Translate6 for the frame of a usual packet of session s, which has the
// addresses a.
func TranslateUsual6(
	frame []byte, s *conntrack.Session, a *conntrack.Addresses6, d conntrack.Direction,
) {
	other, pair := &s.Out, &a.Out
	if d == conntrack.Outbound {
		other, pair = &s.In, &a.In
	}
	f, le := (*[packet.UsualLen6]byte)(frame), binary.LittleEndian
	sum, carry := replace(f[usualSrc6:], pair.Dst.Hi, 0, 0)
	sum, carry = replace(f[usualSrc6+8:], pair.Dst.Lo, sum, carry)
	sum, carry = replace(f[usualSrc6+16:], pair.Src.Hi, sum, carry)
	sum, carry = replace(f[usualSrc6+24:], pair.Src.Lo, sum, carry)
	sum, carry = bits.Add64(sum, 0, carry)
	sum += carry
	f[usualHopLimit]--

	ports := bits.ReverseBytes32(uint32(other.DstPort)<<16 | uint32(other.SrcPort))
	change := sum>>32 + sum&0xffff_ffff + uint64(^le.Uint32(f[usualPorts6:])) + uint64(ports)
	le.PutUint32(f[usualPorts6:], ports)
	if s.Protocol == packet.ProtocolTCP {
		apply(frame[usualTCPSum6:][:2], change)
	} else if le.Uint16(f[usualUDPSum6:]) != 0 {
		if apply(f[usualUDPSum6:][:2], change); le.Uint16(f[usualUDPSum6:]) == 0 {
			le.PutUint16(f[usualUDPSum6:], 0xffff) // as nonzero
		}
	}
}

// replace writes half an address, and adds the change to a sum.
func replace(b []byte, half, sum, carry uint64) (newSum, newCarry uint64) {
	half = bits.ReverseBytes64(half)
	sum, carry = bits.Add64(sum, ^binary.LittleEndian.Uint64(b), carry)
	binary.LittleEndian.PutUint64(b, half)
	sum, more := bits.Add64(sum, half, carry)
	return sum, more
}
