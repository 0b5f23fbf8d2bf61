package ports

import (
	"encoding/binary"

	"fulcrum/packet"
)

// tagLen is the length of a VLAN tag in bytes: its EtherType and the tag control information (IEEE
// 802.1Q, 9.6).
const tagLen = 4

// vlanID masks the VLAN number in tag control information. The bits above it hold the priority.
const vlanID = 0xfff

// endOfTag is the offset of the first byte behind the outer tag of a frame.
const endOfTag = packet.EthernetLen + tagLen

// vlan returns the VLAN number of a frame: 0 without a tag, or with a tag that holds a priority
// only. The outer of several tags counts. ok is false for a truncated tag and for a provider's tag
// (IEEE 802.1ad, EtherTypeQinQ).
func (p *Packet) vlan() (number uint16, ok bool) {
	if p.RxFlags&RxVLAN != 0 {
		return p.VLAN & vlanID, true
	}
	frame := p.Bytes()
	if len(frame) < packet.EthernetLen {
		return 0, true
	}
	switch packet.Ethernet(frame).Type() {
	case packet.EtherTypeVLAN:
		if len(frame) < endOfTag {
			return 0, false
		}
		return binary.BigEndian.Uint16(frame[packet.EthernetLen:]) & vlanID, true
	case packet.EtherTypeQinQ:
		return 0, false
	}
	return 0, true
}

// untag removes the outer tag, if there is one: from RxFlags, or from the frame itself.
func (p *Packet) untag() {
	if p.RxFlags&RxVLAN != 0 {
		p.RxFlags &^= RxVLAN
		return
	}
	frame := p.Bytes()
	if len(frame) < endOfTag || packet.Ethernet(frame).Type() != packet.EtherTypeVLAN {
		return
	}
	p.pop()
}

// pop removes the tag from the frame by moving the addresses in front of it.
func (p *Packet) pop() {
	frame := p.Bytes()
	macs := [12]byte(frame)
	*(*[12]byte)(frame[tagLen:]) = macs
	p.TrimFront(tagLen)
}

// push inserts a tag of priority 0 and reports whether there was headroom for it.
func (p *Packet) push(vlan uint16) bool {
	if p.Length < packet.EthernetLen || !p.Prepend(tagLen) {
		return false
	}
	frame := p.Bytes()
	macs := [12]byte(frame[tagLen:])
	*(*[12]byte)(frame) = macs
	binary.BigEndian.PutUint32(frame[12:], uint32(packet.EtherTypeVLAN)<<16|uint32(vlan))
	return true
}
