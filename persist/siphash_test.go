package persist

import "testing"

// sipVectors are the reference's hashes of the bytes 0, 1, 2, ... by the key of the bytes 0 to 15,
// by length (vectors_sip64 of github.com/veorq/SipHash). The paper has the one of 15.
var sipVectors = map[int]uint64{
	0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 7: 0xab0200f58b01d137, 8: 0x93f5f5799a932462,
	15: 0xa129ca6149be45e5,
}

func TestSipHash(t *testing.T) {
	k := sipKey{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	data := make([]byte, 16)
	for i := range data {
		data[i] = byte(i)
	}
	for n, want := range sipVectors {
		if got := k.siphash(data[:n]); got != want {
			t.Errorf("%d bytes: %#x; want %#x", n, got, want)
		}
	}
}
