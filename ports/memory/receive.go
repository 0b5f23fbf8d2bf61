package memory

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// Receive puts a frame on the wire, whose queue the device chooses, and reports whether there was a buffer for it.
func (p *Port) Receive(frame []byte) bool {
	pkt, ok := p.cfg.Pool.get(len(frame))
	if !ok {
		return false
	}
	copy(pkt.Bytes(), frame)
	return p.DeliverPacket(p.choose(frame, &pkt), pkt)
}

// choose gives the packet its hash, where it has one, and returns its queue.
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

// flowOf returns what a NIC hashes of a frame. Of a fragment it knows the addresses; what is not well-formed IP has
// no flow.
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
