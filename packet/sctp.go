package packet

import "encoding/binary"

// Lengths of the headers of SCTP (RFC 9260, section 3), in bytes.
const (
	SCTPLen      = 12 // common header
	SCTPChunkLen = 4  // header of a chunk
)

// SCTP is an SCTP packet (RFC 9260), beginning with its common header.
type SCTP []byte

// SrcPort returns the source port.
func (s SCTP) SrcPort() uint16 { return binary.BigEndian.Uint16(s[0:2]) }

// DstPort returns the destination port.
func (s SCTP) DstPort() uint16 { return binary.BigEndian.Uint16(s[2:4]) }

// Checksum returns the checksum field. It is the CRC32c of the packet with this field zero, in
// little-endian order (RFC 9260, appendix A).
func (s SCTP) Checksum() uint32 { return binary.LittleEndian.Uint32(s[8:12]) }

// SetSrcPort writes the source port. It leaves the checksum alone.
func (s SCTP) SetSrcPort(v uint16) { binary.BigEndian.PutUint16(s[0:2], v) }

// SetDstPort writes the destination port. It leaves the checksum alone.
func (s SCTP) SetDstPort(v uint16) { binary.BigEndian.PutUint16(s[2:4], v) }

// SetChecksum writes the checksum field in little-endian order.
func (s SCTP) SetChecksum(v uint32) { binary.LittleEndian.PutUint32(s[8:12], v) }

// parseSCTP checks the common header and the header of the first chunk, whose type drives the
// state of an association.
func (p *Parsed) parseSCTP(b []byte) {
	if len(b) < SCTPLen+SCTPChunkLen {
		p.Fault = FaultTruncated
		return
	}
	if n := int(binary.BigEndian.Uint16(b[SCTPLen+2:])); n < SCTPChunkLen || n > len(b)-SCTPLen {
		p.Fault = FaultSCTPChunk
		return
	}
	p.Kind = SCTP4
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b[0:2]), binary.BigEndian.Uint16(b[2:4])
}
