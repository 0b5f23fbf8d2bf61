package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// divide sends a finished packet that is larger than its way allows in pieces (RFC 791, 2.7; RFC 2473, 7.2). They are packets
// of the director's own; the whole is consumed.
func (w *Worker) divide(p *ports.Packet, h hop) Verdict {
	n := &w.neighbours.entries[h]
	whole := p.Bytes()
	pieces := modes.NewPieces(whole[packet.EthernetLen:], int(n.mtu), w.outerID)
	for pieces.Next() {
		piece := w.allocate(int(n.port), packet.EthernetLen+pieces.Len())
		if piece == nil {
			return DropNoBuffer
		}
		copy(piece.Bytes(), whole[:packet.EthernetLen])
		pieces.Write(piece.Bytes()[packet.EthernetLen:])
		w.counters.totals.Originated++
		w.send(piece, h)
	}
	return Consumed
}
