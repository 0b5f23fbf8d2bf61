package engine

import (
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// discover processes a neighbour solicitation or advertisement and sends the answer to a
// solicitation.
func (w *Worker) discover(p *ports.Packet, m *meta) Verdict {
	frame := p.Bytes()
	n, ok := packet.ParseND(packet.IPv6(frame[m.Network:m.End]), int(m.Transport-m.Network))
	if !ok {
		return DropBadND
	}
	sender := n.Src
	if n.Type == packet.ICMP6Advertisement {
		sender = n.Target
	}
	here := w.here(p.Port, sender, n.Target)
	r, answer := w.neighbours.ReceiveND(&n, here, w.now)
	if r.Impossible {
		return DropBadND
	}
	w.learnt(r)
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
func (w *Worker) here(port uint16, sender, target packet.Addr) neighbour.Here {
	return neighbour.Here{
		Port: port, Answered: w.snap.answers(int(port), target), Stranger: w.isStranger(sender),
		OnSubnet: w.snap.ports[port].onSubnet(sender),
	}
}

// learnt sends the packets that waited for the MAC in a message, and publishes the MAC to the other
// workers.
func (w *Worker) learnt(r neighbour.Reception) {
	if r.Learnt == 0 {
		return
	}
	w.sendWaiting(r.Learnt)
	if n := w.neighbours.At(r.Learnt); len(w.engine.workers) > 1 {
		w.engine.news.Tell(neighbour.Item{
			Address: n.Address, Port: n.Port, Worker: uint16(w.number), MAC: n.MAC(),
		})
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
