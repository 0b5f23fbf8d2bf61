package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// originTTL is the TTL of packets that the director makes.
const originTTL = 64

// icmp4 takes an ICMP message: an error goes on to whom it concerns, and an echo request to one of the director's addresses is
// answered.
func (w *Worker) icmp4(p *ports.Packet, m *meta) Verdict {
	frame := p.Bytes()
	message := packet.ICMP(frame[m.Transport:m.End])
	switch {
	case !m.isWhole(p):
		return DropICMPChecksum
	case message.Type() == packet.ICMPRedirect:
		return DropICMPError // a router's word to its neighbour: it says nothing behind the director
	case message.IsError():
		return w.icmpError(p, m)
	}
	if v, taken := w.echoFlow(p, m); taken {
		return v
	}
	if v := w.echoed(packet.AddrOf4(m.Src), packet.AddrOf4(m.Dst), message.Type() == packet.ICMPEchoRequest); v != Taken {
		return v
	}
	ip := packet.IPv4(frame[m.Network:])
	ip.SetSrc(m.Dst)
	ip.SetDst(m.Src)
	ip.SetTTL(originTTL)
	ip.SetChecksum(0)
	ip.SetChecksum(packet.Checksum(ip[:ip.HeaderLen()]))
	// Only the type changes, from 8 to 0. It is taken off by RFC 1141, since the rest may be all
	// zeros: then the checksum is 0xffff, for which RFC 1624 gives 0.
	message[0] = packet.ICMPEchoReply
	message.SetChecksum(packet.Fold(uint64(message.Checksum()) + uint64(packet.ICMPEchoRequest)<<8))
	w.turnBack(p, frame)
	return w.answer(p, Consumed)
}

// icmp6 is icmp4 for IPv6, of which neighbour discovery is a part.
func (w *Worker) icmp6(p *ports.Packet, m *meta) Verdict {
	frame := p.Bytes()
	message := packet.ICMPv6(frame[m.Transport:m.End])
	switch t := message.Type(); {
	case t == packet.ICMP6Solicitation, t == packet.ICMP6Advertisement:
		return w.discover(p, m) // which has a reason of its own for a wrong checksum
	case !m.isWhole(p):
		return DropICMPChecksum
	case t == packet.ICMP6Redirect:
		return DropICMPError
	case message.IsError():
		return w.icmpError(p, m)
	}
	k := &w.key
	m.WriteKey(k, p.Bytes())
	if k.Dst.IsMulticast() {
		return Consumed // what hosts and routers tell all others of: groups, prefixes
	}
	if v, taken := w.echoFlow(p, m); taken {
		return v
	}
	if v := w.echoed(k.Src, k.Dst, message.Type() == packet.ICMP6EchoRequest); v != Taken {
		return v
	}
	ip := packet.IPv6(frame[m.Network:])
	ip.SetSrc(k.Dst)
	ip.SetDst(k.Src)
	ip.SetHopLimit(originTTL)
	message[0] = packet.ICMP6EchoReply
	message.SetChecksum(packet.Delta(0).Change16(uint16(packet.ICMP6EchoRequest)<<8, uint16(packet.ICMP6EchoReply)<<8).Apply(message.Checksum()))
	w.turnBack(p, frame)
	return w.answer(p, Consumed)
}

// echoed reports whether an ICMP message is an echo request that is to be answered, by Taken, or what becomes of it. A VIP answers
// while one of its services that are to be seen has a real server available.
func (w *Worker) echoed(src, dst packet.Addr, request bool) Verdict {
	kind, ours := w.snap.kindOf(dst)
	switch {
	case !ours:
		return DropNotOurs
	case kind == subnetBroadcast, !request, !w.isStranger(src):
		return DropToHost
	case kind == vip && !w.snap.alive(dst):
		return DropNoRealServer
	}
	return Taken
}

// turnBack addresses a frame to the station that it came from. An answer to it takes the same way back, so that it needs
// neither a route nor a neighbour.
func (w *Worker) turnBack(p *ports.Packet, frame []byte) {
	e := packet.Ethernet(frame)
	e.SetDst(e.Src())
	e.SetSrc(w.snap.ports[p.Port].mac)
}

// isWhole reports whether the checksum of an ICMP message is right.
func (m *meta) isWhole(p *ports.Packet) bool {
	message := p.Bytes()[m.Transport:m.End]
	if m.Kind.Is6() {
		k := m.Key(p.Bytes())
		return packet.ICMPv6(message).Valid(k.Src, k.Dst)
	}
	return packet.Checksum(message) == 0
}
