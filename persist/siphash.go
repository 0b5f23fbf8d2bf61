package persist

import (
	"encoding/binary"
	"math/bits"
)

// sipKey is a secret for siphash.
type sipKey struct{ a, b uint64 }

// sipState is the state of SipHash.
type sipState [4]uint64

// siphash returns SipHash-2-4 of data (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
// 2012). Without the key, data of a given hash or of equal hashes cannot be found.
func (k sipKey) siphash(data []byte) uint64 {
	s := sipState{
		k.a ^ 0x736f6d6570736575, k.b ^ 0x646f72616e646f6d,
		k.a ^ 0x6c7967656e657261, k.b ^ 0x7465646279746573,
	}
	last := uint64(len(data)) << 56
	for ; len(data) >= 8; data = data[8:] {
		s.absorb(binary.LittleEndian.Uint64(data))
	}
	for i, b := range data {
		last |= uint64(b) << (8 * i)
	}
	s.absorb(last)
	s[2] ^= 0xff
	for range 4 {
		s.round()
	}
	return s[0] ^ s[1] ^ s[2] ^ s[3]
}

// absorb takes in a word with two rounds.
func (s *sipState) absorb(word uint64) {
	s[3] ^= word
	s.round()
	s.round()
	s[0] ^= word
}

func (s *sipState) round() {
	a, b, c, d := s[0], s[1], s[2], s[3]
	a, c = a+b, c+d
	b, d = bits.RotateLeft64(b, 13)^a, bits.RotateLeft64(d, 16)^c
	a, c = bits.RotateLeft64(a, 32)+d, c+b
	b, d = bits.RotateLeft64(b, 17)^c, bits.RotateLeft64(d, 21)^a
	s[0], s[1], s[2], s[3] = a, b, bits.RotateLeft64(c, 32), d
}
