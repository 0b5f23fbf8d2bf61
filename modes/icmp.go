package modes

import (
	"encoding/binary"

	"fulcrum/packet"
)

// The offsets of checksums in transport headers, in bytes.
const (
	udpChecksum = 6
	tcpChecksum = 16
)

// TranslateError translates an ICMP error from one side of a session to the other side (RFC 5508,
// section 4). from and to are its new addresses. inner is the new flow of the quoted packet, as
// that side knows it. transport is the offset of the ICMP message in ip, q the result of
// packet.Quoted4 for what follows its header. A wrong checksum stays wrong.
func TranslateError(ip packet.IPv4, transport int, q *packet.Quotation, from, to uint32, inner *packet.Flow4) {
	outer := packet.Flow4{Src: from, Dst: to}
	setNetwork(ip, &outer, packet.Delta(0).Change32(ip.Src(), from).Change32(ip.Dst(), to))
	message := packet.ICMP(ip[transport:])
	quoted := packet.IPv4(message[packet.ICMPLen:])

	addresses := packet.Delta(0).Change32(quoted.Src(), inner.Src).Change32(quoted.Dst(), inner.Dst)
	quoted.SetSrc(inner.Src)
	quoted.SetDst(inner.Dst)
	old := quoted.Checksum()
	quoted.SetChecksum(addresses.Apply(old))
	all := addresses.Change16(old, quoted.Checksum())
	all += quotePorts(quoted[q.Transport:], q.Key.Protocol, ports{inner.SrcPort, inner.DstPort}, addresses)
	message.SetChecksum(all.Apply(message.Checksum()))
}

// TranslateError6 is TranslateError for IPv6.
func TranslateError6(ip packet.IPv6, transport int, q *packet.Quotation, from, to packet.Addr, inner *packet.Flow) {
	all := packet.Delta(0).ChangeAddr(ip.Src(), from).ChangeAddr(ip.Dst(), to)
	ip.SetSrc(from)
	ip.SetDst(to)
	Route6(ip)
	message := packet.ICMPv6(ip[transport:])
	quoted := packet.IPv6(message[packet.ICMPLen:])

	addresses := packet.Delta(0).ChangeAddr(quoted.Src(), inner.Src).ChangeAddr(quoted.Dst(), inner.Dst)
	quoted.SetSrc(inner.Src)
	quoted.SetDst(inner.Dst)
	all += addresses
	all += quotePorts(quoted[q.Transport:], q.Key.Protocol, ports{inner.SrcPort, inner.DstPort}, addresses)
	message.SetChecksum(all.Apply(message.Checksum()))
}

// quotePorts sets the ports of a quoted transport header, and corrects its checksum if the
// quotation includes it. It returns the change for the checksum of the message around it.
func quotePorts(b []byte, protocol uint8, to ports, addresses packet.Delta) packet.Delta {
	src, dst := binary.BigEndian.Uint16(b[0:2]), binary.BigEndian.Uint16(b[2:4])
	change := packet.Delta(0).Change16(src, to.src).Change16(dst, to.dst)
	binary.BigEndian.PutUint16(b[0:2], to.src)
	binary.BigEndian.PutUint16(b[2:4], to.dst)
	at := 0
	switch protocol {
	case packet.ProtocolTCP:
		at = tcpChecksum
	case packet.ProtocolUDP:
		at = udpChecksum
	}
	if at == 0 || len(b) < at+2 {
		return change
	}
	old := binary.BigEndian.Uint16(b[at:])
	if protocol == packet.ProtocolUDP && old == 0 {
		return change
	}
	sum := (addresses + change).Apply(old)
	if protocol == packet.ProtocolUDP {
		sum = nonzero(sum)
	}
	binary.BigEndian.PutUint16(b[at:], sum)
	return change.Change16(old, sum)
}
