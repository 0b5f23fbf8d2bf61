package engine

import (
	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// flow takes a TCP or UDP packet to its session, or makes one for it.
func (w *Worker) flow(p *ports.Packet, m *meta) Verdict {
	ref := w.refs[m.index]
	if !w.sessions.Confirm(ref, &m.Key4) {
		var found bool
		if ref, found = w.sessions.Lookup(w.hashes[m.index], &m.Key4); !found {
			return w.unknownFlow(p, m)
		}
	}
	if m.TCPFlags&packet.TCPSyn != 0 && w.startsAnew(ref) {
		w.sessions.End(ref.Slot())
		return w.newFlow(p, m)
	}
	return w.established(p, m, ref.Slot(), ref.Direction())
}

// unknownFlow hands a packet without session to the worker that its flow belongs to, or makes a session for it.
func (w *Worker) unknownFlow(p *ports.Packet, m *meta) Verdict {
	if w.outgoing != nil && p.Spare == 0 {
		m.widen(p, &w.key)
		if owner := w.owner(p.Port, &w.key); owner != receiver && owner != w.number {
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

// established forwards a packet of a session.
func (w *Worker) established(p *ports.Packet, m *meta, slot uint32, d conntrack.Direction) Verdict {
	s := w.sessions.At(slot)
	server := &w.snap.servers[s.Server]
	if server.gone {
		return w.orphan(slot)
	}
	h, v := w.hopOf(s, server, d)
	if v != Taken {
		return v
	}
	return w.forward(p, m, slot, server, d, h)
}

// forward sends a packet of a session on to the next hop h, if it may go there.
func (w *Worker) forward(p *ports.Packet, m *meta, slot uint32, server *serverEntry, d conntrack.Direction, h hop) Verdict {
	n := &w.neighbours.entries[h]
	if room := server.room(d, n); !m.passable(room) {
		return w.impassable(p, m, d, room)
	}
	s := w.sessions.At(slot)
	w.track(slot, s, m, server, d)
	if !w.rewrite(p, m, s, server.mode, d, n) {
		return DropNoHeadroom
	}
	n.used = true
	if n.hasMAC() {
		w.transmit(p, n)
	} else {
		w.hold(p, h)
	}
	return Taken
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
func (w *Worker) hopOf(s *conntrack.Session, server *serverEntry, d conntrack.Direction) (hop, Verdict) {
	if s.RouteEpoch != w.snap.epoch {
		s.NextHopIn, s.NextHopOut, s.RouteEpoch = 0, 0, w.snap.epoch
	}
	cached, address := &s.NextHopIn, server.address
	if d == conntrack.Outbound {
		cached, address = &s.NextHopOut, packet.AddrOf4(s.In.Src)
	}
	if h := hop(*cached); h != 0 {
		if n := &w.neighbours.entries[h]; n.pinned || n.address == address {
			return h, Taken
		}
	}
	h, v := w.nextHop(address)
	*cached = uint16(h)
	return h, v
}

// room returns how large a packet may be on its way in direction d to the next hop n, in bytes of IP as it came.
func (e *serverEntry) room(d conntrack.Direction, n *neighbour) int {
	return int(n.mtu) - int(e.overheads[d])
}

// passable checks what a router checks before it forwards: TTL and size.
func (m *meta) passable(room int) bool { return m.TTL > 1 && int(m.End-m.Network) <= room }

// impassable tells the sender of a packet that is not passable why, and returns what became of the packet.
func (w *Worker) impassable(p *ports.Packet, m *meta, d conntrack.Direction, room int) Verdict {
	k := &w.key
	m.widen(p, k)
	from := w.hopAddress(p, k, d)
	if m.TTL <= 1 {
		return w.refuse(p, m, DropTTLExceeded, from, ttlExceeded, 0)
	}
	if !m.DontFragment {
		return DropTooBig
	}
	if d == conntrack.Inbound {
		from = k.Dst // to the client the VIP is the end of the way, so that is where the limit is
	}
	return w.refuse(p, m, DropTooBig, from, tooBig, uint32(room))
}

// hopAddress returns the address by which the director shows itself as a hop to the sender of a packet: the port's
// own, or the VIP if the port has none.
func (w *Worker) hopAddress(p *ports.Packet, k *packet.Key6, d conntrack.Direction) packet.Addr {
	a := w.snap.ports[p.Port].sourceTowards(k.Src)
	if a == (packet.Addr{}) && d == conntrack.Inbound {
		return k.Dst
	}
	return a
}

// track updates the session's state and counts the packet.
func (w *Worker) track(slot uint32, s *conntrack.Session, m *meta, server *serverEntry, d conntrack.Direction) {
	if m.Kind == packet.TCP4 {
		change := w.sessions.Track(slot, server.views[d], conntrack.EventOf(m.TCPFlags), w.now)
		if change.From != change.To {
			recount(server, change)
		}
	} else {
		s.LastSeen = w.now
	}
	traffic, size := &w.counters.servers[s.Server], uint64(m.End-m.Network)
	if d == conntrack.Inbound {
		s.PacketsIn++
		traffic.InPackets++
		traffic.InBytes += size
	} else {
		s.PacketsOut++
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

// rewrite does to the packet what its mode does, and reports whether it could.
func (w *Worker) rewrite(p *ports.Packet, m *meta, s *conntrack.Session, mode modes.Mode, d conntrack.Direction, n *neighbour) bool {
	ip := packet.IPv4(p.Bytes()[m.Network:])
	switch mode {
	case modes.DR:
		modes.Route(ip)
	case modes.NAT, modes.FullNAT:
		modes.Translate(ip, int(m.Transport-m.Network), s, d)
	case modes.IPIP:
		return w.encapsulate(p, m, s.Out.Src, n.source.V4())
	}
	return true
}

// encapsulate puts an outer header between the Ethernet header, which is written last, and the packet, whose padding
// goes.
func (w *Worker) encapsulate(p *ports.Packet, m *meta, server, source uint32) bool {
	p.Resize(int(m.End))
	if !p.Prepend(packet.IPv4MinLen) {
		return false
	}
	frame := p.Bytes()
	packet.Ethernet(frame).SetType(packet.EtherTypeIPv4)
	w.outerID++
	modes.Encapsulate(frame[packet.EthernetLen:], source, server, w.outerID)
	return true
}
