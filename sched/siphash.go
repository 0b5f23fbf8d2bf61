package sched

import "math/bits"

// sipKey is a key of SipHash, as two little-endian words.
type sipKey [2]uint64

// of returns the lower half of the SipHash-1-3 of four bytes, given as a little-endian number: one
// round for each word, three at the end (J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast
// short-input PRF"). It is the kernel's hsiphash of a u32 on machines of 64 bits.
func (k sipKey) of(v uint32) uint32 {
	s := sipState{
		k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d,
		k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573,
	}
	last := 4<<56 | uint64(v) // the only word: the length in its upper byte
	s[3] ^= last
	s.round()
	s[0] ^= last
	s[2] ^= 0xff
	s.round()
	s.round()
	s.round()
	return uint32(s[0] ^ s[1] ^ s[2] ^ s[3])
}

type sipState [4]uint64

func (s *sipState) round() {
	a, b, c, d := s[0], s[1], s[2], s[3]
	a, c = a+b, c+d
	b, d = bits.RotateLeft64(b, 13)^a, bits.RotateLeft64(d, 16)^c
	a = bits.RotateLeft64(a, 32)
	c, a = c+b, a+d
	b, d = bits.RotateLeft64(b, 17)^c, bits.RotateLeft64(d, 21)^a
	c = bits.RotateLeft64(c, 32)
	s[0], s[1], s[2], s[3] = a, b, c, d
}
