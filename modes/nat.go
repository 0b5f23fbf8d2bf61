package modes

import (
	"fulcrum/conntrack"
	"fulcrum/packet"
)

// Translate rewrites a packet of session s that goes in direction d, as nat and fullnat do: what comes in on
// one flow of a session leaves as the reverse of its other flow. transport is the offset of the TCP or UDP
// header in ip, as checked by packet.Parse. Checksums are corrected by difference, so that one that was wrong
// stays wrong, and UDP without a checksum stays without.
func Translate(ip packet.IPv4, transport int, s *conntrack.Session, d conntrack.Direction) {
	other := &s.Out
	if d == conntrack.Outbound {
		other = &s.In
	}
	to := conntrack.Flow4{Src: other.Dst, Dst: other.Src, SrcPort: other.DstPort, DstPort: other.SrcPort}

	addresses := packet.Delta(0).Change32(ip.Src(), to.Src).Change32(ip.Dst(), to.Dst)
	setNetwork(ip, &to, addresses)
	if s.Protocol == packet.ProtocolTCP {
		setTCP(packet.TCP(ip[transport:]), &to, addresses)
	} else {
		setUDP(packet.UDP(ip[transport:]), &to, addresses)
	}
}

func setNetwork(ip packet.IPv4, to *conntrack.Flow4, addresses packet.Delta) {
	ttl := uint16(ip.TTL())<<8 | uint16(ip.Protocol())
	ip.SetSrc(to.Src)
	ip.SetDst(to.Dst)
	ip.SetTTL(ip.TTL() - 1)
	ip.SetChecksum(addresses.Change16(ttl, ttl-0x100).Apply(ip.Checksum()))
}

func setTCP(t packet.TCP, to *conntrack.Flow4, addresses packet.Delta) {
	all := addresses.Change16(t.SrcPort(), to.SrcPort).Change16(t.DstPort(), to.DstPort)
	t.SetSrcPort(to.SrcPort)
	t.SetDstPort(to.DstPort)
	t.SetChecksum(all.Apply(t.Checksum()))
}

func setUDP(u packet.UDP, to *conntrack.Flow4, addresses packet.Delta) {
	all := addresses.Change16(u.SrcPort(), to.SrcPort).Change16(u.DstPort(), to.DstPort)
	u.SetSrcPort(to.SrcPort)
	u.SetDstPort(to.DstPort)
	old := u.Checksum()
	if old == 0 {
		return
	}
	sum := all.Apply(old)
	if sum == 0 {
		sum = 0xffff // zero would say that there is none (RFC 768)
	}
	u.SetChecksum(sum)
}
