package modes

import (
	"encoding/binary"
	"math/bits"

	"fulcrum/conntrack"
	"fulcrum/packet"
)

// Offsets in the frame of a usual packet (packet.ParseUsual).
const (
	usualTTL      = packet.EthernetLen + 8
	usualChecksum = packet.EthernetLen + 10
	usualSrc      = packet.EthernetLen + 12 // and the destination behind it
	usualPorts    = packet.EthernetLen + packet.IPv4MinLen
	usualTCPSum   = usualPorts + 16
	usualUDPSum   = usualPorts + 6
)

// TranslateUsual is Translate for the frame of a usual packet of session s. It adds up in the
// machine's byte order, and both addresses or both ports at a time: one's complement sums allow
// both (RFC 1071).
func TranslateUsual(f *[packet.UsualLen]byte, s *conntrack.Session, d conntrack.Direction) {
	other := &s.Out
	if d == conntrack.Outbound {
		other = &s.In
	}
	le := binary.LittleEndian
	addresses := bits.ReverseBytes64(uint64(other.Src) | uint64(other.Dst)<<32)
	ports := bits.ReverseBytes32(uint32(other.DstPort)<<16 | uint32(other.SrcPort))

	sum, carry := bits.Add64(^le.Uint64(f[usualSrc:]), addresses, 0)
	sum += carry
	change := sum>>32 + sum&0xffff_ffff
	le.PutUint64(f[usualSrc:], addresses)
	f[usualTTL]--
	const decremented = 0xfffe // the change of the TTL, which is the low byte of its word
	apply(f[usualChecksum:][:2], change+decremented)

	change += uint64(^le.Uint32(f[usualPorts:])) + uint64(ports)
	le.PutUint32(f[usualPorts:], ports)
	switch {
	case s.Protocol == packet.ProtocolTCP:
		apply(f[usualTCPSum:][:2], change)
	case le.Uint16(f[usualUDPSum:]) != 0:
		if apply(f[usualUDPSum:][:2], change); le.Uint16(f[usualUDPSum:]) == 0 {
			le.PutUint16(f[usualUDPSum:], 0xffff) // as nonzero
		}
	}
}

// apply corrects a checksum by a change.
func apply(field []byte, change uint64) {
	was := binary.LittleEndian.Uint16(field)
	binary.LittleEndian.PutUint16(field, ^packet.Fold(uint64(^was)+change))
}
