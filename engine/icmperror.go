package engine

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// icmpError forwards an ICMP error to the sender of the packet that the error quotes: a client or a
// real server. A NIC spreads ICMP errors without regard to the quoted packet, so that the session
// may be another worker's.
func (w *Worker) icmpError(p *ports.Packet, m *meta) Verdict {
	q, ok := m.quoted(p)
	if !ok {
		return w.tunnelError(p, m)
	}
	k := packet.Key{Flow: q.Key.Reverse(), Protocol: q.Key.Protocol}
	if ref, found := w.lookup(&k); found {
		return w.forwardError(p, m, &q, ref)
	}
	if w.link != nil {
		if v, is := w.checkError(p, m, &q); is {
			return v
		}
	}
	if w.isHosts(p.Port, q.Key.Src) {
		return DropICMPError // no worker has a session of it
	}
	return w.seek(p, m, &k, p.Port)
}

// forwardError forwards an ICMP error like a packet of the flow in the same direction. It changes
// nothing in the session, since any host can send an ICMP error.
func (w *Worker) forwardError(
	p *ports.Packet, m *meta, q *packet.Quotation, ref conntrack.Ref,
) Verdict {
	var g passage
	if v := w.enter(&g, p, m, ref); v != Taken {
		return v
	}
	if v := g.passesError(); v != Taken {
		return v
	}
	if g.server.evidence != nil && g.direction == conntrack.Outbound {
		w.noteError(&g)
	}
	w.countTraffic(&g)
	inner := w.sessions.Flow(g.slot, g.direction^1)
	return w.sendError(&g, q, &inner, w.errorSource(&g, &inner))
}

// passesError checks what a router checks before it forwards an ICMP error, about which it sends no
// other. It returns Taken or a drop reason.
func (g *passage) passesError() Verdict {
	switch {
	case g.m.TTL <= 1:
		return DropTTLExceeded
	case g.m.size() > g.mtuLeft():
		return DropTooBig
	}
	return Taken
}

// sendError rewrites an ICMP error and sends it. inner is the flow of the packet that the error
// quotes, as its receiver has sent that packet, and from is the error's source for the receiver;
// both are for modes that translate.
func (w *Worker) sendError(
	g *passage, q *packet.Quotation, inner *packet.Flow, from packet.Addr,
) Verdict {
	if v := w.rewriteError(g, q, inner, from); v != Taken {
		return v
	}
	w.send(g.p, g.hop)
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

// rewriteError does to an ICMP error what its session's mode does. If the mode translates, the
// error quotes the packet as its receiver has sent it. It returns Taken or a drop reason.
func (w *Worker) rewriteError(
	g *passage, q *packet.Quotation, inner *packet.Flow, from packet.Addr,
) Verdict {
	switch g.way.path {
	case lvs.Tunnel:
		return w.encapsulate(g)
	case lvs.Route:
		g.route()
		return Taken
	}
	p, m, to := g.p, g.m, inner.Src
	ip := p.Bytes()[m.Network:m.End]
	switch transport := int(m.Transport - m.Network); {
	case inner.Src.Is4() == m.Kind.Is6():
		return w.errorAcross(p, m, &translatedError{quotation: q, from: from, to: to, inner: *inner})
	case m.Kind.Is6():
		modes.TranslateError6(ip, transport, q, modes.Error6{From: from, To: to, Inner: inner})
	default:
		narrow := inner.Narrow()
		modes.TranslateError(ip, transport, q,
			modes.Error4{From: from.V4(), To: to.V4(), Inner: &narrow})
	}
	return Taken
}

// errorSource returns the source of an ICMP error for its receiver. A client knows only the VIP. A
// real server of fullnat knows only the local address.
func (w *Worker) errorSource(g *passage, inner *packet.Flow) packet.Addr {
	if g.direction == conntrack.Outbound || g.session.Mode.Source() == lvs.Local {
		return inner.Dst
	}
	k := g.m.Key(g.p.Bytes())
	return k.Src
}

// translatedError is an ICMP error that is to be one of the other family.
type translatedError struct {
	quotation *packet.Quotation
	from, to  packet.Addr // of the error itself
	inner     packet.Flow // that the error is to quote
}

// errorAcross translates an ICMP error to the other family. It works on a copy, because the length
// of the quoted packet changes too.
func (w *Worker) errorAcross(p *ports.Packet, m *meta, e *translatedError) Verdict {
	ip, transport := p.Bytes()[m.Network:m.End], int(m.Transport-m.Network)
	n, etherType := 0, packet.EtherTypeIPv6
	if m.Kind.Is6() {
		narrow := e.inner.Narrow()
		etherType = packet.EtherTypeIPv4
		other := modes.Error4{From: e.from.V4(), To: e.to.V4(), Inner: &narrow}
		n = modes.ErrorToFour(w.scratch[:], ip, transport, e.quotation, other)
	} else {
		other := modes.Error6{From: e.from, To: e.to, Inner: &e.inner}
		n = modes.ErrorToSix(w.scratch[:], ip, transport, e.quotation, other)
	}
	if n == 0 || !p.Resize(packet.EthernetLen+n) {
		return DropICMPError
	}
	frame := p.Bytes()
	packet.Ethernet(frame).SetType(etherType)
	copy(frame[packet.EthernetLen:], w.scratch[:n])
	return Taken
}

// route decrements the TTL or hop limit, as a router does.
func (g *passage) route() {
	ip := g.p.Bytes()[g.m.Network:]
	if g.m.Kind.Is6() {
		modes.Route6(packet.IPv6(ip))
	} else {
		modes.Route(packet.IPv4(ip))
	}
}
