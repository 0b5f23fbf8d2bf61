package engine

import (
	"fulcrum/conntrack"
	"fulcrum/packet"
	"fulcrum/ports"
)

// meta is what the stages before decide found out about one packet. Key, hash and ref are valid for TCP4 and UDP4.
type meta struct {
	packet.Parsed
	ref  conntrack.Ref // probably the packet's session; to be confirmed
	hash uint64
	key  conntrack.Key4
}

// process takes a burst through the pipeline.
func (w *Worker) process(b *ports.Burst) {
	w.parse(b)
	w.hash(b)
	w.probe(b)
	w.decide(b)
}

// parse finds the headers of each packet and checks their lengths.
func (w *Worker) parse(b *ports.Burst) {
	for i := range b.Slice() {
		packet.Parse(b.Packets[i].Bytes(), &w.meta[i].Parsed)
	}
}

// hasSession reports whether packets of the kind belong to sessions.
func hasSession(k packet.Kind) bool { return k == packet.TCP4 || k == packet.UDP4 }

// hash computes where in the session table each packet's session is to be looked for.
func (w *Worker) hash(b *ports.Burst) {
	for i := range b.Slice() {
		m := &w.meta[i]
		if !hasSession(m.Kind) {
			continue
		}
		m.key = conntrack.Key4{
			Flow:     conntrack.Flow4{Src: m.Src, Dst: m.Dst, SrcPort: m.SrcPort, DstPort: m.DstPort},
			Protocol: m.Protocol,
		}
		m.hash = w.sessions.Hash(&m.key)
	}
}

// probe reads the index for the whole burst.
func (w *Worker) probe(b *ports.Burst) {
	for i := range b.Slice() {
		if m := &w.meta[i]; hasSession(m.Kind) {
			m.ref = w.sessions.Candidate(m.hash)
		}
	}
}

// decide takes the packets one by one, in order, so that each sees what those before it did.
func (w *Worker) decide(b *ports.Burst) {
	for i := range b.Slice() {
		p := &b.Packets[i]
		if v := w.decideOne(p, &w.meta[i]); v != Taken {
			w.drop(p, v)
		}
	}
}

// decideOne returns what becomes of a packet.
func (w *Worker) decideOne(p *ports.Packet, m *meta) Verdict {
	if v := w.admit(p, m); v != Taken {
		return v
	}
	switch m.Kind {
	case packet.TCP4, packet.UDP4:
		return w.flow(p, m)
	case packet.ARPPacket:
		return w.arp(p, p.Bytes())
	case packet.ICMP4:
		return w.icmp(p, m, p.Bytes())
	case packet.Other4:
		return w.otherProtocol(m)
	case packet.Any6:
		return DropIPv6
	case packet.Tagged:
		return DropVLAN
	}
	return DropNotIP
}

// admit turns away what is malformed or was not sent to this station.
func (w *Worker) admit(p *ports.Packet, m *meta) Verdict {
	switch {
	case p.RxFlags&ports.RxMultiSegment != 0:
		return DropMultiSegment
	case m.Kind == packet.Invalid:
		return faults[m.Fault]
	case p.RxFlags&ports.RxVLAN != 0:
		return DropVLAN
	}
	dst := packet.Ethernet(p.Bytes()).Dst()
	if dst != w.snap.ports[p.Port].mac && !(dst.IsMulticast() && !hasSession(m.Kind)) {
		return DropNotOurMAC
	}
	return Taken
}

// otherProtocol says why a packet of a protocol that no service can have goes nowhere.
func (w *Worker) otherProtocol(m *meta) Verdict {
	kind, ours := w.snap.kindOf(m.Dst)
	switch {
	case !ours:
		return DropNotOurs
	case kind == vip:
		return DropNoService
	}
	return DropToHost
}
