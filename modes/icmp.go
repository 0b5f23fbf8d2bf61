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

// Error4 is what an ICMP error says on the side of its session to which it is translated.
type Error4 struct {
	From, To uint32        // its own addresses, in host byte order
	Inner    *packet.Flow4 // flow of the quoted packet, as that side knows it
}

// Error6 is Error4 for an ICMPv6 error.
type Error6 struct {
	From, To packet.Addr  // its own addresses
	Inner    *packet.Flow // flow of the quoted packet, as that side knows it
}

// TranslateError translates an ICMP error from one side of a session to the other side (RFC 5508,
// section 4). transport is the offset of the ICMP message in ip, q the result of packet.Quoted4 for
// what follows its header. A wrong checksum stays wrong.
func TranslateError(ip packet.IPv4, transport int, q *packet.Quotation, to Error4) {
	inner := to.Inner
	outer := packet.Flow4{Src: to.From, Dst: to.To}
	setNetwork(ip, &outer, packet.Delta(0).Change32(ip.Src(), to.From).Change32(ip.Dst(), to.To))
	message := packet.ICMP(ip[transport:])
	quoted := packet.IPv4(message[packet.ICMPLen:])

	addresses := packet.Delta(0).Change32(quoted.Src(), inner.Src).Change32(quoted.Dst(), inner.Dst)
	quoted.SetSrc(inner.Src)
	quoted.SetDst(inner.Dst)
	old := quoted.Checksum()
	quoted.SetChecksum(addresses.Apply(old))
	all := addresses.Change16(old, quoted.Checksum())
	all += quotePorts(quoted[q.Transport:], q.Key.Protocol, ports{inner.SrcPort, inner.DstPort},
		addresses)
	message.SetChecksum(all.Apply(message.Checksum()))
}

// TranslateError6 is TranslateError for IPv6.
func TranslateError6(ip packet.IPv6, transport int, q *packet.Quotation, to Error6) {
	inner := to.Inner
	all := packet.Delta(0).ChangeAddr(ip.Src(), to.From).ChangeAddr(ip.Dst(), to.To)
	ip.SetSrc(to.From)
	ip.SetDst(to.To)
	Route6(ip)
	message := packet.ICMPv6(ip[transport:])
	quoted := packet.IPv6(message[packet.ICMPLen:])

	addresses := packet.Delta(0).ChangeAddr(quoted.Src(), inner.Src).
		ChangeAddr(quoted.Dst(), inner.Dst)
	quoted.SetSrc(inner.Src)
	quoted.SetDst(inner.Dst)
	all += addresses
	all += quotePorts(quoted[q.Transport:], q.Key.Protocol, ports{inner.SrcPort, inner.DstPort},
		addresses)
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
