package engine

import (
	"fulcrum/conntrack"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// passage is the way of one packet along a session: whose packet it is, in which direction it goes, and
// to which next hop. enter makes it; flows, later fragments and ICMP errors pass by the same one.
type passage struct {
	p         *ports.Packet
	m         *meta
	session   *conntrack.Session
	server    *serverEntry
	way       *way
	next      *neighbour.Entry // of hop
	slot      uint32
	hop       neighbour.Hop
	direction conntrack.Direction
}

// enter makes the passage of a packet along its session. It returns Taken, or why the packet goes
// nowhere.
func (w *Worker) enter(g *passage, p *ports.Packet, m *meta, ref conntrack.Ref) Verdict {
	slot := ref.Slot()
	s := w.sessions.At(slot)
	server := w.snap.servers[s.Server]
	g.p, g.m, g.session, g.server, g.slot = p, m, s, server, slot
	g.way = &ways[s.Mode][server.families]
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

// serverHop returns the next hop towards a real server. It is remembered until the routes change or the
// neighbour's place in the table is another's.
func (w *Worker) serverHop(id uint32, server *serverEntry) (neighbour.Hop, Verdict) {
	p := &w.peers[id]
	if p.epoch == w.hopEpoch && w.neighbours.At(p.hop).Generation == p.generation {
		return p.hop, Taken
	}
	return w.findServerHop(p, server)
}

// findServerHop looks a real server's next hop up, and has its neighbour kept.
func (w *Worker) findServerHop(p *peer, server *serverEntry) (neighbour.Hop, Verdict) {
	p.meet(server, w.random)
	h, v := w.nextHop(server.address)
	if v != Taken {
		return 0, v
	}
	w.want(h)
	p.hop, p.generation, p.epoch = h, w.neighbours.At(h).Generation, w.hopEpoch
	return h, Taken
}

// clientHop returns the next hop towards a session's client. The session remembers it until the routes
// change; a gateway stays what it is as long, and another neighbour's place tells whose it is.
func (w *Worker) clientHop(s *conntrack.Session, slot uint32) (neighbour.Hop, Verdict) {
	if h := neighbour.Hop(s.NextHop); s.RouteEpoch == w.snap.epoch && h != 0 {
		if n := w.neighbours.At(h); n.Gateway || n.Address == w.sessions.Flow(slot, conntrack.Inbound).Src {
			return h, Taken
		}
	}
	h, v := w.nextHop(w.sessions.Flow(slot, conntrack.Inbound).Src)
	s.NextHop, s.RouteEpoch = uint16(h), w.snap.epoch
	return h, v
}

// mtuLeft returns how large a packet may be on its way, in bytes of IP as it came.
func (g *passage) mtuLeft() int { return int(g.next.MTU) - int(g.way.overheads[g.direction]) }

// size returns how large the packet came, in bytes of IP.
func (m *meta) size() int { return int(m.End - m.Network) }

// passable checks what a router checks before it forwards: TTL and size.
func (m *meta) passable(mtu int) bool { return m.TTL > 1 && m.size() <= mtu }

// divisible reports whether a packet that is too large for its way may be sent in pieces.
func (m *meta) divisible() bool { return m.TTL > 1 && !m.DontFragment }

// impassable tells the sender of a packet that is not passable why, and returns what became of the packet.
func (w *Worker) impassable(g *passage, mtu int) Verdict {
	p, m, k := g.p, g.m, &w.key
	m.WriteKey(k, p.Bytes())
	from := w.hopAddress(p, k, g.direction)
	if m.TTL <= 1 {
		return w.refuse(p, m, refusal{DropTTLExceeded, from, ttlExceeded, 0})
	}
	if g.direction == conntrack.Inbound {
		from = k.Dst // to the client the VIP is the end of the way, so that is where the limit is
	}
	return w.refuse(p, m, refusal{DropTooBig, from, tooBig, uint32(mtu)})
}

// hopAddress returns the address by which the director shows itself as a hop to the sender of a packet: the port's
// own, or the VIP if the port has none.
func (w *Worker) hopAddress(p *ports.Packet, k *packet.Key, d conntrack.Direction) packet.Addr {
	a := w.snap.ports[p.Port].sourceTowards(k.Src)
	if a == (packet.Addr{}) && d == conntrack.Inbound {
		return k.Dst
	}
	return a
}
