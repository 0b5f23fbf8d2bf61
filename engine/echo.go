package engine

import (
	"encoding/binary"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// echoFlow takes an echo request to a VIP one of whose services has them go to its real servers, or the answer of such a real server. They are
// packets of sessions whose ports are the request's identifier and 0. It reports false for all others.
func (w *Worker) echoFlow(p *ports.Packet, m *meta) (Verdict, bool) {
	if len(w.snap.passing.keys) == 0 {
		return Taken, false
	}
	b := p.Bytes()[m.Transport:m.End]
	id := binary.BigEndian.Uint16(b[4:6])
	switch b[0] {
	case packet.ICMPEchoRequest, packet.ICMP6EchoRequest:
		m.SrcPort, m.DstPort = id, 0
	case packet.ICMPEchoReply, packet.ICMP6EchoReply:
		m.SrcPort, m.DstPort = 0, id
	default:
		return Taken, false
	}
	k := &w.key
	m.widen(p, k)
	hash := w.sessions.Hash(k)
	if ref, known := w.lookup(k); known {
		return w.established(p, m, ref), true
	}
	if i, ok := w.snap.passing.get(addressIndex(k.Dst)); ok && m.DstPort == 0 {
		w.hashes[m.index] = hash
		return w.beginEcho(p, m, k, &w.snap.pools[i]), true
	}
	if m.SrcPort == 0 && w.outgoing != nil && int(p.Spare) < len(w.outgoing) {
		return w.handOver(p, (w.number+1)%len(w.outgoing)), true // whoever has asked
	}
	return Taken, false
}

// beginEcho makes the session of an echo request.
func (w *Worker) beginEcho(p *ports.Packet, m *meta, k *packet.Key, service *servicePool) Verdict {
	if !w.isStranger(k.Src) {
		return DropSourceAddress
	}
	r := request(k)
	pick, ok := service.pool.Pick(&r)
	if !ok {
		return DropNoRealServer
	}
	id := service.servers[pick]
	if server := &w.snap.servers[id]; server.clients6 != server.servers6 && server.mode == modes.FullNAT {
		return DropOtherFamily
	}
	return w.begin(p, m, k, service, id)
}
