package neighbour

import "fulcrum/packet"

// Here is what the caller knows about the port of a message and its sender. The sender is the
// station whose MAC the message gives: the target of an advertisement, the source of any other
// message.
type Here struct {
	Port uint16
	// From is the Ethernet source of the message.
	From packet.MAC
	// Answered says that the director answers on this port for the target of a request or a
	// solicitation. It says so of an ARP reply's target too.
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
	// Learnt is the entry whose MAC has become known, or was confirmed, or 0: send the packets that
	// Take returns.
	Learnt Hop
	// Ask is a question to send.
	Ask Question
	// Tell says that the other workers need the Message too.
	Tell    bool
	Message Message
}

// ReceiveARP takes an ARP packet. It learns the sender if the director needs it, and answers a
// request for an address that the director answers for (RFC 826). now is in ms.
func (t *Table) ReceiveARP(
	a packet.ARP, here Here, now uint32,
) (r Reception, answer packet.ARPFields) {
	sender, mac, reply := packet.AddrOf4(a.SenderIP()), a.SenderMAC(), a.Op() == packet.ARPReply
	if mac.IsZero() || !t.mayHave(here.Port, mac) {
		return Reception{Impossible: true}, answer
	}
	m := Message{
		Address: sender, Port: here.Port, MAC: mac, From: here.From,
		Solicited: reply && here.Answered, Override: true,
	}
	here.Answered = here.Answered && a.Op() == packet.ARPRequest
	r = t.receive(&m, here, now)
	if !here.Answered {
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

// ReceiveND takes a valid message of neighbour discovery. It learns the sender if the director
// needs it, and answers a solicitation for an address that the director answers for (RFC 4861,
// 7.2.3). The answer goes to the station that asked. It goes to all nodes if that station is about
// to take the address for itself (RFC 4862, 5.4.3). now is in ms.
func (t *Table) ReceiveND(n *packet.ND, here Here, now uint32) (r Reception, answer packet.ND) {
	if !t.mayHave(here.Port, n.LinkLayer) {
		return Reception{Impossible: true}, answer
	}
	here.Answered = here.Answered && n.Type == packet.ICMP6Solicitation
	m := Message{
		Address: n.Sender(), Port: here.Port, MAC: n.LinkLayer, From: here.From,
		Override: !n.LinkLayer.IsZero(),
	}
	if n.Type == packet.ICMP6Advertisement {
		m.Solicited, m.Override = n.Flags&packet.NDSolicited != 0, n.Flags&packet.NDOverride != 0
	}
	r = t.receive(&m, here, now)
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

// receive takes a message from the network. It adds the sender if it asks for the director and is
// on the port's subnet, because an answer to it will follow. It adds no other sender (RFC 4861,
// 7.2.3 and 7.2.5).
func (t *Table) receive(m *Message, here Here, now uint32) Reception {
	if !here.Stranger {
		return Reception{}
	}
	h, known := t.index[key{m.Address, m.Port}]
	if !known && here.Answered && here.OnSubnet && !m.MAC.IsZero() {
		h, known = t.Find(m.Address, m.Port, now)
	}
	if !known {
		// Another worker may have asked.
		return Reception{Tell: m.Solicited && t.allowance.take(&t.allowance.news), Message: *m}
	}
	tell := t.tells(h, m, now)
	learnt, ask := t.hear(h, m, true, now)
	return Reception{Learnt: learnt, Ask: ask, Tell: tell, Message: *m}
}

// tellAgain is the time in ms after which the other workers are told the same once more.
const tellAgain = 100

// tells reports whether the other workers need a message: it answers a question, perhaps theirs, or
// it gives a known station another MAC.
func (t *Table) tells(h Hop, m *Message, now uint32) bool {
	e, r := &t.entries[h], &t.records[h]
	moves := e.HasMAC() && m.MAC != e.MAC() && m.Override
	repeated := r.toldMAC == m.MAC && r.toldAnswer == m.Solicited && now-r.toldAt < tellAgain
	if !m.Solicited && !moves || e.state == Static || repeated {
		return false
	}
	r.toldMAC, r.toldAnswer, r.toldAt = m.MAC, m.Solicited, now
	return true
}
