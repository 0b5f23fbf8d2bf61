package engine

import (
	"maps"
	"slices"

	"fulcrum/packet"
	"fulcrum/ports"
)

// arp takes an ARP packet: it learns from the sender what it needs to know, and answers a request for an
// address that is answered on this port (RFC 826).
func (w *Worker) arp(p *ports.Packet, frame []byte) Verdict {
	a := packet.ARP(frame[packet.EthernetLen:])
	sender, mac := a.SenderIP(), a.SenderMAC()
	if mac.IsZero() || mac.IsMulticast() {
		return DropBadARP
	}
	port := &w.snap.ports[p.Port]
	forUs := port.answers[a.TargetIP()]
	if _, ours := w.snap.kindOf(sender); !ours {
		w.learnSender(p.Port, sender, mac, forUs)
	}
	if a.Op() != packet.ARPRequest || !forUs {
		return Consumed
	}
	packet.Ethernet(frame).SetHeader(mac, port.mac, packet.EtherTypeARP)
	a.Encode(packet.ARPFields{
		Op: packet.ARPReply, SenderMAC: port.mac, SenderIP: a.TargetIP(), TargetMAC: mac, TargetIP: sender,
	})
	return w.answer(p, Consumed)
}

// learnSender updates a neighbour that is known, and gets to know one on the port's subnet that asks for us.
func (w *Worker) learnSender(port uint16, address uint32, mac packet.MAC, forUs bool) {
	h, known := w.neighbours.index[neighbourKey{address, port}]
	if !known {
		if !forUs || !w.snap.ports[port].onSubnet(packet.AddrFrom4(address)) {
			return
		}
		var ok bool
		if h, ok = w.neighbours.find(address, port, w.now); !ok {
			return
		}
	}
	w.learn(h, mac)
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

// announce tells a port's network where the addresses are that this port answers for: gratuitous ARP, as RFC 5227 (section 3)
// has it, so that switches and neighbours forget a predecessor. They go in order, so that a run can be repeated.
func (w *Worker) announce(port int) {
	for _, address := range slices.Sorted(maps.Keys(w.snap.ports[port].answers)) {
		w.sendARP(port, packet.Broadcast, packet.ARPFields{
			Op:        packet.ARPRequest,
			SenderMAC: w.snap.ports[port].mac,
			SenderIP:  address,
			TargetIP:  address,
		})
	}
}
