package engine

import (
	"encoding/binary"

	"fulcrum/packet"
	"fulcrum/ports"
)

// echoFlow handles an echo request to a VIP whose echo requests go to real servers, and the answer
// of such a real server. Sessions of echo requests have the request's identifier and 0 as their
// ports. It returns false for every other message.
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
	if m.SrcPort == 0 {
		if w.link != nil {
			if v, is := w.checkAnswer(p, m, DropToHost); is {
				return v, true
			}
		}
		return w.seekEcho(p)
	}
	return Taken, false
}

// beginEcho makes the session of an echo request. A request without available real server is
// dropped without an answer.
func (w *Worker) beginEcho(p *ports.Packet, m *meta, service *serviceEntry) Verdict {
	a, d := &w.arrival, &w.decision
	w.arrive(a, p, m, 0)
	if w.decideFor(service, a, d); d.verdict != Taken {
		return d.verdict
	}
	return w.begin(p, m, a, d)
}
