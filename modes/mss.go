package modes

import (
	"encoding/binary"

	"fulcrum/packet"
)

// Kinds of TCP options (RFC 9293, 3.1).
const (
	optionEnd  = 0
	optionNone = 1
	optionMSS  = 2
)

// ClampMSS lowers the maximum segment size that a SYN announces to mss, in bytes, and corrects the
// checksum. A SYN without the option stays as it is: it means 536, or 1220 in IPv6 (RFC 9293,
// 3.7.1). t must begin with a header that packet.Parse has checked.
func ClampMSS(t packet.TCP, mss uint16) {
	end := t.HeaderLen()
	for at := packet.TCPMinLen; at < end; {
		switch kind := t[at]; {
		case kind == optionEnd:
			return
		case kind == optionNone:
			at++
		case at+1 >= end || t[at+1] < 2 || at+int(t[at+1]) > end:
			return
		case kind == optionMSS && t[at+1] == 4:
			setMSS(t, at+2, mss)
			return
		default:
			at += int(t[at+1])
		}
	}
}

// setMSS lowers the number at an offset. At an odd offset its bytes are swapped in the words that
// the checksum adds.
func setMSS(t packet.TCP, at int, mss uint16) {
	old := binary.BigEndian.Uint16(t[at:])
	if old <= mss {
		return
	}
	binary.BigEndian.PutUint16(t[at:], mss)
	from, to := old, mss
	if at%2 != 0 {
		from, to = from<<8|from>>8, to<<8|to>>8
	}
	t.SetChecksum(packet.Delta(0).Change16(from, to).Apply(t.Checksum()))
}
