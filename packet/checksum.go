package packet

import (
	"encoding/binary"
	"math/bits"
)

// Sum adds the 16-bit big-endian words of b to an unfolded one's complement sum (RFC 1071). An odd
// last byte counts as the high half of a word, so only the last of several pieces may be odd.
func Sum(b []byte, initial uint64) uint64 {
	sum, carry := initial, uint64(0)
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	// The tail's lowest byte is zero, so that the last carry has room in the sum.
	sum, carry = bits.Add64(sum, tail(b), carry)
	return sum + carry
}

// tail reads the last, at most seven bytes as the high end of a 64-bit word.
func tail(b []byte) uint64 {
	var v uint64
	for i, c := range b {
		v |= uint64(c) << (56 - 8*i)
	}
	return v
}

// Fold reduces an unfolded sum to 16 bits. Adding the halves to each other both ways round carries out of the lower
// half into the upper, which is where the result is taken from: an end-around carry without a branch.
func Fold(sum uint64) uint16 {
	half := uint32((sum + bits.RotateLeft64(sum, 32)) >> 32)
	return uint16((half + bits.RotateLeft32(half, 16)) >> 16)
}

// Checksum returns the Internet checksum of b.
func Checksum(b []byte) uint16 { return ^Fold(Sum(b, 0)) }

// PseudoHeader4 returns the unfolded sum of the IPv4 pseudo header that TCP and UDP checksums
// cover; length is that of the transport header and its data, in bytes.
func PseudoHeader4(src, dst uint32, protocol uint8, length int) uint64 {
	return uint64(src) + uint64(dst) + uint64(protocol) + uint64(length)
}

// Delta is what a change of covered fields adds to a checksum's sum; zero is no change. It makes
// the new checksum by RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
type Delta uint64

// Change32 adds the replacement of a 32-bit field at an even offset.
func (d Delta) Change32(old, new uint32) Delta { return d + Delta(^old) + Delta(new) }

// Change16 adds the replacement of a 16-bit field at an even offset.
func (d Delta) Change16(old, new uint16) Delta { return d + Delta(^old) + Delta(new) }

// Apply returns the checksum after the changes.
func (d Delta) Apply(checksum uint16) uint16 { return ^Fold(uint64(^checksum) + uint64(d)) }
