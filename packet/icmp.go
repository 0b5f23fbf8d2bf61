package packet

import "encoding/binary"

// ICMPLen is the length of an ICMP header (RFC 792), in bytes.
const ICMPLen = 8

// ICMP types and codes that the director reads or writes.
const (
	ICMPEchoReply    uint8 = 0  // answers ICMPEchoRequest
	ICMPUnreachable  uint8 = 3  // destination unreachable; the code says why
	ICMPRedirect     uint8 = 5  // use another router
	ICMPEchoRequest  uint8 = 8  // ping
	ICMPTimeExceeded uint8 = 11 // a TTL or a reassembly time ran out

	ICMPCodeHostUnreachable     uint8 = 1 // ICMPUnreachable: no answer from the host
	ICMPCodeProtocolUnreachable uint8 = 2 // ICMPUnreachable: the protocol is not supported
	ICMPCodePortUnreachable     uint8 = 3 // ICMPUnreachable: no service on the port
	ICMPCodeFragmentationNeeded uint8 = 4 // ICMPUnreachable: larger than the MTU, with DF set
	ICMPCodeTTLExceeded         uint8 = 0 // ICMPTimeExceeded: TTL exceeded in transit
)

// ICMP is an ICMP message for IPv4, at least ICMPLen bytes long.
type ICMP []byte

// Type returns the message type.
func (m ICMP) Type() uint8 { return m[0] }

// Code returns the code, whose meaning depends on the type.
func (m ICMP) Code() uint8 { return m[1] }

// Checksum returns the checksum field.
func (m ICMP) Checksum() uint16 { return binary.BigEndian.Uint16(m[2:4]) }

// SetChecksum writes the checksum field.
func (m ICMP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(m[2:4], v) }

// IsError reports whether the message is an ICMP error. No ICMP error may be sent in answer to one
// (RFC 1122, 3.2.2).
func (m ICMP) IsError() bool {
	switch m.Type() {
	case 3, 4, 5, 11, 12: // unreachable, source quench, redirect, time exceeded, parameter problem
		return true
	}
	return false
}

// Encode writes the type, the code, the rest of the header, and the checksum. The meaning of rest,
// the second 32-bit word, depends on the type. The checksum covers all of m.
func (m ICMP) Encode(typ, code uint8, rest uint32) {
	m[0], m[1] = typ, code
	m.SetChecksum(0)
	binary.BigEndian.PutUint32(m[4:8], rest)
	m.SetChecksum(Checksum(m))
}
