package engine

import (
	"fulcrum/conntrack"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// passage describes one packet on its way along a session: its session, direction and next hop.
// enter makes it for packets of flows, later fragments and ICMP errors.
type passage struct {
	p         *ports.Packet
	m         *meta
	session   *conntrack.Session
	server    *serverEntry
	way       *way
	next      *neighbour.Entry // entry of hop
	slot      uint32
	hop       neighbour.Hop
	direction conntrack.Direction
}

// enter makes the passage of a packet along its session. It returns Taken or a drop reason.
func (w *Worker) enter(g *passage, p *ports.Packet, m *meta, ref conntrack.Ref) Verdict {
	slot := ref.Slot()
	s := w.sessions.At(slot)
	server := w.snap.servers[s.Server]
	g.p, g.m, g.session, g.server, g.slot = p, m, s, server, slot
	g.way = &w.ways[s.Mode][server.families]
	if server.gone {
		return DropRealServerGone
	}
	var v Verdict
	if g.direction = ref.Direction(); g.direction == conntrack.Outbound {
		g.hop, v = w.clientHop(s, slot)
		g.next = w.neighbours.At(g.hop)
		return v
	}
	peer := &w.peers[s.Server]
	if n := w.neighbours.At(peer.hop); peer.epoch == w.hopEpoch && n.Generation == peer.generation {
		g.hop, g.next = peer.hop, n
		return Taken
	}
	g.hop, v = w.findServerHop(peer, server)
	g.next = w.neighbours.At(g.hop)
	return v
}

// serverHop returns the next hop towards a real server. It is remembered until the routes change or
// another neighbour gets the hop's place in the table.
func (w *Worker) serverHop(id uint32, server *serverEntry) (neighbour.Hop, Verdict) {
	p := &w.peers[id]
	if p.epoch == w.hopEpoch && w.neighbours.At(p.hop).Generation == p.generation {
		return p.hop, Taken
	}
	return w.findServerHop(p, server)
}

// findServerHop looks up a real server's next hop and keeps its neighbour resolved.
func (w *Worker) findServerHop(p *peer, server *serverEntry) (neighbour.Hop, Verdict) {
	p.meet(server, w.random)
	h, v := w.nextServerHop(server.address)
	if v != Taken {
		return 0, v
	}
	p.hop, p.generation, p.epoch = h, w.neighbours.At(h).Generation, w.hopEpoch
	return h, Taken
}

// clientHop returns the next hop towards a session's client. The session remembers the hop until
// the routes change. Within that time a gateway stays a gateway, and a neighbour's entry holds its
// address for comparison.
func (w *Worker) clientHop(s *conntrack.Session, slot uint32) (neighbour.Hop, Verdict) {
	if h := neighbour.Hop(s.NextHop); s.RouteEpoch == w.snap.epoch && h != 0 {
		n := w.neighbours.At(h)
		if n.Gateway || n.Address == w.sessions.Flow(slot, conntrack.Inbound).Src {
			return h, Taken
		}
	}
	h, v := w.nextHop(w.sessions.Flow(slot, conntrack.Inbound).Src)
	s.NextHop, s.RouteEpoch = uint16(h), w.snap.epoch
	return h, v
}

// mtuLeft returns the size of the largest packet that passes, in bytes of IP as it came in.
func (g *passage) mtuLeft() int { return int(g.next.MTU) - int(g.way.overheads[g.direction]) }

// size returns the size of the packet as it came in, in bytes of IP.
func (m *meta) size() int { return int(m.End - m.Network) }

// passable checks what a router checks before it forwards: TTL and size.
func (m *meta) passable(mtu int) bool { return m.TTL > 1 && m.size() <= mtu }

// divisible reports whether a packet that exceeds the MTU may be sent in fragments, whatever its
// session's mode is.
func (m *meta) divisible() bool { return m.TTL > 1 && !m.DontFragment }

// impassable tells the sender why a packet cannot pass, and returns the verdict about the packet.
func (w *Worker) impassable(g *passage, mtu int) Verdict {
	p, m, k := g.p, g.m, &w.key
	m.WriteKey(k, p.Bytes())
	from := w.hopAddress(p, k, g.direction)
	if m.TTL <= 1 {
		return w.refuse(p, m, refusal{DropTTLExceeded, from, ttlExceeded, 0})
	}
	if g.direction == conntrack.Inbound {
		from = k.Dst // the client sees the VIP as the end of the path, so the VIP reports the limit
	}
	return w.refuse(p, m, refusal{DropTooBig, from, tooBig, uint32(mtu)})
}

// hopAddress returns the source address for the director's ICMP errors to the sender of a packet:
// the port's own, or the VIP if the port has none.
func (w *Worker) hopAddress(p *ports.Packet, k *packet.Key, d conntrack.Direction) packet.Addr {
	a := w.snap.ports[p.Port].sourceTowards(k.Src)
	if a == (packet.Addr{}) && d == conntrack.Inbound {
		return k.Dst
	}
	return a
}
