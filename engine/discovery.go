package engine

import (
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// discover processes a message of neighbour discovery and sends the answer to a neighbour
// solicitation.
func (w *Worker) discover(p *ports.Packet, m *meta) Verdict {
	frame := p.Bytes()
	n, ok := packet.ParseND(packet.IPv6(frame[m.Network:m.End]), int(m.Transport-m.Network))
	if !ok {
		return DropBadND
	}
	here := w.here(p, n.Sender(), n.Target)
	r, answer := w.neighbours.ReceiveND(&n, here, w.now)
	if r.Impossible {
		return DropBadND
	}
	w.learnt(&r)
	if !here.Stranger {
		w.contestedND(p.Port, packet.Ethernet(frame), &n)
	}
	if r.Answer {
		to := packet.Ethernet(frame).Src()
		if answer.Dst.IsMulticast() {
			to = packet.MulticastMAC(answer.Dst)
		}
		w.sendND(int(p.Port), to, answer)
	}
	return Consumed
}

// here describes the director's addresses on the port where a neighbour message came in, with the
// sender and the target of the message.
func (w *Worker) here(p *ports.Packet, sender, target packet.Addr) neighbour.Here {
	return neighbour.Here{
		Port: p.Port, From: packet.Ethernet(p.Bytes()).Src(),
		Answered: w.snap.answers(int(p.Port), target), Stranger: w.isStrangerOn(p.Port, sender),
		OnSubnet: w.snap.ports[p.Port].onSubnet(sender),
	}
}

// isStrangerOn is isStranger for a station on a port's network. A link-local address of the
// director may be another station's on another port.
func (w *Worker) isStrangerOn(port uint16, a packet.Addr) bool {
	if !a.IsLinkLocal() {
		return w.isStranger(a)
	}
	kind, ours := w.snap.kindOf(a)
	return !ours || kind == ownAddress && !w.snap.ports[port].owns(a)
}

// learnt sends the packets that waited for the MAC in a message, and a question about it, and tells
// the other workers of the message if they need it.
func (w *Worker) learnt(r *neighbour.Reception) {
	if r.Learnt != 0 {
		w.sendWaiting(r.Learnt)
	}
	w.ask(r.Ask)
	if r.Tell && len(w.engine.workers) > 1 {
		w.engine.news.Tell(neighbour.Item{Message: r.Message, Worker: uint16(w.number)})
	}
}

// solicit sends a neighbour solicitation: to a MAC, or to the address's group if the MAC is zero.
func (w *Worker) solicit(port int, mac packet.MAC, address packet.Addr) {
	dst := address
	if mac.IsZero() {
		dst = packet.SolicitedNode(address)
		mac = packet.MulticastMAC(dst)
	}
	e := &w.snap.ports[port]
	w.sendND(port, mac, packet.ND{
		Type: packet.ICMP6Solicitation, Src: e.sourceTowards(address), Dst: dst,
		Target: address, LinkLayer: e.mac,
	})
}

// sendND originates a message of neighbour discovery. Without a free buffer it sends nothing: the
// resolution asks again anyway.
func (w *Worker) sendND(port int, to packet.MAC, n packet.ND) {
	frame := w.originate(port, packet.EthernetLen+packet.NDLen)
	if frame == nil {
		return
	}
	packet.Ethernet(frame).SetHeader(to, n.LinkLayer, packet.EtherTypeIPv6)
	n.Encode(frame[packet.EthernetLen:])
}
