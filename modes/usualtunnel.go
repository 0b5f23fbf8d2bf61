package modes

import (
	"encoding/binary"
	"math/bits"

	"fulcrum/packet"
)

// Outer is what Wrap needs of an outer IPv4 header. Its numbers are in the order of the wire, read
// as little-endian.
type Outer struct {
	addresses uint64
	keeps     uint64 // of the first eight bytes of the inner header
	sum       uint64 // of what is the same in all headers
}

// The parts of an outer header: what it always has, which is version and length of the header, TTL
// and protocol (RFC 2003); what it takes from the inner one, which is DSCP, ECN and DF; and where
// the length and the identification are in the first eight bytes.
const (
	outerFirst = 0x45
	outerThird = outerTTL | uint64(packet.ProtocolIPv4)<<8
	keepsClass = 0xff << 8
	keepsDF    = 0x40 << 48
	lengthAt   = 16
	idAt       = 32
)

// NewOuter returns the Outer between two addresses. With clearDF routers may fragment the outer
// packets, as after ClearDF.
func NewOuter(src, dst uint32, clearDF bool) Outer {
	o := Outer{
		addresses: uint64(bits.ReverseBytes32(src)) | uint64(bits.ReverseBytes32(dst))<<32,
		keeps:     keepsClass | keepsDF,
	}
	if clearDF {
		o.keeps = keepsClass
	}
	o.sum = o.addresses>>32 + o.addresses&0xffff_ffff + outerThird
	return o
}

// Wrap does to the frame of a usual IPv4 packet (packet.ParseUsual), whose IP header begins at
// f[34], what Encapsulate does, and writes the EtherType too.
func (o *Outer) Wrap(f *[packet.UsualLen]byte, id uint16) {
	const outer, inner = packet.EthernetLen, packet.EthernetLen + packet.IPv4MinLen
	le, inside := binary.LittleEndian, packet.IPv4(f[inner:])
	first := le.Uint64(inside)
	length := bits.ReverseBytes16(uint16(first>>lengthAt)) + packet.IPv4MinLen
	first = first&o.keeps | outerFirst | uint64(bits.ReverseBytes16(length))<<lengthAt |
		uint64(bits.ReverseBytes16(id))<<idAt
	inside.DecrementTTL()
	checksum := ^packet.Fold(first>>32 + first&0xffff_ffff + o.sum)
	packet.Ethernet(f[:]).SetType(packet.EtherTypeIPv4)
	le.PutUint64(f[outer:], first)
	le.PutUint64(f[outer+8:], outerThird|uint64(checksum)<<16|o.addresses<<32)
	le.PutUint32(f[outer+16:], uint32(o.addresses>>32))
}
