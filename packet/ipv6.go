package packet

import (
	"encoding/binary"
	"math/bits"
)

// IPv6Len is the length of the fixed IPv6 header, in bytes.
const IPv6Len = 40

// IPv6MinMTU is what every link carries (RFC 8200, section 5), in bytes.
const IPv6MinMTU = 1280

// Next headers that are extensions, or say that nothing follows (IANA).
const (
	NextHopByHop    uint8 = 0
	NextRouting     uint8 = 43
	NextFragment    uint8 = 44
	NextAH          uint8 = 51
	NextNone        uint8 = 59
	NextDestination uint8 = 60
)

// FragmentLen is the length of the fragment header (RFC 8200, 4.5), in bytes.
const FragmentLen = 8

// IPv6 is an IPv6 packet (RFC 8200), beginning with its fixed header.
type IPv6 []byte

// IPv6Fields are what Encode writes.
type IPv6Fields struct {
	TrafficClass  uint8  // DSCP and ECN
	FlowLabel     uint32 // 20 bits
	PayloadLength uint16
	NextHeader    uint8
	HopLimit      uint8
	Src, Dst      Addr
}

func (p IPv6) Version() uint8        { return p[0] >> 4 }
func (p IPv6) TrafficClass() uint8   { return p[0]<<4 | p[1]>>4 }
func (p IPv6) FlowLabel() uint32     { return binary.BigEndian.Uint32(p[0:4]) & 0xfffff }
func (p IPv6) PayloadLength() uint16 { return binary.BigEndian.Uint16(p[4:6]) }
func (p IPv6) NextHeader() uint8     { return p[6] }
func (p IPv6) HopLimit() uint8       { return p[7] }
func (p IPv6) Src() Addr             { return AddrOf6(p[8:24]) }
func (p IPv6) Dst() Addr             { return AddrOf6(p[24:40]) }

func (p IPv6) SetPayloadLength(v uint16) { binary.BigEndian.PutUint16(p[4:6], v) }
func (p IPv6) SetNextHeader(v uint8)     { p[6] = v }
func (p IPv6) SetHopLimit(v uint8)       { p[7] = v }
func (p IPv6) SetSrc(a Addr)             { a.Put(p[8:24]) }
func (p IPv6) SetDst(a Addr)             { a.Put(p[24:40]) }

// Encode writes the fixed header.
func (p IPv6) Encode(f IPv6Fields) {
	binary.BigEndian.PutUint32(p[0:4], 6<<28|uint32(f.TrafficClass)<<20|f.FlowLabel&0xfffff)
	p.SetPayloadLength(f.PayloadLength)
	p.SetNextHeader(f.NextHeader)
	p.SetHopLimit(f.HopLimit)
	p.SetSrc(f.Src)
	p.SetDst(f.Dst)
}

// PseudoHeader6 returns the unfolded sum of the IPv6 pseudo header (RFC 8200, 8.1); length is that of the upper layer's header
// and its data, in bytes.
func PseudoHeader6(src, dst Addr, protocol uint8, length int) uint64 {
	sum, carry := bits.Add64(src.Hi, src.Lo, 0)
	sum, carry = bits.Add64(sum, dst.Hi, carry)
	sum, carry = bits.Add64(sum, dst.Lo, carry)
	sum, carry = bits.Add64(sum, uint64(protocol)+uint64(length), carry)
	return uint64(Fold(sum)) + carry
}

// ChangeAddr adds the replacement of an address, whose words are those of its family. The Delta of a change between families is
// that of a pseudo header.
func (d Delta) ChangeAddr(old, new Addr) Delta {
	return d + Delta(^addrSum(old)) + Delta(addrSum(new))
}

// addrSum is the folded sum of an address's words.
func addrSum(a Addr) uint16 {
	if a.Is4() {
		return Fold(uint64(a.V4()))
	}
	sum, carry := bits.Add64(a.Hi, a.Lo, 0)
	return Fold(uint64(Fold(sum)) + carry)
}
