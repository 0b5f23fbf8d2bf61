package engine

import (
	"math/bits"

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

// lane is how many packets take a step of the pipeline together. While the CPU works on a lane, the
// cache lines that the next step of another lane needs are on their way.
const lane = 16

// process takes a burst through the pipeline. All packets are parsed, then each lane is handled
// after the sessions of the next one have been looked for.
func (w *Worker) process(b *ports.Burst) {
	w.burst++
	w.pave()
	for from := 0; from < b.N; from += lane {
		w.parse(b, from, min(from+lane, b.N))
	}
	w.probe(0, min(lane, b.N))
	for from := 0; from < b.N; from += lane {
		next := min(from+lane, b.N)
		w.probe(next, min(next+lane, b.N))
		w.handle(b, from, next)
	}
	w.stage = stageHousekeeping
}

// parse finds the headers of the packets of a lane, checks them, and computes the hashes of their
// flows for the session table.
func (w *Worker) parse(b *ports.Burst, from, to int) {
	w.stage, w.at = stageParse, from
	first := &b.Packets[from]
	others := parseUsual(first, &w.meta[from], &w.hashes[from], from, to,
		w.snap.ports[first.Port].station, first.Port, odd, w.sessions.Hasher())
	for ; others != 0; others &= others - 1 {
		w.parseOne(b, bits.TrailingZeros64(others))
	}
	w.sessions.PrefetchHomes(w.hashes[from:to])
}

// parseOne is parse for one packet.
func (w *Worker) parseOne(b *ports.Burst, i int) {
	w.at = i
	p, m, hasher := &b.Packets[i], &w.meta[i], w.sessions.Hasher()
	m.index, m.verdict, m.fragment = uint8(i), Taken, false
	station := w.snap.ports[p.Port].station
	hash, usual := m.ParseUsual(p.Bytes(), station, hasher)
	if usual == packet.Unusual {
		hash, usual = m.ParseUsual6(p.Bytes(), station, hasher)
	}
	w.hashes[i], m.plain = hash, usual == packet.Plain
	if usual == packet.Unusual || p.RxFlags&odd != 0 {
		w.parseOther(p, m, station)
	}
}

// parseOther is parse for a packet that ParseUsual does not parse, or that admit has to see. The
// hash of one without session kind is never used.
func (w *Worker) parseOther(p *ports.Packet, m *meta, station packet.Station) {
	frame := p.Bytes()
	m.plain = false
	packet.Parse(frame, &m.Parsed)
	if m.Kind.Is6() {
		k := m.Key(frame)
		w.hashes[m.index] = w.sessions.Hash(&k)
	} else {
		w.hashes[m.index] = w.sessions.Hash4(&m.Key4)
	}
	if !m.Kind.HasSession() || p.RxFlags&odd != 0 ||
		!packet.Ethernet(frame).IsFor(station) {
		m.verdict = w.admit(p, m, frame)
	}
}

// probe looks for the sessions of a lane.
func (w *Worker) probe(from, to int) {
	w.stage = stageLookup
	w.sessions.Probe(w.hashes[from:to], w.refs[from:to])
}

// handle processes the packets of a lane one by one, in order, so that each sees the effects of
// those before it.
func (w *Worker) handle(b *ports.Burst, from, to int) {
	w.stage = stageDecide
	for i := from; i < to; i++ {
		w.at = i
		p, m := &b.Packets[i], &w.meta[i]
		if m.plain && w.straight(p, m, w.refs[i]) {
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
