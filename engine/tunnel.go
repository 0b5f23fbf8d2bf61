package engine

import (
	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// tunnel is what the straight path needs besides the road to put packets into a tunnel, indexed by
// the real server's id. It is valid as long as the road.
type tunnel struct {
	src, dst packet.Addr // of the outer header
	overhead uint16      // bytes of the outer header
	six      bool        // the outer header is IPv6
	clearsDF bool        // pmtu_disc is off
	outer    modes.Outer // of IPv4 around IPv4
}

func (w *Worker) tunnelOf(g *passage) tunnel {
	t := tunnel{
		src: g.next.Source, dst: g.server.address,
		overhead: uint16(g.way.overheads[conntrack.Inbound]), six: g.server.families&servers6 != 0,
		clearsDF: w.dividesTunnel(g),
	}
	t.outer = modes.NewOuter(t.src.V4(), t.dst.V4(), t.clearsDF)
	return t
}

// straightIntoTunnel is straight for a packet that gets an outer header. It returns false if that
// has no room. It stays out of straight as straight6 does.
//
//go:noinline
func (w *Worker) straightIntoTunnel(
	p *ports.Packet, m *meta, s *conntrack.Session, r *road,
) bool {
	t := &w.tunnels[s.Server]
	p.Resize(int(m.End))
	if !p.Prepend(int(t.overhead)) {
		return false
	}
	r.count(s, w.now, m.End-packet.EthernetLen)
	if m.Kind < packet.TCP6 && !t.six {
		w.outerID++
		t.outer.Wrap(p.Usual(), w.outerID)
	} else {
		w.wrap(p.Bytes(), t)
	}
	*(*[12]byte)(p.Usual()[:]) = r.macs
	if out := &w.out[r.port]; !out.Full() {
		out.Push(p)
		return true
	}
	w.output(p, int(r.port))
	return true
}

// wrap writes the outer header of a tunnel.
func (w *Worker) wrap(frame []byte, t *tunnel) {
	if t.six {
		packet.Ethernet(frame).SetType(packet.EtherTypeIPv6)
		modes.Encapsulate6(frame[packet.EthernetLen:], t.src, t.dst)
		return
	}
	packet.Ethernet(frame).SetType(packet.EtherTypeIPv4)
	w.outerID++
	modes.Encapsulate(frame[packet.EthernetLen:], t.src.V4(), t.dst.V4(), w.outerID)
	if t.clearsDF {
		modes.ClearDF(packet.IPv4(frame[packet.EthernetLen:]))
	}
}
