package packet

import "encoding/binary"

// TCPMinLen is the length of a TCP header without options, in bytes.
const TCPMinLen = 20

// TCPFlags are the eight control bits of a TCP segment (RFC 9293, 3.1).
type TCPFlags uint8

// Control bits of a TCP segment (RFC 9293, 3.1).
const (
	TCPFin TCPFlags = 1 << iota // the sender has no more data
	TCPSyn                      // opens a connection
	TCPRst                      // resets a connection
	TCPPsh                      // push data to the application
	TCPAck                      // the acknowledgement number is valid
	TCPUrg                      // the urgent pointer is valid
)

// TCP is a TCP segment (RFC 9293), beginning with its header.
type TCP []byte

// SrcPort returns the source port.
func (t TCP) SrcPort() uint16 { return binary.BigEndian.Uint16(t[0:2]) }

// DstPort returns the destination port.
func (t TCP) DstPort() uint16 { return binary.BigEndian.Uint16(t[2:4]) }

// Seq returns the sequence number.
func (t TCP) Seq() uint32 { return binary.BigEndian.Uint32(t[4:8]) }

// Ack returns the acknowledgement number, which is valid with TCPAck.
func (t TCP) Ack() uint32 { return binary.BigEndian.Uint32(t[8:12]) }

// HeaderLen returns the length of the header in bytes, with options.
func (t TCP) HeaderLen() int { return int(t[12]>>4) * 4 }

// Flags returns the control bits.
func (t TCP) Flags() TCPFlags { return TCPFlags(t[13]) }

// Checksum returns the checksum field.
func (t TCP) Checksum() uint16 { return binary.BigEndian.Uint16(t[16:18]) }

// SetSrcPort writes the source port. It leaves the checksum alone.
func (t TCP) SetSrcPort(v uint16) { binary.BigEndian.PutUint16(t[0:2], v) }

// SetDstPort writes the destination port. It leaves the checksum alone.
func (t TCP) SetDstPort(v uint16) { binary.BigEndian.PutUint16(t[2:4], v) }

// SetChecksum writes the checksum field.
func (t TCP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(t[16:18], v) }

// SegmentLen returns SEG.LEN, how many sequence numbers the segment takes: one for each byte of its
// data, one for SYN and one for FIN (RFC 9293, 3.3.1). t must end where the segment does.
func (t TCP) SegmentLen() uint32 {
	n := uint32(len(t) - t.HeaderLen())
	for _, f := range [...]TCPFlags{TCPSyn, TCPFin} {
		if t.Flags()&f != 0 {
			n++
		}
	}
	return n
}

// TCPFields are the fields that Encode writes. The header has no options, and the window is 0.
type TCPFields struct {
	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            TCPFlags
}

// ResetFields returns the header of the reset that answers a segment of no connection (RFC 9293,
// 3.5.2, group 1). A segment that is a reset itself must have no answer.
func (t TCP) ResetFields() TCPFields {
	f := TCPFields{SrcPort: t.DstPort(), DstPort: t.SrcPort(), Flags: TCPRst}
	if t.Flags()&TCPAck != 0 {
		f.Seq = t.Ack()
	} else {
		f.Flags |= TCPAck
		f.Ack = t.Seq() + t.SegmentLen()
	}
	return f
}

// Encode writes a header without options, TCPMinLen bytes. Its checksum covers all of t and a
// pseudo header, whose sum is given.
func (t TCP) Encode(f TCPFields, pseudoHeader uint64) {
	clear(t[:TCPMinLen])
	t.SetSrcPort(f.SrcPort)
	t.SetDstPort(f.DstPort)
	binary.BigEndian.PutUint32(t[4:8], f.Seq)
	binary.BigEndian.PutUint32(t[8:12], f.Ack)
	t[12], t[13] = TCPMinLen/4<<4, uint8(f.Flags)
	t.SetChecksum(^Fold(Sum(t, pseudoHeader)))
}

// tcpFlagLetters are the letters that tcpdump and people write for flags.
var tcpFlagLetters = map[rune]TCPFlags{
	'S': TCPSyn, 'A': TCPAck, 'F': TCPFin, 'R': TCPRst, 'P': TCPPsh,
}

// ParseTCPFlags returns the flags of letters such as "SA". ok is false if a letter is not one of
// S, A, F, R and P.
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
