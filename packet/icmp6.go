package packet

import "encoding/binary"

// ICMPv6 types and codes that the director reads or writes (RFC 4443, RFC 4861).
const (
	ICMP6Unreachable      uint8 = 1   // destination unreachable; the code says why
	ICMP6PacketTooBig     uint8 = 2   // larger than the MTU of a link
	ICMP6TimeExceeded     uint8 = 3   // a hop limit or a reassembly time ran out
	ICMP6ParameterProblem uint8 = 4   // invalid header field
	ICMP6EchoRequest      uint8 = 128 // ping
	ICMP6EchoReply        uint8 = 129 // answers ICMP6EchoRequest
	ICMP6RouterSolicit    uint8 = 133 // a host asks for routers
	ICMP6RouterAdvert     uint8 = 134 // a router announces itself
	ICMP6Solicitation     uint8 = 135 // neighbour solicitation
	ICMP6Advertisement    uint8 = 136 // neighbour advertisement
	ICMP6Redirect         uint8 = 137 // use another router

	ICMP6CodeNoRoute          uint8 = 0 // ICMP6Unreachable: no route to the destination
	ICMP6CodeProhibited       uint8 = 1 // ICMP6Unreachable: forbidden by an administrator
	ICMP6CodeAddress          uint8 = 3 // ICMP6Unreachable: no answer from the address
	ICMP6CodePortUnreachable  uint8 = 4 // ICMP6Unreachable: no service on the port
	ICMP6CodeHopLimitExceeded uint8 = 0 // ICMP6TimeExceeded: hop limit exceeded in transit
	ICMP6CodeNextHeader       uint8 = 1 // ICMP6ParameterProblem: unrecognized next header
)

// ICMPv6 is an ICMP message for IPv6, at least ICMPLen bytes long.
type ICMPv6 []byte

// Type returns the message type.
func (m ICMPv6) Type() uint8 { return m[0] }

// Code returns the code, whose meaning depends on the type.
func (m ICMPv6) Code() uint8 { return m[1] }

// Checksum returns the checksum field.
func (m ICMPv6) Checksum() uint16 { return binary.BigEndian.Uint16(m[2:4]) }

// Rest returns the second 32-bit word of the header, whose meaning depends on the type.
func (m ICMPv6) Rest() uint32 { return binary.BigEndian.Uint32(m[4:8]) }

// SetChecksum writes the checksum field.
func (m ICMPv6) SetChecksum(v uint16) { binary.BigEndian.PutUint16(m[2:4], v) }

// IsError reports whether the message is an ICMP error: its type is below 128 (RFC 4443, 2.1).
func (m ICMPv6) IsError() bool { return m.Type() < 128 }

// Valid reports whether the checksum is right for a message from src to dst.
func (m ICMPv6) Valid(src, dst Addr) bool {
	return Fold(Sum(m, PseudoHeader6(src, dst, ProtocolICMPv6, len(m)))) == 0xffff
}

// Encode writes the type, the code, the rest of the header, and the checksum. The meaning of rest,
// the second 32-bit word, depends on the type. The checksum covers all of m and a pseudo header
// with both addresses.
func (m ICMPv6) Encode(typ, code uint8, rest uint32, src, dst Addr) {
	m[0], m[1] = typ, code
	m.SetChecksum(0)
	binary.BigEndian.PutUint32(m[4:8], rest)
	m.SetChecksum(^Fold(Sum(m, PseudoHeader6(src, dst, ProtocolICMPv6, len(m)))))
}
