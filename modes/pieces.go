package modes

import (
	"encoding/binary"

	"fulcrum/packet"
)

// Pieces divides a packet that is larger than its way allows: one of IPv4 by its own header (RFC 791, 3.2), one of IPv6, which only a
// tunnel's outer packet may be, by a fragment header (RFC 8200, 4.5). Where the packet is a fragment itself, its pieces are
// smaller fragments of the same whole.
type Pieces struct {
	packet []byte
	header int // bytes, that each piece begins with
	extra  int // bytes of a fragment header
	chunk  int // bytes of data in a piece, but the last
	at     int // offset of the next piece's data, behind the header
	id     uint32
}

// NewPieces divides the packet, which ends with its data, into pieces of at most mtu bytes. id is the identification of IPv6's pieces. A
// piece holds at least eight bytes of data, whatever the mtu.
func NewPieces(ip []byte, mtu int, id uint32) Pieces {
	p := Pieces{packet: ip, header: packet.IPv6Len, extra: packet.FragmentLen, id: id}
	if ip[0]>>4 == 4 {
		p.header, p.extra = packet.IPv4(ip).HeaderLen(), 0
	}
	p.chunk = max((mtu-p.header-p.extra)&^7, 8)
	return p
}

// Next returns the length of the next piece in bytes, 0 if there is none.
func (p *Pieces) Next() int {
	if p.header+p.at >= len(p.packet) {
		return 0
	}
	return p.header + p.extra + p.size()
}

// size returns how many bytes of data the next piece has.
func (p *Pieces) size() int { return min(p.chunk, len(p.packet)-p.header-p.at) }

// Write writes the next piece into b, which has the length that Next returned, and goes on to the one after it.
func (p *Pieces) Write(b []byte) {
	size := p.size()
	more := p.header+p.at+size < len(p.packet)
	copy(b, p.packet[:p.header])
	copy(b[p.header+p.extra:], p.packet[p.header+p.at:][:size])
	if p.extra == 0 {
		p.finish4(b, more)
	} else {
		p.finish6(b, more)
	}
	p.at += size
}

func (p *Pieces) finish4(b []byte, more bool) {
	const moreFragments, offsetMask = 0x2000, 0x1fff
	place := binary.BigEndian.Uint16(p.packet[6:8])
	place = place&^offsetMask | (place&offsetMask + uint16(p.at/8))
	if more {
		place |= moreFragments
	}
	ip := packet.IPv4(b)
	binary.BigEndian.PutUint16(b[2:4], uint16(len(b)))
	binary.BigEndian.PutUint16(b[6:8], place)
	if p.at > 0 {
		forgetOptions(b[packet.IPv4MinLen:p.header])
	}
	ip.SetChecksum(0)
	ip.SetChecksum(packet.Checksum(b[:p.header]))
}

// forgetOptions blanks the options that only a first fragment has: those without the copied flag.
func forgetOptions(b []byte) {
	const copied = 0x80
	for len(b) > 0 {
		size := 1
		if b[0] > 1 { // neither the list's end nor a filler
			if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
				return
			}
			size = int(b[1])
		}
		if b[0]&copied == 0 && b[0] != 0 {
			for i := range size {
				b[i] = 1
			}
		}
		b = b[size:]
	}
}

func (p *Pieces) finish6(b []byte, more bool) {
	ip := packet.IPv6(b)
	h := b[packet.IPv6Len:]
	h[0], h[1] = ip.NextHeader(), 0
	ip.SetNextHeader(packet.NextFragment)
	ip.SetPayloadLength(uint16(len(b) - packet.IPv6Len))
	place := uint16(p.at)
	if more {
		place |= 1
	}
	binary.BigEndian.PutUint16(h[2:4], place)
	binary.BigEndian.PutUint32(h[4:8], p.id)
}
