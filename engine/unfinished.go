package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// finishReceived completes the checksum of a packet that comes from a kernel, and counts what its
// sender has left to a network card. All that follows relies on whole checksums: rewriting changes
// them by differences. A worker that takes the packet over finds it finished. Packets to other
// stations stay as they are, the driver may be promiscuous, but for those to groups that the host
// may be in.
func (w *Worker) finishReceived(p *ports.Packet, m *meta, frame []byte) {
	p.RxFlags &^= ports.RxUnfinished
	port := &w.snap.ports[p.Port]
	if len(frame) < packet.EthernetLen {
		return
	}
	if dst := packet.Ethernet(frame).Dst(); dst != port.mac && !(port.host && dst.IsMulticast()) {
		return
	}
	counts := &w.counters.ports[p.Port]
	if len(frame) > packet.EthernetLen+port.mtu && m.Kind != packet.Tagged {
		counts.Oversized++
	}
	if m.Kind.HasSession() && p.RxFlags&odd == 0 && m.CompleteChecksum(frame) {
		counts.PartialChecksums++
	}
}
