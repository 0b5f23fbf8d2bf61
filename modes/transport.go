package modes

import (
	"encoding/binary"
	"hash/crc32"

	"fulcrum/packet"
)

// ports are the ports that a packet gets.
type ports struct{ src, dst uint16 }

// setTransport sets the ports of a TCP segment, UDP datagram or SCTP packet. It corrects the
// checksum for them and for the change of the addresses. In an echo request or reply it sets the
// identifier: the port of the client's side.
func setTransport(b []byte, protocol uint8, to ports, addresses packet.Delta) {
	switch protocol {
	case packet.ProtocolTCP:
		setTCP(b, to, addresses)
	case packet.ProtocolUDP:
		setUDP(b, to, addresses)
	case packet.ProtocolSCTP:
		setSCTP(b, to)
	case packet.ProtocolICMP:
		setEcho(b, to, 0)
	case packet.ProtocolICMPv6:
		setEcho(b, to, addresses)
	}
}

// setEcho sets the identifier of an echo request or reply. The port of the other side is 0.
func setEcho(b []byte, to ports, addresses packet.Delta) {
	id := to.src
	if b[0] == packet.ICMPEchoReply || b[0] == packet.ICMP6EchoReply {
		id = to.dst
	}
	message := packet.ICMP(b)
	old := binary.BigEndian.Uint16(b[4:6])
	if old == id && addresses == 0 {
		return
	}
	binary.BigEndian.PutUint16(b[4:6], id)
	sum := addresses.Change16(old, id).Apply(message.Checksum())
	if sum == 0 && id == 0 {
		sum = 0xffff // equal in one's complement, and right even if the whole message is zeros
	}
	message.SetChecksum(sum)
}

func setTCP(t packet.TCP, to ports, addresses packet.Delta) {
	all := addresses.Change16(t.SrcPort(), to.src).Change16(t.DstPort(), to.dst)
	t.SetSrcPort(to.src)
	t.SetDstPort(to.dst)
	t.SetChecksum(all.Apply(t.Checksum()))
}

func setUDP(u packet.UDP, to ports, addresses packet.Delta) {
	all := addresses.Change16(u.SrcPort(), to.src).Change16(u.DstPort(), to.dst)
	u.SetSrcPort(to.src)
	u.SetDstPort(to.dst)
	old := u.Checksum()
	if old == 0 {
		return
	}
	u.SetChecksum(nonzero(all.Apply(old)))
}

// nonzero returns a UDP checksum in the form that is not zero, because zero means no checksum (RFC
// 768).
func nonzero(sum uint16) uint16 {
	if sum == 0 {
		return 0xffff
	}
	return sum
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// setSCTP sets the ports of an SCTP packet. The checksum does not cover the IP header (RFC 9260,
// 6.8). It is corrected by the difference of the ports, so that a wrong one stays wrong.
func setSCTP(s packet.SCTP, to ports) {
	if s.SrcPort() == to.src && s.DstPort() == to.dst {
		return
	}
	sum := s.Checksum()
	s.SetChecksum(0)
	sum ^= crc32.Checksum(s, castagnoli)
	s.SetSrcPort(to.src)
	s.SetDstPort(to.dst)
	s.SetChecksum(sum ^ crc32.Checksum(s, castagnoli))
}
