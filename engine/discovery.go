package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// solicited takes a neighbour solicitation (RFC 4861, 7.2.3): it learns from its sender what it needs to know, and answers for the
// addresses that are answered on this port, also somebody who is about to take one of them for himself (RFC 4862, 5.4.3).
func (w *Worker) solicited(p *ports.Packet, m *meta) Verdict {
	k := &w.key
	m.widen(p, k)
	frame := p.Bytes()
	message, ok := packet.ParseNeighbourSolicitation(packet.IPv6(frame[m.Network:m.End]), int(m.Transport-m.Network))
	port := &w.snap.ports[p.Port]
	if !ok || message.LinkLayer == port.mac || message.LinkLayer.IsMulticast() {
		return DropBadND
	}
	forUs := port.answers[message.Target]
	if !message.LinkLayer.IsZero() && w.isStranger(k.Src) {
		w.learnSender(p.Port, k.Src, message.LinkLayer, forUs)
	}
	if !forUs {
		return Consumed
	}
	dst, mac, flags := k.Src, packet.Ethernet(frame).Src(), packet.NDSolicited|packet.NDOverride|packet.NDRouter
	if k.Src == (packet.Addr{}) {
		dst, mac, flags = packet.AllNodes, packet.AllNodesMAC, packet.NDOverride|packet.NDRouter
	}
	w.advertise(int(p.Port), mac, message.Target, dst, flags)
	return Consumed
}

// advertised takes a neighbour advertisement (RFC 4861, 7.2.5).
func (w *Worker) advertised(p *ports.Packet, m *meta) Verdict {
	frame := p.Bytes()
	message, ok := packet.ParseNeighbourAdvertisement(packet.IPv6(frame[m.Network:m.End]), int(m.Transport-m.Network))
	if !ok || message.LinkLayer.IsMulticast() || message.LinkLayer == w.snap.ports[p.Port].mac {
		return DropBadND
	}
	if mac := message.LinkLayer; !mac.IsZero() && w.isStranger(message.Target) {
		w.learnSender(p.Port, message.Target, mac, false)
	}
	return Consumed
}

// advertise originates a neighbour advertisement for an address of the port's. Without a buffer it is not sent; who needs it asks
// again.
func (w *Worker) advertise(port int, to packet.MAC, target, dst packet.Addr, flags packet.NDFlags) {
	own := w.snap.ports[port].mac
	w.sendND(port, to, packet.IPv6Fields{Src: target, Dst: dst}, func())
}
