package packet

import "encoding/binary"

// TCPMinLen is the length of a TCP header without options, in bytes.
const TCPMinLen = 20

// TCPFlags are the control bits of a TCP segment, without NS.
type TCPFlags uint8

const (
	TCPFin TCPFlags = 1 << iota
	TCPSyn
	TCPRst
	TCPPsh
	TCPAck
	TCPUrg
)

// TCP is a TCP segment (RFC 9293), beginning with its header.
type TCP []byte

func (t TCP) SrcPort() uint16  { return binary.BigEndian.Uint16(t[0:2]) }
func (t TCP) DstPort() uint16  { return binary.BigEndian.Uint16(t[2:4]) }
func (t TCP) Seq() uint32      { return binary.BigEndian.Uint32(t[4:8]) }
func (t TCP) Ack() uint32      { return binary.BigEndian.Uint32(t[8:12]) }
func (t TCP) HeaderLen() int   { return int(t[12]>>4) * 4 }
func (t TCP) Flags() TCPFlags  { return TCPFlags(t[13]) }
func (t TCP) Checksum() uint16 { return binary.BigEndian.Uint16(t[16:18]) }

func (t TCP) SetSrcPort(v uint16)  { binary.BigEndian.PutUint16(t[0:2], v) }
func (t TCP) SetDstPort(v uint16)  { binary.BigEndian.PutUint16(t[2:4], v) }
func (t TCP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(t[16:18], v) }

// tcpFlagLetters are those that people write for flags.
var tcpFlagLetters = map[rune]TCPFlags{'S': TCPSyn, 'A': TCPAck, 'F': TCPFin, 'R': TCPRst, 'P': TCPPsh}

// ParseTCPFlags returns the flags of letters such as "SA", or false where one is none of S, A, F, R
// and P.
func ParseTCPFlags(letters string) (flags TCPFlags, ok bool) {
	for _, l := range letters {
		f, ok := tcpFlagLetters[l]
		if !ok {
			return 0, false
		}
		flags |= f
	}
	return flags, true
}
