package packet

import "encoding/binary"

// CompleteChecksum computes the checksum of a TCP, UDP or SCTP packet whose sender left that to a
// network card, and reports whether it did. Other packets stay as they are, also those whose
// checksum is wrong. p must be the result of Parse for frame, and no fragment.
//
// Linux leaves the folded sum of the pseudo header in the field, and zero for SCTP
// (CHECKSUM_PARTIAL, Documentation/networking/checksum-offloads.rst). A finished checksum may have
// that value too. Then completing it writes the same value again: with C the field, P the pseudo
// header's sum and R the sum of all other words, C is right if C + P + R = 0, and the new value is
// -(P + R).
func (p *Parsed) CompleteChecksum(frame []byte) bool {
	b := frame[p.Transport:p.End]
	switch p.Protocol {
	case ProtocolTCP:
		return p.completeSum(frame, b, 16)
	case ProtocolUDP:
		return p.completeSum(frame, b[:UDP(b).Length()], 6)
	case ProtocolSCTP:
		return SCTP(b).complete()
	}
	return false
}

// completeSum completes the checksum at an offset of b. The result is never zero, which means "no
// checksum" in UDP.
func (p *Parsed) completeSum(frame, b []byte, at int) bool {
	was := binary.BigEndian.Uint16(b[at:])
	if was != Fold(p.pseudoHeader(frame, len(b))) {
		return false
	}
	sum := ^Fold(Sum(b, 0)) // of a sum that has the pseudo header in it, in the checksum's place
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(b[at:], sum)
	return sum != was
}

// complete computes the checksum if its field is zero. Zero may also mean that both ends agreed to
// do without (RFC 9653); the receiver accepts a right checksum then, too.
func (s SCTP) complete() bool {
	if s.Checksum() != 0 {
		return false
	}
	s.SetChecksum(s.sum())
	return s.Checksum() != 0
}
