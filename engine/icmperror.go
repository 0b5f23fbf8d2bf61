package engine

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/steer"
)

// icmpError takes an ICMP error to the session that it is about, and with it on to whoever sent the packet that it quotes: a
// client or a real server. How a NIC spreads such packets says nothing about those that they quote, so the session may be another
// worker's: the owner is computed, or, where that cannot be done or proves wrong, each worker is asked in turn.
func (w *Worker) icmpError(p *ports.Packet, m *meta) Verdict {
	q, ok := m.quoted(p)
	if !ok {
		return w.tunnelError(p, m)
	}
	k := packet.Key{Flow: q.Key.Reverse(), Protocol: q.Key.Protocol}
	if ref, found := w.lookup(&k); found {
		return w.forwardError(p, m, &q, ref)
	}
	if w.outgoing == nil || int(p.Handovers) == len(w.outgoing) {
		return DropICMPError
	}
	if p.Handovers == 0 {
		if owner := w.probableOwner(p.Port, &k); owner != steer.Receiver && owner != w.number {
			return w.handOver(p, owner)
		}
	}
	return w.handOver(p, (w.number+1)%len(w.outgoing))
}

// forwardError sends an ICMP error on as if it were of the flow that goes the same way. It changes nothing in the session, since
// anybody can send one.
func (w *Worker) forwardError(p *ports.Packet, m *meta, q *packet.Quotation, ref conntrack.Ref) Verdict {
	var g passage
	if v := w.enter(&g, p, m, ref); v != Taken {
		return v
	}
	switch mtu := g.mtuLeft(); {
	case m.TTL <= 1:
		return DropTTLExceeded // no error is sent about an error
	case m.size() > mtu:
		return DropTooBig
	}
	w.countTraffic(&g)
	if v := w.rewriteError(&g, q); v != Taken {
		return v
	}
	w.send(p, g.hop)
	return Taken
}

// quoted reads the packet that an ICMP error quotes.
func (m *meta) quoted(p *ports.Packet) (packet.Quotation, bool) {
	b := p.Bytes()[m.Transport+packet.ICMPLen : m.End]
	if m.Kind.Is6() {
		return packet.Quoted6(b)
	}
	return packet.Quoted4(b)
}

// rewriteError does to an ICMP error what its session's mode does. Where addresses are translated, it
// becomes an error about the packet that its receiver has sent. It returns Taken, or why it could not.
func (w *Worker) rewriteError(g *passage, q *packet.Quotation) Verdict {
	switch g.way.path {
	case lvs.Tunnel:
		return w.encapsulate(g)
	case lvs.Route:
		g.route()
		return Taken
	}
	p, m := g.p, g.m
	inner := w.sessions.Flow(g.slot, g.direction^1)
	from, to := w.errorSource(g, &inner), inner.Src
	ip := p.Bytes()[m.Network:m.End]
	switch transport := int(m.Transport - m.Network); {
	case inner.Src.Is4() == m.Kind.Is6():
		return w.errorAcross(p, m, q, from, to, &inner)
	case m.Kind.Is6():
		modes.TranslateError6(ip, transport, q, modes.Error6{From: from, To: to, Inner: &inner})
	default:
		narrow := inner.Narrow()
		modes.TranslateError(ip, transport, q,
			modes.Error4{From: from.V4(), To: to.V4(), Inner: &narrow})
	}
	return Taken
}

// errorSource returns from whom an ICMP error comes to its receiver. A client knows only the VIP, and a
// real server that sees no clients knows only the local address.
func (w *Worker) errorSource(g *passage, inner *packet.Flow) packet.Addr {
	if g.direction == conntrack.Outbound || g.session.Mode.Source() == lvs.Local {
		return inner.Dst
	}
	k := g.m.Key(g.p.Bytes())
	return k.Src
}

// errorAcross makes an ICMP error one of the other family, by way of a copy, since the packet that it quotes changes its length too.
func (w *Worker) errorAcross(p *ports.Packet, m *meta, q *packet.Quotation, from, to packet.Addr, inner *packet.Flow) Verdict {
	ip, transport := p.Bytes()[m.Network:m.End], int(m.Transport-m.Network)
	n, etherType := 0, packet.EtherTypeIPv6
	if m.Kind.Is6() {
		narrow := inner.Narrow()
		other := modes.Error4{From: from.V4(), To: to.V4(), Inner: &narrow}
		n, etherType = modes.ErrorToFour(w.scratch[:], ip, transport, q, other), packet.EtherTypeIPv4
	} else {
		other := modes.Error6{From: from, To: to, Inner: inner}
		n = modes.ErrorToSix(w.scratch[:], ip, transport, q, other)
	}
	if n == 0 || !p.Resize(packet.EthernetLen+n) {
		return DropICMPError
	}
	frame := p.Bytes()
	packet.Ethernet(frame).SetType(etherType)
	copy(frame[packet.EthernetLen:], w.scratch[:n])
	return Taken
}

// route takes the packet one hop on.
func (g *passage) route() {
	ip := g.p.Bytes()[g.m.Network:]
	if g.m.Kind.Is6() {
		modes.Route6(packet.IPv6(ip))
	} else {
		modes.Route(packet.IPv4(ip))
	}
}
