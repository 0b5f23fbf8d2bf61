package engine

import (
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// discover takes a neighbour solicitation or advertisement, and sends the answer that it wants.
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
	r, answer := w.neighbours.ReceiveND(&n, w.here(p.Port, sender, n.Target), w.now)
	if r.Impossible {
		return DropBadND
	}
	w.learnt(r)
	if r.Answer {
		to := packet.Ethernet(frame).Src()
		if answer.Dst.IsMulticast() {
			to = packet.MulticastMAC(answer.Dst)
		}
		w.sendND(int(p.Port), to, answer)
	}
	return Consumed
}

// here returns what the director is on a port to which a message about neighbours came: from a
// sender, about a target.
func (w *Worker) here(port uint16, sender, target packet.Addr) neighbour.Here {
	e := &w.snap.ports[port]
	return neighbour.Here{
		Port:     port,
		Answered: e.answers[target],
		Stranger: w.isStranger(sender),
		OnSubnet: e.onSubnet(sender),
	}
}

// learnt sends on what waited for the MAC that a message gave, and tells the other workers.
func (w *Worker) learnt(r neighbour.Reception) {
	if r.Learnt == 0 {
		return
	}
	w.sendWaiting(r.Learnt)
	if len(w.engine.workers) > 1 {
		n := w.neighbours.At(r.Learnt)
		w.engine.news.Tell(neighbour.Item{
			Address: n.Address, Port: n.Port, Worker: uint16(w.number), MAC: n.MAC(),
		})
	}
}

// solicit asks for a neighbour of IPv6: the station with a MAC, or any that has the address.
func (w *Worker) solicit(port int, mac packet.MAC, address packet.Addr) {
	dst := address
	if mac.IsZero() {
		dst = packet.SolicitedNode(address)
		mac = packet.MulticastMAC(dst)
	}
	e := &w.snap.ports[port]
	w.sendND(port, mac, packet.ND{
		Type:      packet.ICMP6Solicitation,
		Src:       e.sourceTowards(address),
		Dst:       dst,
		Target:    address,
		LinkLayer: e.mac,
	})
}

// sendND originates a message of neighbour discovery. Without a buffer it is not sent; the
// resolution asks again anyway.
func (w *Worker) sendND(port int, to packet.MAC, n packet.ND) {
	frame := w.originate(port, packet.EthernetLen+packet.NDLen)
	if frame == nil {
		return
	}
	packet.Ethernet(frame).SetHeader(to, n.LinkLayer, packet.EtherTypeIPv6)
	n.Encode(frame[packet.EthernetLen:])
}
