package packet

import "hash/crc32"

// TransportValid reports whether the checksum of a whole TCP, UDP or SCTP packet is right, as its
// receiver checks it. A UDP datagram over IPv4 may have none (RFC 768); over IPv6 it must have one
// (RFC 8200, 8.1). It is false for other protocols. p must be the result of Parse for frame, and no
// fragment.
func (p *Parsed) TransportValid(frame []byte) bool {
	b := frame[p.Transport:p.End]
	switch p.Protocol {
	case ProtocolTCP:
		return p.sumValid(frame, b)
	case ProtocolUDP:
		u := UDP(b)
		if u.Checksum() == 0 {
			return !p.Kind.Is6()
		}
		return p.sumValid(frame, u[:u.Length()])
	case ProtocolSCTP:
		return SCTP(b).Valid()
	}
	return false
}

// sumValid checks a checksum that covers the pseudo header and b.
func (p *Parsed) sumValid(frame, b []byte) bool {
	return Fold(Sum(b, p.pseudoHeader(frame, len(b)))) == 0xffff
}

// pseudoHeader returns the unfolded sum of the pseudo header for length bytes.
func (p *Parsed) pseudoHeader(frame []byte, length int) uint64 {
	if !p.Kind.Is6() {
		return PseudoHeader4(p.Src, p.Dst, p.Protocol, length)
	}
	ip := IPv6(frame[p.Network:])
	return PseudoHeader6(ip.Src(), ip.Dst(), p.Protocol, length)
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	noChecksum [4]byte // in the place of the checksum itself
)

// Valid reports whether the checksum is right.
func (s SCTP) Valid() bool { return s.sum() == s.Checksum() }

// sum returns the right checksum.
func (s SCTP) sum() uint32 {
	sum := crc32.Update(0, castagnoli, s[:8])
	sum = crc32.Update(sum, castagnoli, noChecksum[:])
	return crc32.Update(sum, castagnoli, s[SCTPLen:])
}
