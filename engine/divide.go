package engine

import (
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// divisible reports whether a packet that exceeds the MTU of its passage may be sent in fragments.
func (w *Worker) divisible(g *passage) bool {
	return g.m.divisible() || g.m.TTL > 1 && w.dividesTunnel(g)
}

// dividesTunnel reports whether DF of the packet inside does not count for its tunnel (pmtu_disc =
// false). IPv6 has no packets without DF, and so neither has the kernel's ip_vs_tunnel_xmit.
func (w *Worker) dividesTunnel(g *passage) bool {
	return !w.snap.settings.PMTUDisc && g.way.path == lvs.Tunnel && !g.m.Kind.Is6()
}

// divide sends a finished packet that exceeds the MTU as fragments (RFC 791, 3.2; RFC 2473, 7.2).
// The fragments count as originated and the whole packet as consumed. It returns the verdict about
// the whole packet.
func (w *Worker) divide(p *ports.Packet, h neighbour.Hop) Verdict {
	n := w.neighbours.At(h)
	whole := p.Bytes()
	w.pieceID++
	pieces := modes.NewPieces(whole[packet.EthernetLen:], int(n.MTU), w.pieceID)
	for length := pieces.Next(); length > 0; length = pieces.Next() {
		piece := w.newPacket(int(n.Port), packet.EthernetLen+length)
		if piece == nil {
			return DropNoBuffer
		}
		frame := piece.Bytes()
		copy(frame, whole[:packet.EthernetLen])
		pieces.Write(frame[packet.EthernetLen:])
		w.send(piece, h)
	}
	return Consumed
}

// newPacket makes a packet of the director's own, which the caller sends. It returns nil without a
// free buffer. The packet is valid until the next call.
func (w *Worker) newPacket(port, length int) *ports.Packet {
	w.made.N = 0
	if !w.queues[port].Alloc(&w.made, length) {
		return nil
	}
	w.counters.totals.Originated++
	return &w.made.Packets[0]
}
