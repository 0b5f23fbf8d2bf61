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
// general path does the same for every packet; TestStraightEqualsGeneral compares them.

// road is what the straight path needs of a real server and of the next hop towards it, and no
// more. The general path fills it in.
type road struct {
	paved uint32   // the worker's, when it was filled in; it holds as long as that is the same
	macs  [12]byte // of the next hop, see neighbour.Entry
	port  uint16
	mtu   uint16   // of the next hop, in bytes of IP
	mode  lvs.Mode // of the sessions that it is for
	path  lvs.Path
	_     [10]byte
}

// paving says since when roads hold.
type paving struct {
	paved      uint32 // raised when roads may be wrong
	pavedAt    uint32 // ms: when it was raised last for age
	lastChange uint32 // the neighbours' Changes then
}

// paveInterval is how long roads hold at most, in ms. Packets on the straight path do not tell the
// neighbour's entry that it is used, and that decides about questions a second later.
const paveInterval = 100

// pave has all roads filled in anew if something may have changed.
func (w *Worker) pave() {
	if n := w.neighbours.Changes(); n != w.lastChange || w.now-w.pavedAt >= paveInterval {
		w.lastChange, w.pavedAt = n, w.now
		w.paved++
	}
}

// learn fills in the road that a packet takes, if it is one for the straight path.
func (r *road) learn(paved uint32, g *passage) {
	if g.server.families != 0 || g.way.path == lvs.Tunnel || !g.next.HasMAC() || !g.way.still() {
		return
	}
	*r = road{
		paved: paved, macs: g.next.MACs, port: g.next.Port, mtu: g.next.MTU,
		mode: g.session.Mode, path: g.way.path,
	}
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

// mayGoStraight reports whether a usual packet may take the straight path if its session may.
func (m *meta) mayGoStraight() bool {
	const all = packet.TCPSyn | packet.TCPFin | packet.TCPRst | packet.TCPAck
	return m.verdict == Taken && m.TTL > 1 &&
		(m.Kind == packet.UDP4 || m.TCPFlags&all == packet.TCPAck)
}

// straight forwards a packet by the straight path. It returns false, and has done nothing, if the
// packet needs the general one.
func (w *Worker) straight(p *ports.Packet, m *meta) bool {
	ref := w.refs[m.index]
	if !w.sessions.Confirm4(ref, &m.Key4) {
		return false
	}
	s := w.sessions.At(ref.Slot())
	r := &w.roads[s.Server]
	if r.paved != w.paved || r.mode != s.Mode ||
		m.Kind == packet.TCP4 && s.State != conntrack.Established {
		return false
	}
	if ref.Direction() == conntrack.Outbound {
		return w.straightBack(p, m, s)
	}
	size := m.End - m.Network
	if size > r.mtu {
		return false
	}
	s.LastSeen = w.now
	s.PacketsIn++
	traffic := &w.peers[s.Server].traffic
	traffic.InPackets++
	traffic.InBytes += uint64(size)
	frame := p.Bytes()
	if r.path == lvs.Route {
		modes.Route(packet.IPv4(frame[packet.EthernetLen:]))
	} else {
		modes.Translate(packet.IPv4(frame[packet.EthernetLen:m.End]), packet.IPv4MinLen, s, conntrack.Inbound)
	}
	*(*[12]byte)(frame) = r.macs
	w.output(p, int(r.port))
	return true
}

// straightBack is straight for a real server's answer, to a client behind a gateway.
func (w *Worker) straightBack(p *ports.Packet, m *meta, s *conntrack.Session) bool {
	n := w.neighbours.At(neighbour.Hop(s.NextHop))
	size := m.End - m.Network
	if s.RouteEpoch != w.snap.epoch || !n.Gateway || !n.HasMAC() || size > n.MTU {
		return false
	}
	s.LastSeen = w.now
	s.PacketsOut++
	traffic := &w.peers[s.Server].traffic
	traffic.OutPackets++
	traffic.OutBytes += uint64(size)
	frame := p.Bytes()
	modes.Translate(packet.IPv4(frame[packet.EthernetLen:m.End]), packet.IPv4MinLen, s, conntrack.Outbound)
	n.Used = true
	w.transmit(p, n)
	return true
}
