package ports

import "encoding/binary"

// hashInput is the length of the longest hash input in bytes: two IPv6 addresses and two ports. A
// hash of 32 bits over it needs 40 bytes of key.
const hashInput = 2*16 + 2*2

// Offsets of the fields in the input: source address, destination address, source port,
// destination port.
const (
	src4, dst4, srcPort4, dstPort4 = 0, 4, 8, 10
	src6, dst6, srcPort6, dstPort6 = 0, 16, 32, 34
)

// Toeplitz is the hash by which NICs spread packets, for one key: the contribution of each value
// of each byte of the input. The hash is linear over XOR: every set bit contributes the 32 bits of
// the key that begin at its position. A field of zeros contributes nothing, and a field can be
// added later.
//
// It is immutable and may be used from any goroutine. IPv4 addresses and ports are host-order
// numbers; IPv6 addresses are in network byte order.
type Toeplitz [hashInput][256]uint32

func newToeplitz(key []byte) *Toeplitz {
	t := new(Toeplitz)
	for at := range t {
		window := uint64(binary.BigEndian.Uint32(key[at:]))<<8 | uint64(key[at+4])
		for value := range t[at] {
			for bit := range 8 {
				if value&(0x80>>bit) != 0 {
					t[at][value] ^= uint32(window >> (8 - bit))
				}
			}
		}
	}
	return t
}

func (t *Toeplitz) add16(at int, v uint16) uint32 {
	return t[at][v>>8] ^ t[at+1][v&0xff]
}

func (t *Toeplitz) add32(at int, v uint32) uint32 {
	return t[at][v>>24] ^ t[at+1][v>>16&0xff] ^ t[at+2][v>>8&0xff] ^ t[at+3][v&0xff]
}

func (t *Toeplitz) add128(at int, v *[16]byte) uint32 {
	hash := uint32(0)
	for i, b := range v {
		hash ^= t[at+i][b]
	}
	return hash
}

// Hash4 returns the hash of an IPv4 flow. With both ports 0 it is the hash of the addresses alone.
func (t *Toeplitz) Hash4(src, dst uint32, srcPort, dstPort uint16) uint32 {
	return t.Base4(src, dst, srcPort) ^ t.DstPort4(dstPort)
}

// Base4 returns Hash4 without the destination port: Base4 XOR DstPort4 is Hash4. A search for a
// port whose packets reach a certain queue computes Base4 once.
func (t *Toeplitz) Base4(src, dst uint32, srcPort uint16) uint32 {
	return t.add32(src4, src) ^ t.add32(dst4, dst) ^ t.add16(srcPort4, srcPort)
}

// DstPort4 returns the contribution of the destination port to Hash4.
func (t *Toeplitz) DstPort4(port uint16) uint32 { return t.add16(dstPort4, port) }

// Source4 returns the hash of source address and port, with all other fields zero.
func (t *Toeplitz) Source4(src uint32, port uint16) uint32 {
	return t.add32(src4, src) ^ t.add16(srcPort4, port)
}

// Destination4 returns the hash of destination address and port, with all other fields zero.
func (t *Toeplitz) Destination4(dst uint32, port uint16) uint32 {
	return t.add32(dst4, dst) ^ t.add16(dstPort4, port)
}

// Hash6 is Hash4 for IPv6.
func (t *Toeplitz) Hash6(src, dst *[16]byte, srcPort, dstPort uint16) uint32 {
	return t.Base6(src, dst, srcPort) ^ t.DstPort6(dstPort)
}

// Base6 is Base4 for IPv6: Base6 XOR DstPort6 is Hash6.
func (t *Toeplitz) Base6(src, dst *[16]byte, srcPort uint16) uint32 {
	return t.add128(src6, src) ^ t.add128(dst6, dst) ^ t.add16(srcPort6, srcPort)
}

// DstPort6 returns the contribution of the destination port to Hash6.
func (t *Toeplitz) DstPort6(port uint16) uint32 { return t.add16(dstPort6, port) }

// Source6 is Source4 for IPv6.
func (t *Toeplitz) Source6(src *[16]byte, port uint16) uint32 {
	return t.add128(src6, src) ^ t.add16(srcPort6, port)
}

// Destination6 is Destination4 for IPv6.
func (t *Toeplitz) Destination6(dst *[16]byte, port uint16) uint32 {
	return t.add128(dst6, dst) ^ t.add16(dstPort6, port)
}
