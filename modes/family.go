package modes

import "fulcrum/packet"

// fragmentable is the longest IPv4 packet made of an IPv6 one that may be fragmented on its way: where IPv6 could not have said
// that it is too big (RFC 7915, 5.1).
const fragmentable = packet.IPv6MinMTU - packet.IPv6Len + packet.IPv4MinLen

// SixToFour makes a packet of IPv6, which b holds from its header on, one of IPv4 that goes on the flow to (RFC 7915, section 5). The new
// header ends where the old one's extensions did, at offset transport; what is in front of it is no longer of the packet.
func SixToFour(b []byte, transport int, protocol uint8, to *packet.Flow4, id uint16) {
	ip := packet.IPv6(b)
	addresses := packet.Delta(0).ChangeAddr(ip.Src(), packet.AddrOf4(to.Src)).ChangeAddr(ip.Dst(), packet.AddrOf4(to.Dst))
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

// FourToSix makes the packet of IPv4 whose header of the given length lies in b in front of offset transport one of IPv6 that goes on the
// flow to (RFC 7915, section 4). The new header ends where the old one did and begins 40 bytes before.
func FourToSix(b []byte, header, transport int, protocol uint8, to *packet.Flow) {
	ip := packet.IPv4(b[transport-header:])
	addresses := packet.Delta(0).ChangeAddr(packet.AddrOf4(ip.Src()), to.Src).ChangeAddr(packet.AddrOf4(ip.Dst()), to.Dst)
	length := len(b) - transport
	packet.IPv6(b[transport-packet.IPv6Len:]).Encode(packet.IPv6Fields{
		TrafficClass: ip.TOS(), PayloadLength: uint16(length), NextHeader: protocol, HopLimit: ip.TTL() - 1, Src: to.Src, Dst: to.Dst,
	})
	setTransport(b[transport:], protocol, ports{to.SrcPort, to.DstPort}, addresses)
	if u := packet.UDP(b[transport:]); protocol == packet.ProtocolUDP && u.Checksum() == 0 {
		// IPv6 has no datagrams without a checksum (RFC 7915, 4.5).
		u.SetChecksum(nonzero(^packet.Fold(packet.Sum(u, packet.PseudoHeader6(to.Src, to.Dst, protocol, length)))))
	}
}
