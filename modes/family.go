package modes

import "fulcrum/packet"

// fragmentable is the length of the longest IPv4 packet, made from an IPv6 one, that may be
// fragmented on its way: IPv6 could not have reported it as too big (RFC 7915, 5.1).
const fragmentable = packet.IPv6MinMTU - packet.IPv6Len + packet.IPv4MinLen

// SixToFour turns the IPv6 packet that begins at b[0] into an IPv4 one with the flow to (RFC 7915,
// section 5). transport is the offset of its transport header. The new header ends at transport,
// where the old one's extensions ended; the bytes in front of it are no longer part of the packet.
// id is the identification, used unless DF is set.
func SixToFour(b []byte, transport int, protocol uint8, to *packet.Flow4, id uint16) {
	ip := packet.IPv6(b)
	addresses := packet.Delta(0).ChangeAddr(ip.Src(), packet.AddrOf4(to.Src)).
		ChangeAddr(ip.Dst(), packet.AddrOf4(to.Dst))
	total := packet.IPv4MinLen + len(b) - transport
	fields := packet.IPv4Fields{
		TOS: ip.TrafficClass(), TotalLength: uint16(total), DontFragment: total > fragmentable,
		TTL: ip.HopLimit() - 1, Protocol: protocol, Src: to.Src, Dst: to.Dst,
	}
	if !fields.DontFragment {
		fields.ID = id
	}
	packet.IPv4(b[transport-packet.IPv4MinLen:]).Encode(fields)
	setTransport(b[transport:], protocol, ports{to.SrcPort, to.DstPort}, addresses)
}

// FourToSix turns an IPv4 packet into an IPv6 one with the flow to (RFC 7915, section 4). The
// packet's transport header begins at offset transport in b, after the IPv4 header of the given
// length. The new header ends at transport too and begins 40 bytes before it.
func FourToSix(b []byte, header, transport int, protocol uint8, to *packet.Flow) {
	ip := packet.IPv4(b[transport-header:])
	addresses := packet.Delta(0).ChangeAddr(packet.AddrOf4(ip.Src()), to.Src).
		ChangeAddr(packet.AddrOf4(ip.Dst()), to.Dst)
	length := len(b) - transport
	packet.IPv6(b[transport-packet.IPv6Len:]).Encode(packet.IPv6Fields{
		TrafficClass: ip.TOS(), PayloadLength: uint16(length), NextHeader: protocol,
		HopLimit: ip.TTL() - 1, Src: to.Src, Dst: to.Dst,
	})
	setTransport(b[transport:], protocol, ports{to.SrcPort, to.DstPort}, addresses)
	if u := packet.UDP(b[transport:]); protocol == packet.ProtocolUDP && u.Checksum() == 0 {
		// IPv6 does not allow datagrams without a checksum (RFC 7915, 4.5).
		u.SetChecksum(nonzero(^packet.Fold(packet.Sum(u,
			packet.PseudoHeader6(to.Src, to.Dst, protocol, length)))))
	}
}
