package packet

import "encoding/binary"

// UDPLen is the length of a UDP header, in bytes.
const UDPLen = 8

// UDP is a UDP datagram (RFC 768), beginning with its header.
type UDP []byte

func (u UDP) SrcPort() uint16  { return binary.BigEndian.Uint16(u[0:2]) }
func (u UDP) DstPort() uint16  { return binary.BigEndian.Uint16(u[2:4]) }
func (u UDP) Length() uint16   { return binary.BigEndian.Uint16(u[4:6]) }
func (u UDP) Checksum() uint16 { return binary.BigEndian.Uint16(u[6:8]) }

func (u UDP) SetSrcPort(v uint16)  { binary.BigEndian.PutUint16(u[0:2], v) }
func (u UDP) SetDstPort(v uint16)  { binary.BigEndian.PutUint16(u[2:4], v) }
func (u UDP) SetChecksum(v uint16) { binary.BigEndian.PutUint16(u[6:8], v) }
