package engine

import (
	"fulcrum/conntrack"
	"fulcrum/packet"
	"fulcrum/ports"
)

// icmpError takes an ICMP error to the session that it is about, and with it on to whoever sent the packet that it quotes: a
// client or a real server. How a NIC spreads such packets says nothing about those that they quote, so the session may be another
// worker's: the owner is computed, or, where that cannot be done or proves wrong, each worker is asked in turn.
func (w *Worker) icmpError(p *ports.Packet, m *meta, q *packet.Quotation) Verdict {
	k := packet.Key6{Flow6: q.Key.Reverse(), Protocol: q.Key.Protocol}
	if ref, found := w.lookup(&k); found {
		return w.forwardError(p, m, q, ref)
	}
	if w.outgoing == nil || int(p.Spare) == len(w.outgoing) {
		return DropICMPError
	}
	if p.Spare == 0 {
		if owner := w.probableOwner(p.Port, &k); owner != receiver && owner != w.number {
			return w.handOver(p, owner)
		}
	}
	return w.handOver(p, (w.number+1)%len(w.outgoing))
}

// forwardError sends an ICMP error on as if it were of the flow that goes the same way. It changes nothing in the session, since
// anybody can send one.
func (w *Worker) forwardError(p *ports.Packet, m *meta, q *packet.Quotation, ref conntrack.Ref) Verdict {
	slot, d := ref.Slot(), ref.Direction()
	s := w.sessions.At(slot)
	server := &w.snap.servers[s.Server]
	if server.gone {
		return DropRealServerGone
	}
	h, v := w.hopOf(slot, s, server, d)
	if v != Taken {
		return v
	}
	switch room := server.room(d, &w.neighbours.entries[h]); {
	case m.TTL <= 1:
		return DropTTLExceeded // no error is sent about an error
	case m.size() > room:
		return DropTooBig
	}
	w.countTraffic(s, m.size(), d)
	if !w.rewriteError(p, m, q, slot, server, d, &w.neighbours.entries[h]) {
		return DropNoHeadroom
	}
	w.send(p, h)
	return Taken
}
