package memory

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// Receive puts a frame on the queue that the device chooses for it. It returns false if no buffer
// is free or the frame is too long.
func (p *Port) Receive(frame []byte) bool {
	pkt, ok := p.cfg.Pool.get(len(frame))
	if !ok {
		return false
	}
	copy(pkt.Bytes(), frame)
	return p.DeliverPacket(p.choose(frame, &pkt), pkt)
}

// choose returns the queue of the packet and sets its hash if it has one.
func (p *Port) choose(frame []byte, pkt *ports.Packet) int {
	switch {
	case p.cfg.Choose != nil:
		return p.cfg.Choose(frame)
	case p.cfg.RSS == nil:
		return 0
	}
	flow, ok := flowOf(frame)
	if !ok {
		return 0
	}
	pkt.Hash = p.cfg.RSS.Flow(&flow)
	pkt.RxFlags |= ports.RxHash
	return p.cfg.RSS.Queue(pkt.Hash)
}

// flowOf returns the flow that a NIC hashes. A fragment has addresses only, and a frame that is
// not well-formed IP has no flow.
func flowOf(frame []byte) (packet.Key, bool) {
	var parsed packet.Parsed
	packet.Parse(frame, &parsed)
	switch parsed.Kind {
	case packet.Invalid, packet.Other, packet.ARPPacket, packet.Tagged:
		return packet.Key{}, false
	}
	k := parsed.Key(frame)
	if !parsed.Kind.HasSession() {
		k.SrcPort, k.DstPort, k.Protocol = 0, 0, 0
	}
	return k, true
}
