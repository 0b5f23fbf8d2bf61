package packet

import "encoding/binary"

// ICMPLen is the length of an ICMP header (RFC 792), in bytes.
const ICMPLen = 8

// ICMP types and codes that the director reads or writes.
const (
	ICMPEchoReply    uint8 = 0
	ICMPUnreachable  uint8 = 3
	ICMPRedirect     uint8 = 5
	ICMPEchoRequest  uint8 = 8
	ICMPTimeExceeded uint8 = 11

	ICMPCodeHostUnreachable     uint8 = 1
	ICMPCodePortUnreachable     uint8 = 3
	ICMPCodeFragmentationNeeded uint8 = 4
	ICMPCodeTTLExceeded         uint8 = 0
)

// ICMP is an ICMP message for IPv4, at least ICMPLen bytes long.
type ICMP []byte

func (m ICMP) Type() uint8      { return m[0] }
func (m ICMP) Code() uint8      { return m[1] }
func (m ICMP) Checksum() uint16 { return binary.BigEndian.Uint16(m[2:4]) }

func (m ICMP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(m[2:4], v) }

// IsError reports whether the message is about another packet. No ICMP error may be sent about
// one (RFC 1122, 3.2.2).
func (m ICMP) IsError() bool {
	switch m.Type() {
	case 3, 4, 5, 11, 12: // unreachable, source quench, redirect, time exceeded, parameter problem
		return true
	}
	return false
}

// Encode writes type, code and the rest of the header, whose meaning depends on the type, and the checksum
// over the whole message.
func (m ICMP) Encode(typ, code uint8, rest uint32) {
	m[0], m[1] = typ, code
	m.SetChecksum(0)
	binary.BigEndian.PutUint32(m[4:8], rest)
	m.SetChecksum(Checksum(m))
}
