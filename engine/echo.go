package engine

import (
	"encoding/binary"

	"fulcrum/packet"
	"fulcrum/ports"
)

// echoFlow takes an echo request to a VIP one of whose services has them go to its real servers, or the answer of such a real server. They are
// packets of sessions whose ports are the request's identifier and 0. It reports false for all others.
func (w *Worker) echoFlow(p *ports.Packet, m *meta) (Verdict, bool) {
	if w.snap.passing.used == 0 {
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
	m.WriteKey(k, p.Bytes())
	hash := w.sessions.Hash(k)
	w.hashes[m.index] = hash
	if ref, known := w.sessions.Lookup(hash, k); known {
		return w.established(p, m, ref), true
	}
	if service, ok := w.snap.passing.get(addressKey(k.Dst)); ok && m.DstPort == 0 {
		return w.beginEcho(p, m, service), true
	}
	if m.SrcPort == 0 && w.outgoing != nil && int(p.Spare) < len(w.outgoing) {
		return w.handOver(p, (w.number+1)%len(w.outgoing)), true // whoever has asked
	}
	return Taken, false
}

// beginEcho makes the session of an echo request. One that no real server can have is dropped without
// an answer.
func (w *Worker) beginEcho(p *ports.Packet, m *meta, service *serviceEntry) Verdict {
	a, d := &w.arrival, &w.decision
	w.arrive(a, p, m, 0)
	if w.decideFor(service, a, d); d.verdict != Taken {
		return d.verdict
	}
	return w.begin(p, m, a, d)
}
