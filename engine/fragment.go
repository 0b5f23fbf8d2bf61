package engine

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/steer"
)

// datagramsAtOnce is how many fragmented datagrams a worker remembers at a time.
const datagramsAtOnce = 1024

// fragments holds what a worker knows of fragmented datagrams, and the fragments that wait for the
// first one of their datagram.
type fragments struct {
	table    *conntrack.Fragments
	held     [conntrack.MaxWaiting]ports.Packet
	released []conntrack.Place
	dropped  []conntrack.Dropped
	later    meta         // headers of a released fragment
	note     fragmentNote // of the first fragment in hand, if that goes alone
}

func newFragments(seed uint64) fragments {
	return fragments{
		table:    conntrack.NewFragments(datagramsAtOnce, seed),
		released: make([]conntrack.Place, 0, conntrack.MaxQueued),
		dropped:  make([]conntrack.Dropped, 0, conntrack.MaxWaiting),
	}
}

// fragmentVerdicts gives each reason to drop a fragment its verdict.
var fragmentVerdicts = [...]Verdict{
	conntrack.FragmentMalformed: DropFragment,
	conntrack.FragmentTooLong:   DropFragment,
	conntrack.FragmentDuplicate: DropFragmentOverlap,
	conntrack.FragmentOverlap:   DropFragmentOverlap,
	conntrack.FragmentScattered: DropFragmentsFull,
	conntrack.FragmentQueueFull: DropFragmentsFull,
	conntrack.FragmentTimeout:   DropFragmentTimeout,
	conntrack.FragmentEvicted:   DropFragmentsFull,
}

// fragment forwards a fragment where the first of its datagram went: only the first has ports.
func (w *Worker) fragment(p *ports.Packet, m *meta) Verdict {
	f, fault := m.Fragment(p.Bytes())
	if fault != packet.NoFault {
		return faults[fault]
	}
	k := &w.key
	m.WriteKey(k, p.Bytes())
	if v, taken := w.hostFragment(p.Port, k.Dst); taken {
		return v
	}
	d := conntrack.Datagram{Src: k.Src, Dst: k.Dst, ID: f.ID}
	if !m.Kind.Is6() {
		d.Protocol = m.Protocol
	}
	piece := conntrack.Piece{Offset: uint16(f.Offset), Length: uint16(f.Length), More: f.More}
	if f.Offset == 0 {
		return w.firstFragment(p, m, &d, piece)
	}
	decision, hold, verdict := w.fragments.table.Later(&d, piece, w.now)
	switch verdict {
	case conntrack.FragmentForwarded:
		return w.laterFragment(p, m, decision)
	case conntrack.FragmentHeld:
		w.holdFragment(p, hold)
		return Taken
	}
	return fragmentVerdicts[verdict]
}

// holdFragment keeps a fragment that waits, and drops the one that gives way to it.
func (w *Worker) holdFragment(p *ports.Packet, hold conntrack.Hold) {
	kept := &w.fragments.held[hold.Place]
	if hold.Displaced != conntrack.FragmentForwarded {
		w.drop(kept, fragmentVerdicts[hold.Displaced])
	}
	*kept = *p
}

// firstFragment processes a datagram's first fragment, and then the fragments that waited for it.
func (w *Worker) firstFragment(
	p *ports.Packet, m *meta, d *conntrack.Datagram, piece conntrack.Piece,
) Verdict {
	m.ParseFirst(p.Bytes())
	if m.Kind == packet.Invalid {
		return faults[m.Fault]
	}
	if !m.Kind.HasSession() {
		m.SrcPort, m.DstPort = 0, 0
		if !w.isPlain(p, m) {
			return w.unserved(p, m) // also of ICMP, whose errors must not be answered
		}
	}
	decision := conntrack.Decision{SrcPort: m.SrcPort, DstPort: m.DstPort, Protocol: m.Protocol}
	owner := w.fragmentOwner(p, m)
	if owner != w.number {
		decision.Note = uint32(noteOfWorker(owner))
	}
	t := &w.fragments
	released, verdict := t.table.First(d, piece, decision, w.now, t.released[:0])
	if verdict != conntrack.FragmentForwarded {
		return fragmentVerdicts[verdict]
	}
	t.note = 0
	v := w.first(p, m, owner)
	if t.note != 0 {
		decision.Note = uint32(t.note)
		t.table.Decide(d, decision, w.now)
	}
	for _, place := range released {
		w.releaseFragment(&w.fragments.held[place], m.index, decision)
	}
	return v
}

