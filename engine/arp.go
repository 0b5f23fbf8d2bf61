package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// arp takes an ARP packet: it learns from the sender what it needs to know, and answers a request for an
// address that is answered on this port (RFC 826).
func (w *Worker) arp(p *ports.Packet, frame []byte) Verdict {
	a := packet.ARP(frame[packet.EthernetLen:])
	sender, mac := packet.AddrOf4(a.SenderIP()), a.SenderMAC()
	port := &w.snap.ports[p.Port]
	if mac.IsZero() || mac.IsMulticast() || mac == port.mac {
		return DropBadARP
	}
	forUs := port.answers[packet.AddrOf4(a.TargetIP())]
	if w.isStranger(sender) {
		w.learnSender(p.Port, sender, mac, forUs)
	}
	if a.Op() != packet.ARPRequest || !forUs {
		return Consumed
	}
	packet.Ethernet(frame).SetHeader(mac, port.mac, packet.EtherTypeARP)
	a.Encode(packet.ARPFields{
		Op: packet.ARPReply, SenderMAC: port.mac, SenderIP: a.TargetIP(), TargetMAC: mac, TargetIP: sender.V4(),
	})
	return w.answer(p, Consumed)
}

// learnSender updates a neighbour that is known, and gets to know one on the port's subnet that asks for us.
func (w *Worker) learnSender(port uint16, address packet.Addr, mac packet.MAC, forUs bool) {
	h, known := w.neighbours.index[neighbourKey{address, port}]
	if !known {
		if !forUs || !w.snap.ports[port].onSubnet(address) {
			return
		}
		var ok bool
		if h, ok = w.neighbours.find(address, port, w.now); !ok {
			return
		}
	}
	w.learn(h, mac)
	if len(w.engine.workers) > 1 {
		w.engine.lore.tell(lesson{address, port, uint16(w.number), mac})
	}
}

// sendARP originates an ARP packet. Without a buffer it is not sent; the resolution asks again anyway.
func (w *Worker) sendARP(port int, to packet.MAC, fields packet.ARPFields) {
	frame := w.originate(port, packet.MinFrameLen)
	if frame == nil {
		return
	}
	clear(frame)
	packet.Ethernet(frame).SetHeader(to, w.snap.ports[port].mac, packet.EtherTypeARP)
	packet.ARP(frame[packet.EthernetLen:]).Encode(fields)
}
