package engine

import (
	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// flow takes a TCP or UDP packet to its session, or makes one for it.
func (w *Worker) flow(p *ports.Packet, m *meta) Verdict {
	ref := m.ref
	if !w.sessions.Confirm(ref, &m.key) {
		var found bool
		if ref, found = w.sessions.Lookup(m.hash, &m.key); !found {
			return w.newFlow(p, m)
		}
	}
	if w.startsAnew(m, ref) {
		w.sessions.End(ref.Slot())
		return w.newFlow(p, m)
	}
	return w.established(p, m, ref.Slot(), ref.Direction())
}

// startsAnew reports whether a packet is the SYN of a new connection on the addresses and ports of one that has
// ended: IPVS's conn_reuse_mode 3.
func (w *Worker) startsAnew(m *meta, ref conntrack.Ref) bool {
	if m.Kind != packet.TCP4 || m.TCPFlags&packet.TCPSyn == 0 || ref.Direction() == conntrack.Outbound {
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
	h, v := w.hopOf(s, d)
	if v != Taken {
		return v
	}
	if v := w.passable(p, m, server.mode, d, h); v != Taken {
		return v
	}
	w.track(slot, m, server, d)
	return w.rewrite(p, m, slot, server.mode, d, h)
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
func (w *Worker) hopOf(s *conntrack.Session4, d conntrack.Direction) (hop, Verdict) {
	if s.RouteEpoch != w.snap.epoch {
		s.NextHopIn, s.NextHopOut, s.RouteEpoch = 0, 0, w.snap.epoch
	}
	cached, address := &s.NextHopIn, s.Out.Src
	if d == conntrack.Outbound {
		cached, address = &s.NextHopOut, s.In.Src
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

// passable checks what a router checks before it forwards: TTL, and size on the way to h. The sender is told when
// a packet fails.
func (w *Worker) passable(p *ports.Packet, m *meta, mode modes.Mode, d conntrack.Direction, h hop) Verdict {
	ip := packet.IPv4(p.Bytes()[m.Network:])
	if ip.TTL() <= 1 {
		return w.refuse(p, m, DropTTLExceeded, w.hopAddress(p, m, d), packet.ICMPTimeExceeded, packet.ICMPCodeTTLExceeded, 0)
	}
	room := w.snap.ports[w.neighbours.entries[h].port].mtu
	if d == conntrack.Inbound {
		room -= mode.Overhead()
	}
	switch {
	case int(m.End-m.Network) <= room:
		return Taken
	case !ip.DontFragment():
		return DropTooBig
	}
	from := m.Dst // to the client the VIP is the end of the way, so that is where the limit is
	if d == conntrack.Outbound {
		from = w.hopAddress(p, m, d)
	}
	return w.refuse(p, m, DropTooBig, from, packet.ICMPUnreachable, packet.ICMPCodeFragmentationNeeded, uint32(room))
}

// hopAddress returns the address by which the director shows itself as a hop to the sender of a packet: the port's
// own, or the VIP if the port has none.
func (w *Worker) hopAddress(p *ports.Packet, m *meta, d conntrack.Direction) uint32 {
	a := w.snap.ports[p.Port].sourceTowards(m.Src)
	if a == 0 && d == conntrack.Inbound {
		return m.Dst
	}
	return a
}

// track updates the session's state and counts the packet.
func (w *Worker) track(slot uint32, m *meta, server *serverEntry, d conntrack.Direction) {
	s := w.sessions.At(slot)
	if m.Kind == packet.TCP4 {
		change := w.sessions.Track(slot, server.mode.View(d), conntrack.EventOf(m.TCPFlags), w.now)
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

// rewrite does to the packet what its mode does, and sends it.
func (w *Worker) rewrite(p *ports.Packet, m *meta, slot uint32, mode modes.Mode, d conntrack.Direction, h hop) Verdict {
	ip := packet.IPv4(p.Bytes()[m.Network:])
	switch mode {
	case modes.DR:
		modes.Route(ip)
	case modes.NAT, modes.FullNAT:
		modes.Translate(ip, int(m.Transport-m.Network), w.sessions.At(slot), d)
	case modes.IPIP:
		if !w.encapsulate(p, m, w.sessions.At(slot).Out.Src, h) {
			return DropNoHeadroom
		}
	}
	w.send(p, h)
	return Taken
}

// encapsulate puts an outer header between the Ethernet header, which is written last, and the packet, whose padding
// goes.
func (w *Worker) encapsulate(p *ports.Packet, m *meta, server uint32, h hop) bool {
	p.Resize(int(m.End))
	if !p.Prepend(packet.IPv4MinLen) {
		return false
	}
	n := &w.neighbours.entries[h]
	frame := p.Bytes()
	packet.Ethernet(frame).SetType(packet.EtherTypeIPv4)
	w.outerID++
	modes.Encapsulate(frame[packet.EthernetLen:], w.snap.ports[n.port].sourceTowards(n.address), server, w.outerID)
	return true
}