// first forwards a first fragment, or hands it over.
func (w *Worker) first(p *ports.Packet, m *meta, owner int) Verdict {
	if owner != w.number {
		return w.handOver(p, owner)
	}
	if !m.Kind.HasSession() {
		return w.otherProtocol(p, m)
	}
	m.fragment = true
	m.WriteKey(&w.key, p.Bytes())
	w.hashes[m.index], w.refs[m.index] = w.sessions.Hash(&w.key), 0
	if m.Kind.Is6() {
		return w.flow6(p, m)
	}
	return w.flow(p, m)
}

// fragmentOwner returns the worker that has the session of a first fragment's flow, or that is to
// have it. NICs spread fragments by addresses alone. All fragments of a datagram reach one worker,
// which need not be the one that receives the flow's other packets.
func (w *Worker) fragmentOwner(p *ports.Packet, m *meta) int {
	m.WriteKey(&w.key, p.Bytes())
	if w.outgoing == nil || p.Handovers != 0 && !w.snap.moving {
		return w.number
	}
	if _, known := w.lookup(&w.key); known {
		return w.number
	}
	owner := w.probableOwner(p.Port, &w.key)
	to := w.whose(p, &w.key, owner)
	if to != w.number && (owner == w.number || owner == steer.Receiver) {
		// The former owner must not return it: this worker's note for the fragments that follow
		// names the former owner.
		p.Handovers = w.mostHandovers()
	}
	return to
}

// releaseFragment sends a held fragment after its first.
func (w *Worker) releaseFragment(p *ports.Packet, index uint8, decision conntrack.Decision) {
	m := &w.fragments.later
	packet.Parse(p.Bytes(), &m.Parsed)
	m.index = index
	if v := w.laterFragment(p, m, decision); v != Taken {
		w.ended(p, m, v)
	}
}

// laterFragment forwards a fragment by the decision about its datagram's first.
func (w *Worker) laterFragment(p *ports.Packet, m *meta, decision conntrack.Decision) Verdict {
	note := fragmentNote(decision.Note)
	server, mode, lone := note.lone()
	if note != 0 && !lone {
		return w.handOver(p, note.worker())
	}
	m.SrcPort, m.DstPort, m.Protocol = decision.SrcPort, decision.DstPort, decision.Protocol
	m.WriteKey(&w.key, p.Bytes())
	if lone {
		return w.laterOfLone(p, m, server, mode)
	}
	ref, known := w.lookup(&w.key)
	if !known {
		if v, taken := w.routePlainly(p, m); taken {
			return v
		}
		return w.laterOfUnknown(p)
	}
	var g passage
	if v := w.enter(&g, p, m, ref); v != Taken {
		return w.endOrphan(&g, v)
	}
	return w.forwardLater(&g)
}

// forwardLater is forward for a fragment without ports.
func (w *Worker) forwardLater(g *passage) Verdict {
	mtu := g.mtuLeft()
	if !g.m.passable(mtu) && !w.divisible(g) {
		return w.impassable(g, mtu)
	}
	g.session.LastSeen = w.now
	w.countTraffic(g)
	if v := w.rewriteLater(g); v != Taken {
		return v
	}
	return w.finish(g, mtu)
}

// rewriteLater is rewrite for a fragment without ports.
func (w *Worker) rewriteLater(g *passage) Verdict {
	switch {
	case g.way.path == lvs.Tunnel:
		return w.encapsulate(g)
	case g.way.path == lvs.Route:
		g.route()
		return Taken
	case g.server.families.mixed():
		return DropOtherFamily
	}
	to, ip := w.target(g), g.p.Bytes()[g.m.Network:]
	if g.server.families&clients6 != 0 {
		modes.TranslateLater6(packet.IPv6(ip), &to)
	} else {
		narrow := to.Narrow()
		modes.TranslateLater(packet.IPv4(ip), &narrow)
	}
	return Taken
}

// tickFragments drops the fragments that have waited too long.
func (w *Worker) tickFragments(now uint32) {
	if w.fragments.table.Len() == 0 && w.fragments.table.Waiting() == 0 {
		return
	}
	for _, d := range w.fragments.table.Expire(now, w.fragments.dropped[:0]) {
		w.drop(&w.fragments.held[d.Place], fragmentVerdicts[d.Reason])
	}
}

// dropFragments drops all fragments that wait.
func (w *Worker) dropFragments() {
	for later := w.now + 1; w.fragments.table.Waiting() > 0; later += 1000 {
		for _, d := range w.fragments.table.Expire(later, w.fragments.dropped[:0]) {
			w.drop(&w.fragments.held[d.Place], DropStopped)
		}
	}
}
