package hostway

import (
	"encoding/binary"
	"math/bits"
)

// Offsets into an Ethernet frame, and what stands there (IEEE 802.3; RFC 791; RFC 8200).
const (
	ethernetSize = 14
	typeIPv4     = 0x0800
	typeIPv6     = 0x86dd
	protocolTCP  = 6
)

// workerOf returns which of n workers gets a frame from the host. All frames of a flow have the
// same, in both directions, so that they stay in order. Those of protocols other than TCP go by
// their addresses alone: some of a flow may be fragments, which have no ports.
func workerOf(frame []byte, n int) int {
	if n == 1 || len(frame) < ethernetSize {
		return 0
	}
	h := flowHash(binary.BigEndian.Uint16(frame[12:]), frame[ethernetSize:])
	high, _ := bits.Mul64(h, uint64(n))
	return int(high)
}

// flowHash returns the same hash for all packets of a flow, and a constant for what is no IP.
func flowHash(ethertype uint16, p []byte) uint64 {
	switch {
	case ethertype == typeIPv4 && len(p) >= 20:
		x := uint64(binary.BigEndian.Uint32(p[12:]) ^ binary.BigEndian.Uint32(p[16:]))
		fragment := binary.BigEndian.Uint16(p[6:])&0x3fff != 0 // the offset, and more fragments
		return spread(x, p[9] == protocolTCP && !fragment, p[min(len(p), int(p[0]&0x0f)*4):])
	case ethertype == typeIPv6 && len(p) >= 40:
		x := binary.BigEndian.Uint64(p[8:]) ^ binary.BigEndian.Uint64(p[24:]) ^
			binary.BigEndian.Uint64(p[16:]) ^ binary.BigEndian.Uint64(p[32:])
		return spread(x, p[6] == protocolTCP, p[40:])
	}
	return 0
}

// spread hashes what both directions of a flow have in common: the difference of its addresses, and
// in TCP that of its ports.
func spread(x uint64, tcp bool, segment []byte) uint64 {
	if tcp && len(segment) >= 4 {
		ports := binary.BigEndian.Uint16(segment) ^ binary.BigEndian.Uint16(segment[2:])
		x ^= uint64(ports) << 32
	}
	// The finalizer of splitmix64 (Steele, Lea, Flood 2014).
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
