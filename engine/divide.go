package engine

import (
	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// divide sends a finished packet that is larger than its way allows in pieces (RFC 791, 3.2; RFC 2473, 7.2). They are packets of the
// director's; the whole is consumed. It returns what became of that.
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

// newPacket makes a packet of the director's own, which the caller sends; nil without a buffer. It is valid until the next one.
func (w *Worker) newPacket(port, length int) *ports.Packet {
	w.made.N = 0
	if !w.queues[port].Alloc(&w.made, length) {
		return nil
	}
	w.counters.totals.Originated++
	return &w.made.Packets[0]
}
