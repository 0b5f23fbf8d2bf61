package neighbour

import "fulcrum/packet"

// Here is what the caller knows about the port of a message and its sender. The sender is the
// station whose MAC the message gives: the source of a request or solicitation, the target of an
// advertisement.
type Here struct {
	Port uint16
	// Answered says that the director answers on this port for the requested address.
	Answered bool
	// Stranger says that the sender's address is a unicast address of another host, so that it may
	// be learnt.
	Stranger bool
	// OnSubnet says that the sender's address is on one of the port's subnets.
	OnSubnet bool
}

// Reception is what the caller has to do after a message. The zero value means nothing: the message
// was in order.
type Reception struct {
	// Impossible says that no other station can have the sender's MAC: drop the message.
	Impossible bool
	// Answer says to send the answer.
	Answer bool
	// Learnt is the entry whose MAC has become known, or 0: send the packets that Take returns, and
	// tell the other workers.
	Learnt Hop
}

// ReceiveARP takes an ARP packet. It learns the sender if the director needs it, and answers a
// request for an address that the director answers for (RFC 826). now is in ms.
func (t *Table) ReceiveARP(
	a packet.ARP, here Here, now uint32,
) (r Reception, answer packet.ARPFields) {
	sender, mac := packet.AddrOf4(a.SenderIP()), a.SenderMAC()
	if mac.IsZero() || !t.mayHave(here.Port, mac) {
		return Reception{Impossible: true}, answer
	}
	r.Learnt = t.learnSender(sender, mac, here, now)
	if a.Op() != packet.ARPRequest || !here.Answered {
		return r, answer
	}
	r.Answer = true
	return r, packet.ARPFields{
		Op:        packet.ARPReply,
		SenderMAC: t.ports[here.Port].MAC,
		SenderIP:  a.TargetIP(),
		TargetMAC: mac,
		TargetIP:  sender.V4(),
	}
}

// ReceiveND takes a valid neighbour solicitation or advertisement. It learns the sender if the
// director needs it, and answers a solicitation for an address that the director answers for (RFC
// 4861, 7.2.3). The answer goes to the station that asked. It goes to all nodes if that station is
// about to take the address for itself (RFC 4862, 5.4.3). now is in ms.
func (t *Table) ReceiveND(n *packet.ND, here Here, now uint32) (r Reception, answer packet.ND) {
	if !t.mayHave(here.Port, n.LinkLayer) {
		return Reception{Impossible: true}, answer
	}
	sender := n.Src
	if n.Type == packet.ICMP6Advertisement {
		sender, here.Answered = n.Target, false
	}
	if !n.LinkLayer.IsZero() {
		r.Learnt = t.learnSender(sender, n.LinkLayer, here, now)
	}
	if !here.Answered {
		return r, answer
	}
	r.Answer = true
	if n.Src == (packet.Addr{}) {
		return r, t.Advertisement(here.Port, n.Target)
	}
	return r, packet.ND{
		Type:      packet.ICMP6Advertisement,
		Flags:     packet.NDRouter | packet.NDSolicited | packet.NDOverride,
		Src:       n.Target,
		Dst:       n.Src,
		Target:    n.Target,
		LinkLayer: t.ports[here.Port].MAC,
	}
}

// Advertisement returns the message that announces an address of the director to all stations of a
// port's network.
func (t *Table) Advertisement(port uint16, address packet.Addr) packet.ND {
	return packet.ND{
		Type: packet.ICMP6Advertisement, Flags: packet.NDRouter | packet.NDOverride,
		Src: address, Dst: packet.AllNodes, Target: address, LinkLayer: t.ports[port].MAC,
	}
}

// mayHave reports whether an Ethernet address can belong to another station on the port's network,
// or is missing.
func (t *Table) mayHave(port uint16, mac packet.MAC) bool {
	return !mac.IsMulticast() && mac != t.ports[port].MAC
}

// learnSender updates a known neighbour. It adds a new one that is on the port's subnet and asks
// for the director.
func (t *Table) learnSender(address packet.Addr, mac packet.MAC, here Here, now uint32) Hop {
	if !here.Stranger {
		return 0
	}
	if h, known := t.index[key{address, here.Port}]; known {
		return t.learnt(h, mac, now)
	}
	if !here.Answered || !here.OnSubnet {
		return 0
	}
	return t.Learn(address, here.Port, mac, now)
}

// Learn notes the MAC of a station that another worker has learnt, and returns its hop: the caller
// sends the packets that Take returns. It returns 0 if the entry is static or the table full. now
// is in ms.
func (t *Table) Learn(address packet.Addr, port uint16, mac packet.MAC, now uint32) Hop {
	h, ok := t.Find(address, port, now)
	if !ok {
		return 0
	}
	return t.learnt(h, mac, now)
}

func (t *Table) learnt(h Hop, mac packet.MAC, now uint32) Hop {
	e := &t.entries[h]
	if e.state == Static {
		return 0
	}
	e.confirm(mac, t.ports[e.Port].MAC, now)
	return h
}
