package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// arp processes an ARP packet and turns a request for one of the director's addresses into the
// answer.
func (w *Worker) arp(p *ports.Packet, frame []byte) Verdict {
	a := packet.ARP(frame[packet.EthernetLen:])
	here := w.here(p, packet.AddrOf4(a.SenderIP()), packet.AddrOf4(a.TargetIP()))
	r, answer := w.neighbours.ReceiveARP(a, here, w.now)
	if r.Impossible {
		return DropBadARP
	}
	w.learnt(&r)
	if !here.Stranger {
		w.contestedARP(p.Port, packet.Ethernet(frame), a)
	}
	if !r.Answer {
		return Consumed
	}
	packet.Ethernet(frame).SetHeader(answer.TargetMAC, answer.SenderMAC, packet.EtherTypeARP)
	a.Encode(answer)
	return w.answer(p, Consumed)
}

// sendARP originates an ARP packet. Without a free buffer it sends nothing: the resolution asks
// again anyway.
func (w *Worker) sendARP(port int, to packet.MAC, fields packet.ARPFields) {
	frame := w.originate(port, packet.MinFrameLen)
	if frame == nil {
		return
	}
	clear(frame)
	packet.Ethernet(frame).SetHeader(to, w.snap.ports[port].mac, packet.EtherTypeARP)
	packet.ARP(frame[packet.EthernetLen:]).Encode(fields)
}
