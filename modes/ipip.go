package modes

import (
	"encoding/binary"

	"fulcrum/packet"
)

// outerTTL is the TTL of outer headers (RFC 1700's default).
const outerTTL = 64

// Encapsulate wraps the packet of either family that begins at b[20] into an outer IPv4 one (RFC
// 2003, RFC 4213). src and dst are its addresses in host byte order. The outer header takes DSCP
// and ECN (RFC 6040, normal mode) and DF from the inner one. Around IPv6, which is never fragmented
// on its way, DF is set. id is the outer identification, which matters without DF.
func Encapsulate(b []byte, src, dst uint32, id uint16) {
	h, inner := (*[packet.IPv4MinLen]byte)(b), forward(b[packet.IPv4MinLen:])
	// The words are made in registers and written as wholes: the CPU would wait for a header that is
	// read back, or written from a struct, right after it was put together from smaller pieces.
	first := 0x4500<<16 | inner>>classShift&0xff<<16 | inner>>lengthShift&0xffff + packet.IPv4MinLen
	second := uint64(id)<<16 | inner>>dfShift&1<<14
	third := uint64(outerTTL)<<24 | inner&0xff<<16
	checksum := ^packet.Fold(first + second + third + uint64(src) + uint64(dst))
	binary.BigEndian.PutUint64(h[0:8], first<<32|second)
	binary.BigEndian.PutUint64(h[8:16], (third|uint64(checksum))<<32|uint64(src))
	binary.BigEndian.PutUint32(h[16:20], dst)
}

// ClearDF lets routers fragment an IPv4 packet.
func ClearDF(ip packet.IPv4) {
	was := binary.BigEndian.Uint16(ip[6:8])
	is := was &^ (1 << 14)
	binary.BigEndian.PutUint16(ip[6:8], is)
	ip.SetChecksum(packet.Delta(0).Change16(was, is).Apply(ip.Checksum()))
}

// Encapsulate6 wraps the packet of either family that begins at b[40] into an outer IPv6 one (RFC
// 2473). The flow label is zero.
func Encapsulate6(b []byte, src, dst packet.Addr) {
	h, inner := (*[packet.IPv6Len]byte)(b), forward(b[packet.IPv6Len:])
	first := 6<<28 | inner>>classShift&0xff<<20
	second := inner>>lengthShift&0xffff<<16 | inner&0xff<<8 | outerTTL
	binary.BigEndian.PutUint64(h[0:8], first<<32|second)
	src.Put(h[8:24])
	dst.Put(h[24:40])
}

// What an outer header takes from the inner packet, in one word: the protocol number in the lowest
// byte, and above it, from these bits on, DSCP and ECN, the length in bytes, and DF.
const (
	classShift  = 8
	lengthShift = 16
	dfShift     = 32
)

// forward decrements the inner packet's TTL and returns what the outer header takes from it.
func forward(b []byte) uint64 {
	if b[0]>>4 == 6 {
		ip := packet.IPv6(b)
		Route6(ip)
		length := packet.IPv6Len + uint64(ip.PayloadLength())
		return 1<<dfShift | length<<lengthShift | uint64(ip.TrafficClass())<<classShift | uint64(packet.ProtocolIPv6)
	}
	packet.IPv4(b).DecrementTTL()
	first := binary.BigEndian.Uint64(b)
	return first>>14&1<<dfShift | first>>32&0xffff<<lengthShift | first>>48&0xff<<classShift |
		uint64(packet.ProtocolIPv4)
}
