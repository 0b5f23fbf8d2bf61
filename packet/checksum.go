package packet

import (
	"encoding/binary"
	"math/bits"
)

// Sum adds the 16-bit big-endian words of b to an unfolded one's complement sum (RFC 1071). An odd
// last byte is the high half of a word, so only the last of several pieces may have an odd length.
func Sum(b []byte, initial uint64) uint64 {
	sum, carry := initial, uint64(0)
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	// The tail's lowest byte is zero, so adding the last carry cannot overflow.
	sum, carry = bits.Add64(sum, tail(b), carry)
	return sum + carry
}

// tail reads the last bytes, seven at most, as the high end of a 64-bit word.
func tail(b []byte) uint64 {
	var v uint64
	for i, c := range b {
		v |= uint64(c) << (56 - 8*i)
	}
	return v
}

// Fold reduces an unfolded sum to 16 bits. It adds each half to the other by a rotation: the lower
// half carries into the upper half, which holds the result. This is an end-around carry without a
// branch.
func Fold(sum uint64) uint16 {
	half := uint32((sum + bits.RotateLeft64(sum, 32)) >> 32)
	return uint16((half + bits.RotateLeft32(half, 16)) >> 16)
}

// Checksum returns the Internet checksum of b (RFC 1071).
func Checksum(b []byte) uint16 { return ^Fold(Sum(b, 0)) }

// PseudoHeader4 returns the unfolded sum of the IPv4 pseudo header that TCP and UDP checksums
// cover. Addresses are host-order numbers; length is the number of bytes in the transport header
// and its data.
func PseudoHeader4(src, dst uint32, protocol uint8, length int) uint64 {
	return uint64(src) + uint64(dst) + uint64(protocol) + uint64(length)
}

// Delta collects the changes of fields that a checksum covers. The zero Delta is no change. Apply
// computes the new checksum by RFC 1624, equation 3: HC' = ~(~HC + ~m + m').
type Delta uint64

// Change32 returns d with the change of a 32-bit field at an even offset added.
func (d Delta) Change32(old, new uint32) Delta { return d + Delta(^old) + Delta(new) }

// Change16 returns d with the change of a 16-bit field at an even offset added.
func (d Delta) Change16(old, new uint16) Delta { return d + Delta(^old) + Delta(new) }

// Apply returns the checksum after the changes. A checksum that was wrong stays wrong by the same
// amount.
func (d Delta) Apply(checksum uint16) uint16 { return ^Fold(uint64(^checksum) + uint64(d)) }
