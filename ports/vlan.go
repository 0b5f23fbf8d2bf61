package ports

import (
	"encoding/binary"

	"fulcrum/packet"
)

// tagLen is the length in bytes of a VLAN tag: its EtherType and the tag control information (IEEE 802.1Q, 9.6).
const tagLen = 4

// vlanID masks the VLAN's number in tag control information; the bits above it are priority.
const vlanID = 0xfff

// endOfTag is where what follows a frame's first tag begins.
const endOfTag = packet.EthernetLen + tagLen

// vlan returns the number of the VLAN that a frame belongs to: 0 for one without a tag, or with a tag that gives no more than a
// priority. Of several tags the outer one counts. One of IEEE 802.1ad (EtherTypeQinQ) is a provider's: ok is false, as
// it is for one that is cut off.
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

// untag removes the outer tag, if there is one: from what the driver says of the packet or from the frame itself.
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

// pop closes the gap of a tag with the addresses in front of it, and takes them from the front.
func (p *Packet) pop() {
	frame := p.Bytes()
	macs := [12]byte(frame)
	*(*[12]byte)(frame[tagLen:]) = macs
	p.TrimFront(tagLen)
}

// push puts a tag of priority 0 into the frame, and reports whether there was headroom for it.
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
