package engine

import (
	"fulcrum/conntrack"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// flow forwards an IPv4 packet along its session, or begins one.
func (w *Worker) flow(p *ports.Packet, m *meta) Verdict {
	ref := w.refs[m.index]
	if !w.sessions.Confirm4(ref, &m.Key4) {
		var found bool
		if ref, found = w.sessions.Lookup4(w.hashes[m.index], &m.Key4); !found {
			return w.unknownFlow(p, m)
		}
	}
	return w.established(p, m, ref)
}

// flow6 is flow for IPv6.
func (w *Worker) flow6(p *ports.Packet, m *meta) Verdict {
	ref, k := w.refs[m.index], &w.key
	m.WriteKey(k, p.Bytes())
	if !w.sessions.Confirm(ref, k) {
		var found bool
		if ref, found = w.sessions.Lookup(w.hashes[m.index], k); !found {
			return w.unknownFlow(p, m)
		}
	}
	return w.established(p, m, ref)
}

// unknownFlow hands a packet without session to the worker that owns its flow, or decides about it.
func (w *Worker) unknownFlow(p *ports.Packet, m *meta) Verdict {
	if w.outgoing != nil && (p.Handovers == 0 || w.snap.moving) {
		m.WriteKey(&w.key, p.Bytes())
		if to := w.whose(p, &w.key, w.owner(p.Port, &w.key)); to != w.number {
			return w.handOver(p, to)
		}
	}
	return w.newFlow(p, m, 0)
}

// established forwards a packet of a session, unless the packet begins another.
func (w *Worker) established(p *ports.Packet, m *meta, ref conntrack.Ref) Verdict {
	if m.opens(p) {
		w.noteOpening(m, ref)
		if w.startsAnew(ref) {
			return w.newFlow(p, m, ref)
		}
	}
	var g passage
	if v := w.enter(&g, p, m, ref); v != Taken {
		return w.orphaned(&g, v)
	}
	return w.forward(&g)
}

// opens reports whether a packet asks for a new connection, as the kernel's is_new_conn does: a SYN
// or an INIT.
func (m *meta) opens(p *ports.Packet) bool {
	if m.Protocol == packet.ProtocolSCTP {
		return m.chunkEvent(p) == conntrack.EventInit
	}
	return m.TCPFlags&packet.TCPSyn != 0
}

// forward sends a packet of a session to its next hop if the packet may pass.
func (w *Worker) forward(g *passage) Verdict {
	mtu := g.mtuLeft()
	if !g.m.passable(mtu) && !w.divisible(g) {
		return w.impassable(g, mtu)
	}
	w.track(g)
	if v := w.rewrite(g); v != Taken {
		return v
	}
	if r := &w.roads[g.session.Server]; r.paved != w.paved && g.direction == conntrack.Inbound {
		w.learn(r, g)
	}
	if g.m.size() > mtu { // finish does the same; this saves a call
		return w.divide(g.p, g.hop)
	}
	w.sendTo(g.p, g.hop, g.next)
	return Taken
}

// finish sends a rewritten packet, in fragments if it exceeds the MTU.
func (w *Worker) finish(g *passage, mtu int) Verdict {
	if g.m.size() > mtu {
		return w.divide(g.p, g.hop)
	}
	w.sendTo(g.p, g.hop, g.next)
	return Taken
}

// send sends a packet to a next hop, or holds it until the next hop is known.
func (w *Worker) send(p *ports.Packet, h neighbour.Hop) { w.sendTo(p, h, w.neighbours.At(h)) }

// sendTo is send with the neighbour at hand.
func (w *Worker) sendTo(p *ports.Packet, h neighbour.Hop, n *neighbour.Entry) {
	n.Used = true
	if n.HasMAC() {
		w.transmit(p, n)
	} else {
		w.hold(p, h)
	}
}

// track updates the session's state and counts the packet.
func (w *Worker) track(g *passage) {
	switch g.m.Protocol {
	case packet.ProtocolTCP:
		w.follow(g, conntrack.EventOf(g.m.TCPFlags))
	case packet.ProtocolSCTP:
		w.follow(g, g.m.chunkEvent(g.p))
	default:
		g.session.LastSeen = w.now
	}
	w.countTraffic(g)
}

// follow takes a session through its state table.
func (w *Worker) follow(g *passage, e conntrack.Event) {
	change := w.sessions.Track(g.slot, g.way.views[g.direction], e, w.now)
	if change.From != change.To {
		recount(g.server, change)
		if g.server.evidence != nil {
			w.noteTurn(g, change)
		}
		if g.session.Template != 0 {
			w.confirmTemplate(g.session, change)
		}
	}
}

// chunkEvent returns the event of an SCTP packet.
func (m *meta) chunkEvent(p *ports.Packet) conntrack.Event {
	return conntrack.EventOfChunks(p.Bytes()[m.Transport+packet.SCTPLen : m.End])
}

// countTraffic counts a packet of a session, by its size in bytes of IP.
func (w *Worker) countTraffic(g *passage) {
	traffic, size := &w.roads[g.session.Server].traffic, uint64(g.m.size())
	if g.direction == conntrack.Inbound {
		g.session.PacketsIn++
		traffic.InPackets++
		traffic.InBytes += size
	} else {
		g.session.PacketsOut++
		traffic.OutPackets++
		traffic.OutBytes += size
	}
}

// recount moves a session between a real server's active and inactive connections.
func recount(server *serverEntry, c conntrack.Transition) {
	switch was, is := c.From.Active(), c.To.Active(); {
	case !was && is:
		server.load.Activate()
	case was && !is:
		server.load.Deactivate()
	}
}
