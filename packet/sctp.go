package packet

import "encoding/binary"

// Lengths of the common header and of a chunk's header of SCTP (RFC 9260, section 3), in bytes.
const (
	SCTPLen      = 12
	SCTPChunkLen = 4
)

// SCTP is an SCTP packet (RFC 9260), beginning with its common header.
type SCTP []byte

func (s SCTP) SrcPort() uint16 { return binary.BigEndian.Uint16(s[0:2]) }
func (s SCTP) DstPort() uint16 { return binary.BigEndian.Uint16(s[2:4]) }

// Checksum returns the CRC32c over the packet with this field zero. It stands there in little-endian order (RFC 9260, appendix A).
func (s SCTP) Checksum() uint32 { return binary.LittleEndian.Uint32(s[8:12]) }

func (s SCTP) SetSrcPort(v uint16)  { binary.BigEndian.PutUint16(s[0:2], v) }
func (s SCTP) SetDstPort(v uint16)  { binary.BigEndian.PutUint16(s[2:4], v) }
func (s SCTP) SetChecksum(v uint32) { binary.LittleEndian.PutUint32(s[8:12], v) }

// parseSCTP checks the common header and the first chunk's, which says what the packet does to an association.
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
