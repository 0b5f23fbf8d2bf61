package packet

import "encoding/binary"

// ICMPv6 types and codes that the director reads or writes (RFC 4443, RFC 4861).
const (
	ICMP6Unreachable      uint8 = 1
	ICMP6PacketTooBig     uint8 = 2
	ICMP6TimeExceeded     uint8 = 3
	ICMP6ParameterProblem uint8 = 4
	ICMP6EchoRequest      uint8 = 128
	ICMP6EchoReply        uint8 = 129
	ICMP6Solicitation     uint8 = 135 // of a neighbour
	ICMP6Advertisement    uint8 = 136 // of a neighbour
	ICMP6Redirect         uint8 = 137

	ICMP6CodeNoRoute          uint8 = 0
	ICMP6CodeProhibited       uint8 = 1
	ICMP6CodeAddress          uint8 = 3
	ICMP6CodePortUnreachable  uint8 = 4
	ICMP6CodeHopLimitExceeded uint8 = 0
)

// ICMPv6 is an ICMP message for IPv6, at least ICMPLen bytes long.
type ICMPv6 []byte

func (m ICMPv6) Type() uint8      { return m[0] }
func (m ICMPv6) Code() uint8      { return m[1] }
func (m ICMPv6) Checksum() uint16 { return binary.BigEndian.Uint16(m[2:4]) }
func (m ICMPv6) Rest() uint32     { return binary.BigEndian.Uint32(m[4:8]) }

func (m ICMPv6) SetChecksum(v uint16) { binary.BigEndian.PutUint16(m[2:4], v) }

// IsError reports whether the message is about another packet: those below 128 are (RFC 4443, 2.1).
func (m ICMPv6) IsError() bool { return m.Type() < 128 }

// Valid reports whether the checksum of a message between two addresses is right.
func (m ICMPv6) Valid(src, dst Addr) bool {
	return Fold(Sum(m, PseudoHeader6(src, dst, ProtocolICMPv6, len(m)))) == 0xffff
}

// Encode writes type, code and the rest of the header, whose meaning depends on the type, and the checksum
// over the whole message and its addresses.
func (m ICMPv6) Encode(typ, code uint8, rest uint32, src, dst Addr) {
	m[0], m[1] = typ, code
	m.SetChecksum(0)
	binary.BigEndian.PutUint32(m[4:8], rest)
	m.SetChecksum(^Fold(Sum(m, PseudoHeader6(src, dst, ProtocolICMPv6, len(m)))))
}
