package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// solicited takes a neighbour solicitation (RFC 4861, 7.2.3): it learns from its sender what it needs to know, and answers for the
// addresses that are answered on this port, also to somebody who is about to take one of them for himself (RFC 4862, 5.4.3).
func (w *Worker) solicited(p *ports.Packet, m *meta) Verdict {
	frame := p.Bytes()
	n, ok := packet.ParseND(packet.IPv6(frame[m.Network:m.End]), int(m.Transport-m.Network))
	port := &w.snap.ports[p.Port]
	if !ok || !port.mayHave(n.LinkLayer) {
		return DropBadND
	}
	forUs := port.answers[n.Target]
	if !n.LinkLayer.IsZero() && w.isStranger(n.Src) {
		w.learnSender(p.Port, n.Src, n.LinkLayer, forUs)
	}
	switch {
	case !forUs:
	case n.Src == packet.Addr{}:
		w.advertise(int(p.Port), n.Target)
	default:
		w.sendND(int(p.Port), packet.Ethernet(frame).Src(), packet.ND{
			Type: packet.ICMP6Advertisement, Flags: packet.NDRouter | packet.NDSolicited | packet.NDOverride, Src: n.Target, Dst: n.Src, Target: n.Target,
		})
	}
	return Consumed
}

// advertised takes a neighbour advertisement (RFC 4861, 7.2.5).
func (w *Worker) advertised(p *ports.Packet, m *meta) Verdict {
	n, ok := packet.ParseND(packet.IPv6(p.Bytes()[m.Network:m.End]), int(m.Transport-m.Network))
	if !ok || !w.snap.ports[p.Port].mayHave(n.LinkLayer) {
		return DropBadND
	}
	if !n.LinkLayer.IsZero() && w.isStranger(n.Target) {
		w.learnSender(p.Port, n.Target, n.LinkLayer, false)
	}
	return Consumed
}

// mayHave reports whether an Ethernet address can be that of another station on the port's network, or is not given.
func (e *portEntry) mayHave(mac packet.MAC) bool { return !mac.IsMulticast() && mac != e.mac }

// advertise tells all stations of a port's network where an address of the director's is.
func (w *Worker) advertise(port int, address packet.Addr) {
	w.sendND(port, packet.AllNodesMAC, packet.ND{
		Type: packet.ICMP6Advertisement, Flags: packet.NDRouter | packet.NDOverride, Src: address, Dst: packet.AllNodes, Target: address,
	})
}

// solicit asks for a neighbour of IPv6: the one with a MAC, or whoever has the address.
func (w *Worker) solicit(port int, mac packet.MAC, address packet.Addr) {
	dst := address
	if mac.IsZero() {
		dst = packet.SolicitedNode(address)
		mac = packet.MulticastMAC(dst)
	}
	w.sendND(port, mac, packet.ND{
		Type: packet.ICMP6Solicitation, Src: w.snap.ports[port].sourceTowards(address), Dst: dst, Target: address,
	})
}

// sendND originates a message of neighbour discovery. Without a buffer it is not sent; the resolution asks again anyway.
func (w *Worker) sendND(port int, to packet.MAC, n packet.ND) {
	frame := w.originate(port, packet.EthernetLen+packet.NDLen)
	if frame == nil {
		return
	}
	n.LinkLayer = w.snap.ports[port].mac
	packet.Ethernet(frame).SetHeader(to, n.LinkLayer, packet.EtherTypeIPv6)
	n.Encode(frame[packet.EthernetLen:])
}
