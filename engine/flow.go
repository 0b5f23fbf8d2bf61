package engine

import (
	"fulcrum/conntrack"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/steer"
)

// flow takes a packet of IPv4 to its session, or makes one for it.
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
	m.widen(p, k)
	if !w.sessions.Confirm(ref, k) {
		var found bool
		if ref, found = w.sessions.Lookup(w.hashes[m.index], k); !found {
			return w.unknownFlow(p, m)
		}
	}
	return w.established(p, m, ref)
}

// unknownFlow hands a packet without session to the worker that its flow belongs to, or makes a session for it.
func (w *Worker) unknownFlow(p *ports.Packet, m *meta) Verdict {
	if w.outgoing != nil && p.Spare == 0 {
		m.widen(p, &w.key)
		if owner := w.owner(p.Port, &w.key); owner != steer.Receiver && owner != w.number {
			return w.handOver(p, owner)
		}
	}
	return w.newFlow(p, m)
}

// startsAnew reports whether a SYN begins a new connection on the addresses and ports of one that has ended: IPVS's
// conn_reuse_mode 3.
func (w *Worker) startsAnew(ref conntrack.Ref) bool {
	if ref.Direction() == conntrack.Outbound {
		return false
	}
	s := w.sessions.At(ref.Slot())
	switch s.State {
	case conntrack.TimeWait, conntrack.Close:
		return true
	case conntrack.FinWait:
		return s.PacketsOut == 0
	}
	return false
}

// established forwards a packet of a session, unless it begins another.
func (w *Worker) established(p *ports.Packet, m *meta, ref conntrack.Ref) Verdict {
	if m.TCPFlags&packet.TCPSyn != 0 && w.startsAnew(ref) {
		w.sessions.End(ref.Slot())
		return w.newFlow(p, m)
	}
	slot, d := ref.Slot(), ref.Direction()
	s := w.sessions.At(slot)
	server := &w.snap.servers[s.Server]
	if server.gone {
		return w.orphan(slot)
	}
	h, v := w.hopOf(slot, s, server, d)
	if v != Taken {
		return v
	}
	return w.forward(p, m, slot, server, d, h)
}

// forward sends a packet of a session on to the next hop h, if it may go there.
func (w *Worker) forward(p *ports.Packet, m *meta, slot uint32, server *serverEntry, d conntrack.Direction, h neighbour.Hop) Verdict {
	n := w.neighbours.At(h)
	room := server.room(d, n)
	if !m.passable(room) && !m.divisible() {
		return w.impassable(p, m, d, room)
	}
	w.track(p, slot, w.sessions.At(slot), m, server, d)
	if v := w.rewrite(p, m, slot, server, d, n); v != Taken {
		return v
	}
	return w.finish(p, h, m.size() > room)
}

// finish sends a packet that has been rewritten, in pieces if it is larger than its way allows.
func (w *Worker) finish(p *ports.Packet, h neighbour.Hop, large bool) Verdict {
	if large {
		return w.divide(p, h)
	}
	w.send(p, h)
	return Taken
}

// send gives a packet to a next hop, now or when it is known.
func (w *Worker) send(p *ports.Packet, h neighbour.Hop) {
	n := w.neighbours.At(h)
	n.Used = true
	if n.HasMAC() {
		w.transmit(p, n)
	} else {
		w.hold(p, h)
	}
}

// orphan drops a packet whose real server was removed. With expire_nodest its session ends too, so that
// the next packet starts anew.
func (w *Worker) orphan(slot uint32) Verdict {
	if w.snap.settings.ExpireNoDest {
		w.sessions.End(slot)
	}
	return DropRealServerGone
}

// hopOf returns the next hop of a session's packets in a direction. It is remembered in the session, until the routes
// change or the neighbour's place in the table is another's.
func (w *Worker) hopOf(slot uint32, s *conntrack.Session, server *serverEntry, d conntrack.Direction) (neighbour.Hop, Verdict) {
	if s.RouteEpoch != w.snap.epoch {
		s.NextHopIn, s.NextHopOut, s.RouteEpoch = 0, 0, w.snap.epoch
	}
	cached := &s.NextHopIn
	if d == conntrack.Outbound {
		cached = &s.NextHopOut
	}
	h := neighbour.Hop(*cached)
	if h != 0 && w.neighbours.At(h).Gateway {
		return h, Taken
	}
	address := server.address
	if d == conntrack.Outbound {
		address = w.sessions.Flow(slot, conntrack.Inbound).Src
	}
	if h != 0 && w.neighbours.At(h).Address == address {
		return h, Taken
	}
	var v Verdict
	if d == conntrack.Inbound {
		h, v = w.hopOfServer(s.Server)
	} else {
		h, v = w.nextHop(address)
	}
	*cached = uint16(h)
	return h, v
}

// room returns how large a packet may be on its way in direction d to the next hop n, in bytes of IP as it came.
func (e *serverEntry) room(d conntrack.Direction, n *neighbour.Entry) int {
	return int(n.MTU) - int(e.overheads[d])
}

// size returns how large the packet came, in bytes of IP.
func (m *meta) size() int { return int(m.End - m.Network) }

// passable checks what a router checks before it forwards: TTL and size.
func (m *meta) passable(room int) bool { return m.TTL > 1 && m.size() <= room }

// divisible reports whether a packet that is too large for its way may be sent in pieces.
func (m *meta) divisible() bool { return m.TTL > 1 && !m.DontFragment }

// impassable tells the sender of a packet that is not passable why, and returns what became of the packet.
func (w *Worker) impassable(p *ports.Packet, m *meta, d conntrack.Direction, room int) Verdict {
	k := &w.key
	m.widen(p, k)
	from := w.hopAddress(p, k, d)
	if m.TTL <= 1 {
		return w.refuse(p, m, DropTTLExceeded, from, ttlExceeded, 0)
	}
	if d == conntrack.Inbound {
		from = k.Dst // to the client the VIP is the end of the way, so that is where the limit is
	}
	return w.refuse(p, m, DropTooBig, from, tooBig, uint32(room))
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

// track updates the session's state and counts the packet.
func (w *Worker) track(p *ports.Packet, slot uint32, s *conntrack.Session, m *meta, server *serverEntry, d conntrack.Direction) {
	switch m.Protocol {
	case packet.ProtocolTCP:
		change := w.sessions.Track(slot, server.views[d], conntrack.EventOf(m.TCPFlags), w.now)
		if change.From != change.To {
			recount(server, change)
		}
	case packet.ProtocolSCTP:
		change := w.sessions.Track(slot, server.views[d], m.chunkEvent(p), w.now)
		if change.From != change.To {
			recount(server, change)
		}
	default:
		s.LastSeen = w.now
	}
	w.countTraffic(s, m.size(), d)
}

// chunkEvent returns the event of an SCTP packet.
func (m *meta) chunkEvent(p *ports.Packet) conntrack.Event {
	return conntrack.EventOfChunks(p.Bytes()[m.Transport+packet.SCTPLen : m.End])
}

// countTraffic counts a packet of a session, by its size in bytes of IP.
func (w *Worker) countTraffic(s *conntrack.Session, size int, d conntrack.Direction) {
	traffic := &w.counters.servers[s.Server]
	if d == conntrack.Inbound {
		s.PacketsIn++
		traffic.InPackets++
		traffic.InBytes += uint64(size)
	} else {
		s.PacketsOut++
		traffic.OutPackets++
		traffic.OutBytes += uint64(size)
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
