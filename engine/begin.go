package engine

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
)

// newFlow decides about a packet without session, or whose session over has ended, and carries the
// decision out.
func (w *Worker) newFlow(p *ports.Packet, m *meta, over conntrack.Ref) Verdict {
	if over != 0 && w.snap.moving && w.outgoing != nil {
		m.WriteKey(&w.key, p.Bytes())
		if to := w.present(p, &w.key, w.owner(p.Port, &w.key)); to != w.number {
			w.sessions.End(over.Slot())
			return w.handOver(p, to)
		}
	}
	a, d := &w.arrival, &w.decision
	w.arrive(a, p, m, over)
	w.decide(a, d, p, m)
	return w.carryOut(p, m, a, d)
}

// arrive fills in what a decision needs to know of a packet.
func (w *Worker) arrive(a *arrival, p *ports.Packet, m *meta, over conntrack.Ref) {
	m.WriteKey(&a.key, p.Bytes())
	a.hash, a.flags, a.over, a.call = w.hashes[m.index], m.TCPFlags, over, 0
	a.port = p.Port
	if m.Protocol == packet.ProtocolSCTP {
		a.event = m.chunkEvent(p)
	}
}

// carryOut begins the session that was decided on and forwards the packet, or refuses the packet.
func (w *Worker) carryOut(p *ports.Packet, m *meta, a *arrival, d *decision) Verdict {
	if a.over != 0 {
		w.sessions.End(a.over.Slot())
	}
	switch d.verdict {
	case Taken:
		return w.begin(p, m, a, d)
	case DropNoRealServer, DropFlowTaken, DropNoLocalPort:
		return w.refuseClient(p, m, a, d)
	case DropNotOurs:
		if answer := w.answerServer(a); answer != NoAnswer && !m.fragment {
			return w.turnAway(p, m, d.verdict, answer)
		}
		return w.unmatched(p, m)
	}
	return w.turnAway(p, m, d.verdict, w.answerTo(a, d))
}

// begin makes the session that was decided on and forwards its first packet. A packet that may not
// pass begins no session.
func (w *Worker) begin(p *ports.Packet, m *meta, a *arrival, d *decision) Verdict {
	g := passage{
		p: p, m: m, server: d.server, direction: conntrack.Inbound,
		way: &w.ways[d.server.mode][d.server.families],
	}
	var v Verdict
	if g.hop, v = w.serverHop(d.id, d.server); v != Taken {
		return v
	}
	g.next = w.neighbours.At(g.hop)
	if mtu := g.mtuLeft(); !m.passable(mtu) && !w.divisible(&g) {
		return w.impassable(&g, mtu)
	}
	if d.service.charges {
		if v = w.charge(a, d); v != Taken {
			return v
		}
	}
	if d.lone {
		return w.forwardLone(&g, a, d)
	}
	hashes := conntrack.Hashes{In: a.hash, Out: d.outHash}
	if !w.makeWay(a, d) {
		w.refund(a, d)
		return DropServiceFull
	}
	slot, ok := w.sessions.Insert(&a.key, hashes, &d.out.Flow, d.server.mode.TwoWay(), w.now)
	if !ok {
		w.refund(a, d)
		return DropSessionsFull
	}
	g.slot, g.session = slot, w.sessions.At(slot)
	w.setUp(&g, a, d)
	return w.forward(&g)
}

// setUp gives a new session its real server and counts the connection.
func (w *Worker) setUp(g *passage, a *arrival, d *decision) {
	g.session.Server, g.session.Mode = d.id, d.server.mode
	if d.service.owner == lvs.ClientEnd {
		g.session.Flags |= conntrack.ByClient
	}
	d.server.load.Begin()
	if d.service.most != 0 {
		w.countLimited(g.session, d.server)
	}
	if d.service.charges && d.counted {
		g.session.Flags |= conntrack.BySource
	}
	if d.service.sticky.timeout != 0 {
		w.tie(g.session, a, d)
	}
	w.roads[d.id].traffic.Connections++
	if d.server.mode.Source() == lvs.Local {
		w.takeLocal(d)
		w.takeTurn(d)
	}
	switch a.key.Protocol {
	case packet.ProtocolUDP:
		w.sessions.SetState(g.slot, conntrack.UDP, w.now)
	case packet.ProtocolICMP, packet.ProtocolICMPv6:
		w.sessions.SetState(g.slot, conntrack.ICMP, w.now)
	}
}

// sessionEnded updates the connection counts of the real server and its service, the use of its
// local port, its template and its source, when the table ends a session.
func (w *Worker) sessionEnded(slot uint32, s *conntrack.Session) {
	server := w.snap.servers[s.Server]
	if s.Mode.Source() == lvs.Local {
		w.leaveLocal(slot, server)
	}
	server.load.End(s.State.Active())
	w.noteSilence(s)
	if server.evidence != nil {
		w.noteEnd(slot, s, server)
	}
	if s.Template != 0 {
		w.untie(s)
	}
	if s.Flags&conntrack.Limited != 0 {
		server.service.seen[w.number].sessions.Add(-1)
	}
	if s.Flags&conntrack.BySource != 0 {
		w.leaveSource(slot, server.service)
	}
}
