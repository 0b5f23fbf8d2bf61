package modes

import (
	"fulcrum/conntrack"
	"fulcrum/packet"
)

// Translate rewrites a packet of session s in direction d, as nat and fullnat do. A packet on one
// flow of a session leaves as the reverse of the other flow. transport is the offset of the
// transport header in ip, as packet.Parse checked it; ip ends with the packet. Checksums are
// corrected by difference: a wrong one stays wrong, and UDP without a checksum stays without.
func Translate(ip packet.IPv4, transport int, s *conntrack.Session, d conntrack.Direction) {
	other := &s.Out
	if d == conntrack.Outbound {
		other = &s.In
	}
	to := conntrack.Flow4{Src: other.Dst, Dst: other.Src, SrcPort: other.DstPort,
		DstPort: other.SrcPort}

	addresses := packet.Delta(0).Change32(ip.Src(), to.Src).Change32(ip.Dst(), to.Dst)
	setNetwork(ip, &to, addresses)
	setTransport(ip[transport:], s.Protocol, ports{to.SrcPort, to.DstPort}, addresses)
}

// setNetwork sets the addresses, decrements the TTL and corrects the checksum. addresses is the
// change that the new addresses make.
func setNetwork(ip packet.IPv4, to *conntrack.Flow4, addresses packet.Delta) {
	ttl := uint16(ip.TTL())<<8 | uint16(ip.Protocol())
	ip.SetSrc(to.Src)
	ip.SetDst(to.Dst)
	ip.SetTTL(ip.TTL() - 1)
	ip.SetChecksum(addresses.Change16(ttl, ttl-0x100).Apply(ip.Checksum()))
}
