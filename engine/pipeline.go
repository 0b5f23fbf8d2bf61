package engine

import (
	"fulcrum/conntrack"
	"fulcrum/packet"
	"fulcrum/ports"
)

// batch holds what the early stages found out about the packets of a burst.
type batch struct {
	meta [ports.MaxBurst]meta
	// hashes are those of the packets' flows; never used for a kind without session.
	hashes [ports.MaxBurst]uint64
	refs   [ports.MaxBurst]conntrack.Ref // probably the packet's session; to be confirmed
}

// meta is what is known of one packet.
type meta struct {
	packet.Parsed
	index    uint8   // in the batch
	verdict  Verdict // Taken, or the drop reason that was found before the flow was looked at
	fragment bool    // the first fragment of its datagram
	plain    bool    // it may take the straight path, see straight
}

// process takes a burst through the pipeline.
func (w *Worker) process(b *ports.Burst) {
	w.burst++
	w.pave()
	w.stage = stageParse
	w.parse(b)
	w.stage = stageLookup
	w.probe(b)
	w.stage = stageDecide
	w.handle(b)
	w.stage = stageHousekeeping
}

// parse finds the headers of each packet, checks them, and computes the hash of its flow for the
// session table.
func (w *Worker) parse(b *ports.Burst) {
	hasher := w.sessions.Hasher()
	for i := range b.Slice() {
		w.at = i
		p, m := &b.Packets[i], &w.meta[i]
		frame := p.Bytes()
		m.index, m.verdict, m.fragment, m.plain = uint8(i), Taken, false, false
		var usual bool
		if w.hashes[i], usual = m.ParseUsual(frame, hasher); !usual {
			w.parseOther(p, m, frame)
			continue
		}
		if p.RxFlags&odd != 0 || !packet.Ethernet(frame).IsFor(w.snap.ports[p.Port].station) {
			m.verdict = w.admit(p, m, frame)
		}
		m.plain = m.mayGoStraight()
	}
}

// parseOther is parse for a packet that ParseUsual does not parse. The hash of one without session
// kind is never used.
func (w *Worker) parseOther(p *ports.Packet, m *meta, frame []byte) {
	packet.Parse(frame, &m.Parsed)
	if m.Kind.Is6() {
		k := m.Key(frame)
		w.hashes[m.index] = w.sessions.Hash(&k)
	} else {
		w.hashes[m.index] = w.sessions.Hash4(&m.Key4)
	}
	if !m.Kind.HasSession() || p.RxFlags&odd != 0 ||
		!packet.Ethernet(frame).IsFor(w.snap.ports[p.Port].station) {
		m.verdict = w.admit(p, m, frame)
	}
}

// probe reads the index for the whole burst.
func (w *Worker) probe(b *ports.Burst) { w.sessions.Probe(w.hashes[:b.N], w.refs[:b.N]) }

// handle processes the packets one by one, in order, so that each sees the effects of those before
// it.
func (w *Worker) handle(b *ports.Burst) {
	for i := range b.Slice() {
		w.at = i
		p, m := &b.Packets[i], &w.meta[i]
		if m.plain && w.straight(p, m) {
			continue
		}
		if v := w.handleOne(p, m); v != Taken {
			w.ended(p, m, v)
		}
	}
}

// handleOne returns the verdict about a packet.
func (w *Worker) handleOne(p *ports.Packet, m *meta) Verdict {
	if m.verdict != Taken {
		return m.verdict
	}
	switch m.Kind {
	case packet.TCP4, packet.UDP4, packet.SCTP4:
		return w.flow(p, m)
	case packet.TCP6, packet.UDP6, packet.SCTP6:
		return w.flow6(p, m)
	case packet.ARPPacket:
		return w.arp(p, p.Bytes())
	case packet.ICMP4:
		return w.icmp4(p, m)
	case packet.ICMP6:
		return w.icmp6(p, m)
	case packet.Fragment4, packet.Fragment6:
		return w.fragment(p, m)
	case packet.Other4, packet.Other6:
		return w.otherProtocol(p, m)
	case packet.Tagged:
		return DropVLAN
	}
	return DropNotIP
}

// odd has the flags of packets that admit has to see.
const odd = ports.RxMultiSegment | ports.RxVLAN | ports.RxUnfinished

// admit drops malformed packets and those sent to other stations. It finishes what a sender has
// left to a network card.
func (w *Worker) admit(p *ports.Packet, m *meta, frame []byte) Verdict {
	if p.RxFlags&ports.RxUnfinished != 0 {
		w.finishReceived(p, m, frame)
	}
	switch {
	case p.RxFlags&ports.RxMultiSegment != 0:
		return DropMultiSegment
	case m.Kind == packet.Invalid:
		return faults[m.Fault]
	case p.RxFlags&ports.RxVLAN != 0:
		return DropVLAN
	case packet.Ethernet(frame).Src().IsMulticast():
		return DropSourceMAC
	}
	dst := packet.Ethernet(frame).Dst()
	if dst != w.snap.ports[p.Port].mac && !(dst.IsMulticast() && !m.Kind.HasSession()) {
		return DropNotOurMAC
	}
	return Taken
}

// lookup finds a flow's session.
func (w *Worker) lookup(k *packet.Key) (conntrack.Ref, bool) {
	return w.sessions.Lookup(w.sessions.Hash(k), k)
}

// otherProtocol processes a packet of a protocol that no service can have.
func (w *Worker) otherProtocol(p *ports.Packet, m *meta) Verdict {
	why := w.unserved(p, m)
	if why == DropNotOurs {
		return w.unmatched(p, m)
	}
	return w.turnAway(p, m, why, w.answerOther(p, m))
}

// unserved returns the verdict about a packet of a protocol that no service can have.
func (w *Worker) unserved(p *ports.Packet, m *meta) Verdict {
	m.WriteKey(&w.key, p.Bytes())
	kind, ours := w.snap.kindOf(w.key.Dst)
	switch {
	case !ours:
		return DropNotOurs
	case kind.isVIP():
		return w.unservedAt(p.Port, w.key.Dst)
	}
	return DropToHost
}
