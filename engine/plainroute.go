package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// With route_unmatched the director is a plain router for the real servers of nat services, which
// have it as their gateway anyway: for packets of no session that they send on their own account,
// such as questions to a name server, and for what returns to them. No session is made, and any
// worker may forward such a packet.

// passes reports whether a packet of no session is routed plainly: one from or to a nat real server
// that comes in at the port which leads to its source (RFC 3704, strict reverse path), so that
// no other network can send in a real server's name.
func (n *snapshot) passes(port uint16, src, dst packet.Addr) bool {
	_, from := n.natHosts.get(addressKey(src))
	_, to := n.natHosts.get(addressKey(dst))
	if !from && !to || !n.isForeign(src) || !n.isForeign(dst) {
		return false
	}
	_, back, ok := n.routes.next(src)
	return ok && back == port
}

// returns reports whether a packet is routed plainly and comes from no nat real server. It is then
// of no session, whichever worker would have it.
func (w *Worker) returns(port uint16, k *packet.Key) bool {
	_, from := w.snap.natHosts.get(addressKey(k.Src))
	return !from && w.snap.passes(port, k.Src, k.Dst)
}

// isForeign reports whether an address belongs to another host, and may be beyond a router.
func (n *snapshot) isForeign(a packet.Addr) bool {
	_, ours := n.kindOf(a)
	return !ours && a.IsUnicast() && !isLinkLocal(a)
}

// isLinkLocal reports whether a router must not forward packets from or to an address: 169.254/16
// (RFC 3927, 7) and fe80::/10 (RFC 4291, 2.5.6).
func isLinkLocal(a packet.Addr) bool {
	if a.Is4() {
		return a.V4()>>16 == 169<<8|254
	}
	return a.Hi>>54 == 0xfe80>>6
}

// unmatched routes a packet of no session plainly, or drops it: for an address that is not ours.
func (w *Worker) unmatched(p *ports.Packet, m *meta) Verdict {
	if v, taken := w.routePlainly(p, m); taken {
		return v
	}
	return DropNotOurs
}

// isPlain reports whether a packet of no session is routed plainly. A frame to a group never is
// (RFC 1812, 5.3.4).
func (w *Worker) isPlain(p *ports.Packet, m *meta) bool {
	if w.snap.natHosts.used == 0 {
		return false
	}
	m.WriteKey(&w.key, p.Bytes())
	return w.snap.passes(p.Port, w.key.Src, w.key.Dst) &&
		!packet.Ethernet(p.Bytes()).Dst().IsMulticast()
}

// routePlainly forwards a packet of no session as a router does. It returns false for a packet that
// is not routed.
func (w *Worker) routePlainly(p *ports.Packet, m *meta) (Verdict, bool) {
	if !w.isPlain(p, m) {
		return Taken, false
	}
	g := passage{p: p, m: m}
	var v Verdict
	if g.hop, v = w.nextHop(w.key.Dst); v != Taken {
		return v, true
	}
	g.next = w.neighbours.At(g.hop)
	mtu := int(g.next.MTU)
	if !m.passable(mtu) && !m.divisible() {
		return w.impassablePlainly(p, m, mtu), true
	}
	g.route()
	w.counters.totals.Routed++
	return w.finish(&g, mtu), true
}

// impassablePlainly tells the sender why a packet is not routed, and returns the verdict about the
// packet.
func (w *Worker) impassablePlainly(p *ports.Packet, m *meta, mtu int) Verdict {
	r := refusal{DropTTLExceeded, w.snap.ports[p.Port].sourceTowards(w.key.Src), ttlExceeded, 0}
	if m.TTL > 1 {
		r.why, r.what, r.rest = DropTooBig, tooBig, uint32(mtu)
	}
	return w.refuse(p, m, r)
}
