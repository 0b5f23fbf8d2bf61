package engine

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
)

// schedule_icmp is for several directors behind ECMP. A router spreads ICMP errors by the address
// of the router that sent them, so that most reach a director without the session. The kernel
// (ip_vs_in_icmp in net/netfilter/ipvs/ip_vs_core.c) schedules the packet that such an error
// quotes, and begins a session for it. Here no session begins: strangers could fill the table with
// errors about connections that they invent. The error goes where the scheduler's hash leads, which
// is where the other director's led. A scheduler that does not hash would lead anywhere.

// isNobodys reports whether no worker has the session of an unknown flow: this one owns the flow,
// and no former rule gave it to another.
func (w *Worker) isNobodys(port uint16, k *packet.Key) bool {
	return w.snap.settings.ScheduleICMP && !w.snap.moving && w.probableOwner(port, k) == w.number
}

// scheduleError forwards an ICMP error about a flow that no worker knows to the real server that
// the client's packets have with another director. It returns false if that cannot be told. An
// error of a tunnel is not scheduled, as in the kernel.
func (w *Worker) scheduleError(p *ports.Packet, m *meta) (Verdict, bool) {
	q, ok := m.quoted(p)
	if !ok || !w.snap.settings.ScheduleICMP {
		return Taken, false
	}
	a, d := &w.arrival, &w.decision
	*a, *d = arrival{question: true}, decision{}
	a.key = packet.Key{Flow: q.Key.Reverse(), Protocol: q.Key.Protocol}
	m.WriteKey(&w.key, p.Bytes())
	if w.key.Dst != a.key.Dst || !w.findByHash(a, d) {
		return Taken, false
	}
	return w.forwardScheduled(p, m, &q, a, d), true
}

// findByHash has a decision go to the real server that a client's packets have with every director
// alike. It returns false if there is none.
func (w *Worker) findByHash(a *arrival, d *decision) bool {
	service, ok := w.snap.serviceAt(a.key.Dst, a.key.DstPort, a.key.Protocol)
	if !ok || !service.sched.Hashes() {
		return false
	}
	d.service = service
	if w.choose(a, d) != Taken {
		return false
	}
	translated := d.server.mode.Path() == lvs.Translate && d.server.families.mixed()
	return d.server.mode.Source() == lvs.Client && !translated
}

// forwardScheduled forwards an ICMP error to the real server of a decision, and returns the verdict
// about it.
func (w *Worker) forwardScheduled(
	p *ports.Packet, m *meta, q *packet.Quotation, a *arrival, d *decision,
) Verdict {
	g := passage{
		p: p, m: m, server: d.server, direction: conntrack.Inbound,
		way: &w.ways[d.server.mode][d.server.families],
	}
	var v Verdict
	if g.hop, v = w.serverHop(d.id, d.server); v != Taken {
		return v
	}
	g.next = w.neighbours.At(g.hop)
	if v := g.passesError(); v != Taken {
		return v
	}
	traffic := &w.roads[d.id].traffic
	traffic.InPackets++
	traffic.InBytes += uint64(m.size())
	inner := packet.Flow{
		Src: d.server.address, SrcPort: d.server.at(a.key.DstPort).Port(), Dst: a.key.Src, DstPort: a.key.SrcPort,
	}
	return w.sendError(&g, q, &inner, w.key.Src)
}
