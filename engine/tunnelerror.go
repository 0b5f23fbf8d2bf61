package engine

import (
	"encoding/binary"

	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
)

// tunnelError forwards an ICMP error about a tunnel's outer packet, which the director has sent, to
// the client that sent the inner packet (RFC 2003, section 4; RFC 2473, section 8). The client sees
// the VIP as the end of the path, so that the error comes from the VIP. Like forwardError it
// changes nothing in the session.
func (w *Worker) tunnelError(p *ports.Packet, m *meta) Verdict {
	frame := p.Bytes()
	quoted := frame[int(m.Transport)+packet.ICMPLen : m.End]
	at, six := packet.Tunnelled4(quoted)
	if m.Kind.Is6() {
		at, six = packet.Tunnelled6(quoted)
	}
	if at == 0 {
		return w.strangeError(p, m)
	}
	inner := quoted[at:]
	q, ok := packet.Quoted4(inner)
	if six {
		q, ok = packet.Quoted6(inner)
	}
	if !ok {
		return w.strangeError(p, m)
	}
	ref, known := w.lookup(&q.Key)
	switch {
	case !known:
		_, port, _ := w.snap.routes.next(q.Key.Src) // where the client's packets come in
		return w.seek(p, m, &q.Key, port)
	case ref.Direction() != conntrack.Inbound:
		return DropICMPError
	}
	s := w.sessions.At(ref.Slot())
	way := &w.ways[s.Mode][w.snap.servers[s.Server].families]
	what, rest := m.problem(frame, int(way.overheads[conntrack.Inbound]))
	if way.path != lvs.Tunnel || !w.mayTell(q.Key.Src, what) {
		return DropICMPError
	}
	h, v := w.nextHop(q.Key.Src)
	if v != Taken {
		return v
	}
	if !quoteAnew(p, int(m.Transport)+packet.ICMPLen+at, len(inner), six) {
		return DropNoHeadroom
	}
	writeError(p.Bytes(), q.Key.Dst, q.Key.Src, what, rest)
	w.count(Consumed)
	w.counters.totals.Originated++
	w.send(p, h)
	return Taken
}

// strangeError returns the verdict about an ICMP error that quotes nothing with a session.
func (w *Worker) strangeError(p *ports.Packet, m *meta) Verdict {
	if v, taken := w.routePlainly(p, m); taken {
		return v
	}
	return DropICMPError
}

// problem translates an ICMP error about a tunnel for the sender of the inner packet, and returns
// the second word of the new header. Every error but one about size means that the real server
// cannot be reached.
func (m *meta) problem(frame []byte, overhead int) (problem, uint32) {
	b := frame[m.Transport:]
	switch {
	case m.Kind.Is6() && b[0] == packet.ICMP6PacketTooBig:
		return tooBig, uint32(max(int(binary.BigEndian.Uint32(b[4:8]))-overhead, 0))
	case !m.Kind.Is6() && b[0] == packet.ICMPUnreachable &&
		b[1] == packet.ICMPCodeFragmentationNeeded:
		return tooBig, uint32(max(int(binary.BigEndian.Uint16(b[6:8]))-overhead, 0))
	}
	return hostUnreachable, 0
}
