package engine

import (
	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// rewrite does to the packet what its mode does. It returns Taken, or why it could not.
func (w *Worker) rewrite(p *ports.Packet, m *meta, slot uint32, server *serverEntry, d conntrack.Direction, n *neighbour.Entry) Verdict {
	if server.mss != 0 && m.TCPFlags&packet.TCPSyn != 0 {
		modes.ClampMSS(packet.TCP(p.Bytes()[m.Transport:m.End]), server.mss)
	}
	if server.mode == modes.IPIP {
		return w.encapsulate(p, m, server, n)
	}
	if server.clients6 {
		return w.rewrite6(p, m, slot, server, d)
	}
	ip := packet.IPv4(p.Bytes()[m.Network:m.End])
	if server.mode == modes.DR {
		modes.Route(ip)
	} else {
		modes.Translate(ip, int(m.Transport-m.Network), w.sessions.At(slot), d)
	}
	return Taken
}

// rewrite6 is rewrite where clients come over IPv6, for all modes but ipip.
func (w *Worker) rewrite6(p *ports.Packet, m *meta, slot uint32, server *serverEntry, d conntrack.Direction) Verdict {
	if server.mode == modes.DR {
		modes.Route6(packet.IPv6(p.Bytes()[m.Network:]))
		return Taken
	}
	to := &w.answers
	*to = w.target(slot, d)
	switch {
	case server.servers6:
		modes.Translate6(packet.IPv6(p.Bytes()[m.Network:m.End]), int(m.Transport-m.Network), m.Protocol, to)
	case m.fragment:
		return DropOtherFamily
	case d == conntrack.Inbound:
		w.sixToFour(p, m, to)
	default:
		return w.fourToSix(p, m, to)
	}
	return Taken
}

// target returns the flow that a packet of a session in direction d leaves on: the reverse of the session's other flow.
func (w *Worker) target(slot uint32, d conntrack.Direction) packet.Flow {
	other := w.sessions.Flow(slot, d^1)
	return other.Reverse()
}

// encapsulate puts an outer header between the Ethernet header, which is written last, and the packet, whose padding
// goes.
func (w *Worker) encapsulate(p *ports.Packet, m *meta, server *serverEntry, n *neighbour.Entry) Verdict {
	p.Resize(int(m.End))
	if !p.Prepend(int(server.overheads[conntrack.Inbound])) {
		return DropNoHeadroom
	}
	frame := p.Bytes()
	if server.servers6 {
		packet.Ethernet(frame).SetType(packet.EtherTypeIPv6)
		modes.Encapsulate6(frame[packet.EthernetLen:], n.Source, server.address)
		return Taken
	}
	packet.Ethernet(frame).SetType(packet.EtherTypeIPv4)
	w.outerID++
	modes.Encapsulate(frame[packet.EthernetLen:], n.Source.V4(), server.address.V4(), w.outerID)
	return Taken
}

// sixToFour makes a packet of IPv6 one of IPv4, which is shorter.
func (w *Worker) sixToFour(p *ports.Packet, m *meta, to *packet.Flow) {
	narrow := to.Narrow()
	w.outerID++
	modes.SixToFour(p.Bytes()[m.Network:m.End], int(m.Transport-m.Network), m.Protocol, &narrow, w.outerID)
	p.Resize(int(m.End))
	p.TrimFront(int(m.Transport) - packet.IPv4MinLen - packet.EthernetLen)
	packet.Ethernet(p.Bytes()).SetType(packet.EtherTypeIPv4)
}

// fourToSix makes a packet of IPv4 one of IPv6, which is longer.
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
