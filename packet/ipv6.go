package packet

import "encoding/binary"

// IPv6Len is the length of the fixed IPv6 header, in bytes.
const IPv6Len = 40

// IPv6 is an IPv6 packet (RFC 8200), beginning with its fixed header.
type IPv6 []byte

func (p IPv6) Version() uint8        { return p[0] >> 4 }
func (p IPv6) PayloadLength() uint16 { return binary.BigEndian.Uint16(p[4:6]) }
func (p IPv6) NextHeader() uint8     { return p[6] }
func (p IPv6) HopLimit() uint8       { return p[7] }
func (p IPv6) Src() [16]byte         { return [16]byte(p[8:24]) }
func (p IPv6) Dst() [16]byte         { return [16]byte(p[24:40]) }
