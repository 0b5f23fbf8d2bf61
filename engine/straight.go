package engine

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// Almost every packet belongs to an established session, changes nothing of its state, and goes
// where the one before went. Such a packet takes the straight path: what enter, forward, track,
// rewrite and transmit do, in one function, with what they would look up at hand in a road. The
// general path does the same for every packet; TestBurstEqualsItsPackets compares them.

// road is what the straight path needs of a real server and of the next hop towards it, indexed by
// the real server's id. It fills a cache line, which only its worker writes.
type road struct {
	traffic Traffic  // counted on the general path too
	paved   uint32   // the worker's, when the rest was filled in; that holds as long as it is the same
	macs    [12]byte // of the next hop, see neighbour.Entry
	port    uint16
	mtu     uint16   // of the largest packet that passes, in bytes of IP as it comes in
	mode    lvs.Mode // of the sessions that it is for
	path    lvs.Path
	_       [2]byte
}

// paving says since when roads hold.
type paving struct {
	paved       uint32 // raised when roads may be wrong
	pavedAt     uint32 // ms: when it was raised last for age
	lastRenewal uint32 // the neighbours' Renewals then
}

// paveInterval is how long roads hold at most, in ms. Packets on the straight path do not tell the
// neighbour's entry that it is used, and that decides about questions a second later.
const paveInterval = 100

// pave has all roads filled in anew if something may have changed.
func (w *Worker) pave() {
	if n := w.neighbours.Renewals(); n != w.lastRenewal || w.now-w.pavedAt >= paveInterval {
		w.lastRenewal, w.pavedAt = n, w.now
		w.paved++
	}
}

// learn fills in the road that a packet takes, if it is one for the straight path.
func (w *Worker) learn(r *road, g *passage) {
	translated := g.server.families.mixed() && g.way.path != lvs.Tunnel
	if r.paved = w.paved; translated || !g.next.HasMAC() || !g.way.still() {
		r.mode = lvs.NumModes // no session's, until something changes
		return
	}
	r.mode, r.path = g.session.Mode, g.way.path
	if r.path == lvs.Tunnel {
		w.tunnels[g.session.Server] = w.tunnelOf(g)
	}
	r.macs, r.port, r.mtu = g.next.MACs, g.next.Port, uint16(g.mtuLeft())
}

// still reports whether packets that only acknowledge leave established sessions so.
func (w *way) still() bool {
	for _, v := range w.views {
		if conntrack.Next(v, conntrack.EventAck, conntrack.Established) != conntrack.Established {
			return false
		}
	}
	return true
}

// straight forwards a packet by the straight path. It returns false, and has done nothing, if the
// packet needs the general one.
func (w *Worker) straight(p *ports.Packet, m *meta, ref conntrack.Ref) bool {
	if m.Kind >= packet.TCP6 {
		return w.straight6(p, m, ref)
	}
	s := w.sessions.OfClient4(ref, &m.Key4)
	if s == nil {
		return ref.Direction() == conntrack.Outbound &&
			w.sessions.Confirm4(ref, &m.Key4) && w.straightBack(p, m, ref)
	}
	r := &w.roads[s.Server]
	size := m.End - packet.EthernetLen
	if r.paved != w.paved || !r.takes(s) || size > r.mtu {
		return false
	}
	if r.path == lvs.Tunnel {
		return w.straightIntoTunnel(p, m, s, r)
	}
	r.count(s, w.now, size)
	frame := p.Usual()
	if r.path == lvs.Route {
		modes.Route(frame[packet.EthernetLen:])
	} else {
		modes.TranslateUsual(frame, s, conntrack.Inbound)
	}
	*(*[12]byte)(frame[:]) = r.macs
	if out := &w.out[r.port]; !out.Full() {
		out.Push(p)
		return true
	}
	w.output(p, int(r.port))
	return true
}

// straight6 is straight for IPv6. It says the same again: one function for both families took 23
// instructions more for a packet of IPv4 in dr, and 62 in nat. It stays out of straight, which is
// then small enough to be inlined.
//
//go:noinline
func (w *Worker) straight6(p *ports.Packet, m *meta, ref conntrack.Ref) bool {
	frame := p.Usual6()
	addresses := (*[32]byte)(frame[packet.EthernetLen+8:])
	s, a := w.sessions.OfClient6(ref, &m.Key4, addresses)
	if s == nil {
		return ref.Direction() == conntrack.Outbound &&
			w.sessions.ConfirmUsual6(ref, &m.Key4, addresses) && w.straightBack(p, m, ref)
	}
	r := &w.roads[s.Server]
	size := m.End - packet.EthernetLen
	if r.paved != w.paved || !r.takes(s) || size > r.mtu {
		return false
	}
	if r.path == lvs.Tunnel {
		return w.straightIntoTunnel(p, m, s, r)
	}
	r.count(s, w.now, size)
	if r.path == lvs.Route {
		modes.Route6(frame[packet.EthernetLen:])
	} else {
		modes.TranslateUsual6(p.Bytes(), s, a, conntrack.Inbound)
	}
	*(*[12]byte)(frame[:]) = r.macs
	if out := &w.out[r.port]; !out.Full() {
		out.Push(p)
		return true
	}
	w.output(p, int(r.port))
	return true
}

// takes reports whether the road is for the packets of a session that change nothing.
func (r *road) takes(s *conntrack.Session) bool {
	return r.mode == s.Mode && (s.Protocol != packet.ProtocolTCP || s.State == conntrack.Established)
}

// count counts a client's packet.
func (r *road) count(s *conntrack.Session, now uint32, size uint16) {
	s.LastSeen = now
	s.PacketsIn++
	r.traffic.InPackets++
	r.traffic.InBytes += uint64(size)
}

// straightBack is straight for a real server's answer, to a client behind a gateway. It stays out
// of straight as straight6 does.
//
//go:noinline
func (w *Worker) straightBack(p *ports.Packet, m *meta, ref conntrack.Ref) bool {
	s := w.sessions.At(ref.Slot())
	r := &w.roads[s.Server]
	if r.paved != w.paved || !r.takes(s) || s.RouteEpoch != w.snap.epoch {
		return false
	}
	n := w.neighbours.At(neighbour.Hop(s.NextHop))
	size := m.End - packet.EthernetLen
	if !n.Gateway || !n.HasMAC() || size > n.MTU {
		return false
	}
	s.LastSeen = w.now
	s.PacketsOut++
	r.traffic.OutPackets++
	r.traffic.OutBytes += uint64(size)
	if m.Kind >= packet.TCP6 {
		modes.TranslateUsual6(p.Bytes(), s, w.sessions.AddressesOf(ref.Slot()), conntrack.Outbound)
	} else {
		modes.TranslateUsual(p.Usual(), s, conntrack.Outbound)
	}
	n.Used = true
	w.transmit(p, n)
	return true
}
