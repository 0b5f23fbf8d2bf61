package engine

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// rewrite does to the packet what its session's mode does. It returns Taken or a drop reason.
func (w *Worker) rewrite(g *passage) Verdict {
	m := g.m
	if g.server.mss != 0 && m.TCPFlags&packet.TCPSyn != 0 {
		modes.ClampMSS(packet.TCP(g.p.Bytes()[m.Transport:m.End]), g.server.mss)
	}
	switch {
	case g.way.path == lvs.Tunnel:
		return w.encapsulate(g)
	case g.server.families&clients6 != 0:
		return w.rewrite6(g)
	}
	ip := packet.IPv4(g.p.Bytes()[m.Network:m.End])
	if g.way.path == lvs.Route {
		modes.Route(ip)
	} else {
		modes.Translate(ip, int(m.Transport-m.Network), g.session, g.direction)
	}
	return Taken
}

// rewrite6 is rewrite for IPv6 clients, for all paths but the tunnel.
func (w *Worker) rewrite6(g *passage) Verdict {
	p, m := g.p, g.m
	if g.way.path == lvs.Route {
		modes.Route6(packet.IPv6(p.Bytes()[m.Network:]))
		return Taken
	}
	to := &w.answers
	*to = w.target(g)
	switch {
	case !g.server.families.mixed():
		ip := packet.IPv6(p.Bytes()[m.Network:m.End])
		modes.Translate6(ip, int(m.Transport-m.Network), m.Protocol, to)
	case m.fragment:
		return DropOtherFamily
	case g.direction == conntrack.Inbound:
		w.sixToFour(p, m, to)
	default:
		return w.fourToSix(p, m, to)
	}
	return Taken
}

// target returns the flow on which a packet leaves: the reverse of its session's other flow.
func (w *Worker) target(g *passage) packet.Flow {
	if g.session == &w.lone.session {
		return w.lone.leaves
	}
	other := w.sessions.Flow(g.slot, g.direction^1)
	return other.Reverse()
}

// encapsulate puts an outer header in front of the packet and removes the padding behind it. The
// Ethernet addresses are written last, by transmit.
func (w *Worker) encapsulate(g *passage) Verdict {
	p := g.p
	p.Resize(int(g.m.End))
	if !p.Prepend(int(g.way.overheads[conntrack.Inbound])) {
		return DropNoHeadroom
	}
	t := w.tunnelOf(g)
	w.wrap(p.Bytes(), &t)
	return Taken
}

// sixToFour translates a packet from IPv6 to IPv4, which is shorter.
func (w *Worker) sixToFour(p *ports.Packet, m *meta, to *packet.Flow) {
	narrow := to.Narrow()
	w.outerID++
	ip := p.Bytes()[m.Network:m.End]
	modes.SixToFour(ip, int(m.Transport-m.Network), m.Protocol, &narrow, w.outerID)
	p.Resize(int(m.End))
	p.TrimFront(int(m.Transport) - packet.IPv4MinLen - packet.EthernetLen)
	packet.Ethernet(p.Bytes()).SetType(packet.EtherTypeIPv4)
}

// fourToSix translates a packet from IPv4 to IPv6, which is longer.
func (w *Worker) fourToSix(p *ports.Packet, m *meta, to *packet.Flow) Verdict {
	header := int(m.Transport - m.Network)
	p.Resize(int(m.End))
	if !p.Prepend(packet.IPv6Len) {
		return DropNoHeadroom
	}
	modes.FourToSix(p.Bytes(), header, int(m.Transport)+packet.IPv6Len, m.Protocol, to)
	p.TrimFront(int(m.Transport) - packet.EthernetLen)
	packet.Ethernet(p.Bytes()).SetType(packet.EtherTypeIPv6)
	return Taken
}
