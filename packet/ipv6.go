package packet

import (
	"encoding/binary"
	"math/bits"
)

// IPv6Len is the length of the fixed IPv6 header, in bytes.
const IPv6Len = 40

// IPv6MinMTU is the MTU that every link supports (RFC 8200, section 5), in bytes.
const IPv6MinMTU = 1280

// Next-header numbers of extension headers and of an empty payload (IANA).
const (
	NextHopByHop    uint8 = 0  // hop-by-hop options
	NextRouting     uint8 = 43 // routing header
	NextFragment    uint8 = 44 // fragment header
	NextAH          uint8 = 51 // authentication header (RFC 4302)
	NextNone        uint8 = 59 // nothing follows
	NextDestination uint8 = 60 // destination options
)

// FragmentLen is the length of the fragment header (RFC 8200, 4.5), in bytes.
const FragmentLen = 8

// IPv6 is an IPv6 packet (RFC 8200), beginning with its fixed header.
type IPv6 []byte

// IPv6Fields are the fields that Encode writes.
type IPv6Fields struct {
	TrafficClass  uint8  // DSCP and ECN
	FlowLabel     uint32 // 20 bits
	PayloadLength uint16 // bytes behind the fixed header
	NextHeader    uint8  // IANA number, such as ProtocolTCP or NextFragment
	HopLimit      uint8  // hops
	Src, Dst      Addr   // both IPv6
}

// Version returns the version field, which is 6 in a valid packet.
func (p IPv6) Version() uint8 { return p[0] >> 4 }

// TrafficClass returns the DSCP and ECN bits.
func (p IPv6) TrafficClass() uint8 { return p[0]<<4 | p[1]>>4 }

// FlowLabel returns the flow label, 20 bits.
func (p IPv6) FlowLabel() uint32 { return binary.BigEndian.Uint32(p[0:4]) & 0xfffff }

// PayloadLength returns the number of bytes behind the fixed header.
func (p IPv6) PayloadLength() uint16 { return binary.BigEndian.Uint16(p[4:6]) }

// NextHeader returns the IANA number of the first extension header or of the payload.
func (p IPv6) NextHeader() uint8 { return p[6] }

// HopLimit returns the hop limit.
func (p IPv6) HopLimit() uint8 { return p[7] }

// Src returns the source address.
func (p IPv6) Src() Addr { return AddrOf6(p[8:24]) }

// Dst returns the destination address.
func (p IPv6) Dst() Addr { return AddrOf6(p[24:40]) }

// SetPayloadLength writes the number of bytes behind the fixed header.
func (p IPv6) SetPayloadLength(v uint16) { binary.BigEndian.PutUint16(p[4:6], v) }

// SetNextHeader writes the IANA number of the next header.
func (p IPv6) SetNextHeader(v uint8) { p[6] = v }

// SetHopLimit writes the hop limit.
func (p IPv6) SetHopLimit(v uint8) { p[7] = v }

// SetSrc writes the source address. It leaves checksums alone.
func (p IPv6) SetSrc(a Addr) { a.Put(p[8:24]) }

// SetDst writes the destination address. It leaves checksums alone.
func (p IPv6) SetDst(a Addr) { a.Put(p[24:40]) }

// Encode writes the fixed header, IPv6Len bytes.
func (p IPv6) Encode(f IPv6Fields) {
	binary.BigEndian.PutUint32(p[0:4], 6<<28|uint32(f.TrafficClass)<<20|f.FlowLabel&0xfffff)
	p.SetPayloadLength(f.PayloadLength)
	p.SetNextHeader(f.NextHeader)
	p.SetHopLimit(f.HopLimit)
	p.SetSrc(f.Src)
	p.SetDst(f.Dst)
}

// PseudoHeader6 returns the unfolded sum of the IPv6 pseudo header (RFC 8200, 8.1). Length is the
// number of bytes in the upper-layer header and its data.
func PseudoHeader6(src, dst Addr, protocol uint8, length int) uint64 {
	sum, carry := bits.Add64(src.Hi, src.Lo, 0)
	sum, carry = bits.Add64(sum, dst.Hi, carry)
	sum, carry = bits.Add64(sum, dst.Lo, carry)
	sum, carry = bits.Add64(sum, uint64(protocol)+uint64(length), carry)
	return uint64(Fold(sum)) + carry
}

// ChangeAddr returns d with the change of an address added. An IPv4 address counts with its 32
// bits, so a change between families adjusts the checksum for the other family's pseudo header.
func (d Delta) ChangeAddr(old, new Addr) Delta {
	return d + Delta(^addrSum(old)) + Delta(addrSum(new))
}

// addrSum returns the folded sum of the words of an address.
func addrSum(a Addr) uint16 {
	if a.Is4() {
		return Fold(uint64(a.V4()))
	}
	sum, carry := bits.Add64(a.Hi, a.Lo, 0)
	return Fold(uint64(Fold(sum)) + carry)
}
