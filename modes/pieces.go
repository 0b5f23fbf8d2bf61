package modes

import (
	"encoding/binary"

	"fulcrum/packet"
)

// Pieces fragments a packet that exceeds an MTU. It fragments IPv4 by the packet's own header (RFC
// 791, 3.2). It fragments IPv6, where only a tunnel's outer packet may be, by a fragment header
// (RFC 8200, 4.5). If the packet is a fragment itself, its pieces are smaller fragments of the same
// packet.
type Pieces struct {
	packet []byte
	header int // bytes at the beginning of each piece
	extra  int // bytes of the fragment header, 0 in IPv4
	chunk  int // bytes of data in each piece but the last
	at     int // offset of the next piece's data, after the header
	id     uint32
}

// NewPieces returns the pieces of a packet, at most mtu bytes each. ip ends with the packet. id is
// the identification of IPv6 pieces. A piece has at least eight bytes of data, whatever the mtu.
func NewPieces(ip []byte, mtu int, id uint32) Pieces {
	p := Pieces{packet: ip, header: packet.IPv6Len, extra: packet.FragmentLen, id: id}
	if ip[0]>>4 == 4 {
		p.header, p.extra = packet.IPv4(ip).HeaderLen(), 0
	}
	p.chunk = max((mtu-p.header-p.extra)&^7, 8)
	return p
}

// Next returns the length of the next piece in bytes, or 0 after the last.
func (p *Pieces) Next() int {
	if p.header+p.at >= len(p.packet) {
		return 0
	}
	return p.header + p.extra + p.size()
}

// size returns the length of the next piece's data in bytes.
func (p *Pieces) size() int { return min(p.chunk, len(p.packet)-p.header-p.at) }

// Write writes the next piece to b, whose length must be the result of Next, and advances.
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

// forgetOptions overwrites the options that belong only in a first fragment: those without the
// copied flag.
func forgetOptions(b []byte) {
	const copied = 0x80
	for len(b) > 0 {
		size := 1
		if b[0] > 1 { // neither end of list nor no-operation
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
