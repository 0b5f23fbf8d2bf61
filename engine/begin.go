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
	if m.Kind.Is6() {
		m.WriteKey(&a.key, p.Bytes())
	} else {
		m.Key4.WriteWide(&a.key)
	}
	a.hash, a.flags, a.over, a.call = w.hashes[m.index], m.TCPFlags, over, 0
	a.port, a.question = p.Port, false
	if m.Protocol == packet.ProtocolSCTP {
		a.event = m.chunkEvent(p)
	}
}

// carryOut begins the session that was decided on and forwards the packet, or refuses the packet.
func (w *Worker) carryOut(p *ports.Packet, m *meta, a *arrival, d *decision) Verdict {
	if a.over != 0 {
		w.sessions.End(a.over.Slot())
	}
	if d.verdict == Taken {
		return w.begin(p, m, a, d)
	}
	switch d.verdict {
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
// pass begins no session. One that may go straight needs no passage.
func (w *Worker) begin(p *ports.Packet, m *meta, a *arrival, d *decision) Verdict {
	var g passage
	straight := !d.lone && m.plain && w.roads[d.id].leads(w.paved, m, d.server.mode)
	if !straight {
		if v, may := w.embark(&g, p, m, d); !may {
			return v
		}
	}
	if d.service.charges {
		if v := w.charge(a, d); v != Taken {
			return v
		}
	}
	if d.lone {
		return w.forwardLone(&g, a, d)
	}
	hashes := conntrack.Hashes{In: a.hash, Out: d.outHash}
	if (d.holder != 0 || d.service.most != 0) && !w.makeWay(a, d) {
		w.refund(a, d)
		return DropServiceFull
	}
	slot, ok := w.sessions.Insert(&a.key, hashes, &d.out.Flow, d.server.mode.TwoWay(), w.now)
	if !ok {
		w.refund(a, d)
		return DropSessionsFull
	}
	w.setUp(slot, a, d)
	if straight {
		if w.straight(p, m, conntrack.RefTo(slot)) {
			return Taken
		}
		if v, may := w.embark(&g, p, m, d); !may {
			return v
		}
	}
	g.slot, g.session = slot, w.sessions.At(slot)
	return w.forward(&g)
}

// embark makes the passage of a first packet that has no session yet. It returns false if the
// packet may not pass, with the verdict about it: Taken once it has become the answer that says so.
func (w *Worker) embark(g *passage, p *ports.Packet, m *meta, d *decision) (v Verdict, may bool) {
	g.p, g.m, g.server, g.direction = p, m, d.server, conntrack.Inbound
	g.way = &w.ways[d.server.mode][d.server.families]
	if g.hop, v = w.serverHop(d.id, d.server); v != Taken {
		return v, false
	}
	g.next = w.neighbours.At(g.hop)
	if mtu := g.mtuLeft(); !m.passable(mtu) && !w.divisible(g) {
		return w.impassable(g, mtu), false
	}
	return Taken, true
}

// leads reports whether a road leads packets of a mode to the next hop, and lets this one pass.
func (r *road) leads(paved uint32, m *meta, mode lvs.Mode) bool {
	return r.paved == paved && r.mode == mode && m.passable(int(r.mtu))
}

// setUp gives a new session its real server and counts the connection.
func (w *Worker) setUp(slot uint32, a *arrival, d *decision) {
	s := w.sessions.At(slot)
	s.Server, s.Mode = d.id, d.server.mode
	if d.service.owner == lvs.ClientEnd {
		s.Flags |= conntrack.ByClient
	}
	d.server.load.Begin()
	if d.service.most != 0 {
		w.countLimited(s, d.server)
	}
	if d.service.charges && d.counted {
		s.Flags |= conntrack.BySource
	}
	if d.service.sticky.timeout != 0 {
		w.tie(s, a, d)
	}
	w.roads[d.id].traffic.Connections++
	if d.server.mode.Source() == lvs.Local {
		w.takeLocal(d)
		w.takeTurn(d)
	}
	switch a.key.Protocol {
	case packet.ProtocolUDP:
		w.sessions.SetState(slot, conntrack.UDP, w.now)
	case packet.ProtocolICMP, packet.ProtocolICMPv6:
		w.sessions.SetState(slot, conntrack.ICMP, w.now)
	}
}

// sessionEnded updates the connection counts of the real server and its service, the use of its
// local port, its template and its source, when the table ends a session.
func (w *Worker) sessionEnded(slot uint32, s *conntrack.Session) {
	server := w.snap.servers[s.Server]
	if s.Mode.Source() == lvs.Local {
		w.leaveLocal(slot, server)
	}
	w.noteSilence(s)
	if server.gone {
		w.publishServer(int(s.Server)) // forget relies on it
	}
	server.load.End(s.State.Active())
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
