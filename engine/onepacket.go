package engine

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
)

// One-packet scheduling, as the kernel has it (IP_VS_CONN_F_ONE_PACKET in
// net/netfilter/ipvs/ip_vs_conn.c): a service has each datagram scheduled on its own. Its
// connection is counted, is never in the table, and is over once the datagram was sent.

// lone is a datagram of a one-packet service in the form of a session that is in no table.
type lone struct {
	session conntrack.Session
	leaves  packet.Flow // as the datagram leaves if its mode translates
}

// isLone reports whether a service has packets of a protocol scheduled one by one.
func (e *serviceEntry) isLone(protocol uint8) bool {
	return e.onePacket && protocol == packet.ProtocolUDP
}

// standAlone gives the passage of a lone datagram what others have of their session.
func (w *Worker) standAlone(g *passage, leaves packet.Flow, server uint32) {
	l := &w.lone
	l.leaves = leaves
	out := leaves.Reverse()
	out.WriteNarrow(&l.session.Out)
	l.session.Protocol, l.session.Server, l.session.Template = packet.ProtocolUDP, server, 0
	g.session, g.direction = &l.session, conntrack.Inbound
}

// forwardLone forwards a datagram that was decided on alone. A full table of sessions or the limit
// of a service do not concern it.
func (w *Worker) forwardLone(g *passage, a *arrival, d *decision) Verdict {
	w.standAlone(g, d.out.Reverse(), d.id)
	if g.m.fragment {
		w.fragments.note = noteOfLone(d.id, d.server.mode)
	}
	d.server.load.Begin()
	w.roads[d.id].traffic.Connections++
	if d.service.sticky.timeout != 0 {
		w.tie(g.session, a, d)
	}
	v := w.forward(g)
	d.server.load.End(false)
	if g.session.Template != 0 {
		// As a session of two packets does, a second datagram confirms the template.
		w.engine.templates.End(templateOf(g.session), d.kept, w.now)
	}
	return v
}

// fragmentNote is what a worker notes of a datagram for its later fragments. Zero: they go by the
// session of their flow.
type fragmentNote uint32

// Of a lone datagram the note has the real server's id in the bits below loneMode, and its mode
// above. The id stays the real server's for far longer than a fragment may be late (forgetAfter).
const (
	loneNote fragmentNote = 1 << 31
	loneMode              = 24

	_ = uint(1<<loneMode - maxServers)
	_ = uint(1<<(31-loneMode) - lvs.NumModes)
)

// noteOfWorker notes that a datagram was handed over.
func noteOfWorker(number int) fragmentNote { return fragmentNote(number) + 1 }

// worker returns the worker that has a datagram which was handed over.
func (n fragmentNote) worker() int { return int(n) - 1 }

// noteOfLone notes where a lone datagram went.
func noteOfLone(server uint32, mode lvs.Mode) fragmentNote {
	return loneNote | fragmentNote(mode)<<loneMode | fragmentNote(server)
}

// lone returns the real server of a lone datagram, and the mode by which its first fragment went.
func (n fragmentNote) lone() (server uint32, mode lvs.Mode, ok bool) {
	return uint32(n & (1<<loneMode - 1)), lvs.Mode(n &^ loneNote >> loneMode), n&loneNote != 0
}

// laterOfLone forwards a later fragment of a lone datagram, whose key is in hand, where the first
// one went.
func (w *Worker) laterOfLone(p *ports.Packet, m *meta, id uint32, mode lvs.Mode) Verdict {
	server := w.snap.servers[id]
	if server.gone {
		return DropRealServerGone
	}
	g := passage{p: p, m: m, server: server, way: &w.ways[mode][server.families]}
	// Only addresses matter: the fragment has no ports.
	w.standAlone(&g, packet.Flow{Src: w.key.Src, Dst: server.address}, id)
	var v Verdict
	if g.hop, v = w.serverHop(id, server); v != Taken {
		return v
	}
	g.next = w.neighbours.At(g.hop)
	return w.forwardLater(&g)
}
