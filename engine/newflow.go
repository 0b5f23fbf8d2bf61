package engine

import (
	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/sched"
)

// newFlow takes the first packet of a flow: it finds the service, lets it choose a real server, makes the session and
// forwards the packet.
func (w *Worker) newFlow(p *ports.Packet, m *meta) Verdict {
	k := &w.key
	m.widen(p, k)
	i, ok := w.snap.services.get(serviceIndex(k.Dst, k.DstPort, k.Protocol))
	if !ok {
		return w.unclaimed(k.Dst)
	}
	if !w.mayStart(p, m) {
		return DropNoSession
	}
	if !w.isStranger(k.Src) {
		return DropSourceAddress
	}
	service := &w.snap.pools[i]
	r := request(k)
	pick, ok := service.pool.Pick(&r)
	if !ok {
		return w.refuse(p, m, DropNoRealServer, k.Dst, portUnreachable, 0)
	}
	return w.begin(p, m, k, service, service.servers[pick])
}

// request returns what schedulers see of a packet that begins a session.
func request(k *packet.Key) sched.Request {
	return sched.Request{Client: k.Src, VIP: k.Dst, ClientPort: k.SrcPort, VIPPort: k.DstPort}
}

// isStranger reports whether an address can be that of a host other than the director. An answer to any other would go
// astray, or round in circles.
func (w *Worker) isStranger(a packet.Addr) bool {
	_, ours := w.snap.kindOf(a)
	return a.IsUnicast() && !ours
}

// mayStart reports whether a packet can begin a session: of TCP a SYN, of SCTP an INIT, and anything else.
func (w *Worker) mayStart(p *ports.Packet, m *meta) bool {
	switch m.Protocol {
	case packet.ProtocolTCP:
		return m.TCPFlags&packet.TCPRst == 0 && (m.TCPFlags&packet.TCPSyn != 0 || w.snap.settings.SloppyTCP)
	case packet.ProtocolSCTP:
		return m.chunkEvent(p) == conntrack.EventInit
	}
	return true
}

// unclaimed says why a packet without session and service goes nowhere.
func (w *Worker) unclaimed(dst packet.Addr) Verdict {
	kind, ours := w.snap.kindOf(dst)
	switch {
	case !ours:
		return DropNotOurs
	case kind == vip:
		return DropNoService
	case kind == localAddress:
		return DropNoSession
	}
	return DropToHost
}

// begin makes the session of a packet with the chosen real server, and forwards the packet.
func (w *Worker) begin(p *ports.Packet, m *meta, k *packet.Key, service *servicePool, id uint32) Verdict {
	server := &w.snap.servers[id]
	h := w.hops[id]
	if h == 0 {
		var v Verdict
		if h, v = w.nextHop(server.address); v != Taken {
			return v
		}
	}
	if room := server.room(conntrack.Inbound, &w.neighbours.entries[h]); !m.passable(room) && !m.divisible() {
		return w.impassable(p, m, conntrack.Inbound, room) // and no session begins
	}
	slot, v := w.insert(m, k, service, id)
	if v != Taken {
		return v
	}
	s := w.sessions.At(slot)
	s.Server = id
	s.NextHopIn, s.RouteEpoch = uint16(h), w.snap.epoch
	server.load.Begin()
	w.counters.servers[id].Connections++
	switch k.Protocol {
	case packet.ProtocolUDP:
		w.sessions.SetState(slot, conntrack.UDP, w.now)
	case packet.ProtocolICMP, packet.ProtocolICMPv6:
		w.sessions.SetState(slot, conntrack.ICMP, w.now)
	}
	return w.forward(p, m, slot, server, conntrack.Inbound, h)
}

// insert adds the session to the table, with the return flow that its mode has.
func (w *Worker) insert(m *meta, k *packet.Key, service *servicePool, id uint32) (slot uint32, v Verdict) {
	server := &w.snap.servers[id]
	out := &w.answers
	out.Src, out.SrcPort = server.address, server.port
	if k.Protocol == packet.ProtocolICMP || k.Protocol == packet.ProtocolICMPv6 {
		out.SrcPort = 0
	}
	switch server.mode {
	case modes.FullNAT:
		return w.insertLocal(m, k, out, service.local, id)
	case modes.NAT:
		out.Dst, out.DstPort = k.Src, k.SrcPort
	default:
		out.Dst, out.DstPort = packet.Addr{}, 0
	}
	slot, result := w.insertFlow(m, k, out, server.mode.TwoWay())
	return slot, insertVerdicts[result]
}

// insertFlow adds a session to the table.
func (w *Worker) insertFlow(m *meta, k *packet.Key, out *packet.Flow, twoWay bool) (uint32, conntrack.Result) {
	return w.sessions.Insert(k, w.hashes[m.index], *out, twoWay, w.now)
}

// insertVerdicts gives each result of an insertion its verdict.
var insertVerdicts = [...]Verdict{
	conntrack.Inserted:  Taken,
	conntrack.Full:      DropSessionsFull,
	conntrack.FlowTaken: DropFlowTaken,
}

// sessionEnded keeps the real server's connection counts when the table ends a session.
func (w *Worker) sessionEnded(s *conntrack.Session) {
	w.snap.servers[s.Server].load.End(s.State.Active())
}
