package modes

import (
	"fulcrum/conntrack"
	"fulcrum/packet"
)

// Translate rewrites a packet of session s that goes in direction d, as nat and fullnat do: what comes in on
// one flow of a session leaves as the reverse of its other flow. transport is the offset of the protocol's
// header in ip, as checked by packet.Parse, and nothing follows the packet. Checksums are corrected by difference, so that one that was wrong
// stays wrong, and UDP without a checksum stays without.
func Translate(ip packet.IPv4, transport int, s *conntrack.Session, d conntrack.Direction) {
	other := &s.Out
	if d == conntrack.Outbound {
		other = &s.In
	}
	to := conntrack.Flow4{Src: other.Dst, Dst: other.Src, SrcPort: other.DstPort, DstPort: other.SrcPort}

	addresses := packet.Delta(0).Change32(ip.Src(), to.Src).Change32(ip.Dst(), to.Dst)
	setNetwork(ip, &to, addresses)
	setTransport(ip[transport:], s.Protocol, ports{to.SrcPort, to.DstPort}, addresses)
}

func setNetwork(ip packet.IPv4, to *conntrack.Flow4, addresses packet.Delta) {
	ttl := uint16(ip.TTL())<<8 | uint16(ip.Protocol())
	ip.SetSrc(to.Src)
	ip.SetDst(to.Dst)
	ip.SetTTL(ip.TTL() - 1)
	ip.SetChecksum(addresses.Change16(ttl, ttl-0x100).Apply(ip.Checksum()))
}
