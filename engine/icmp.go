package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// originTTL is the TTL of packets that the director makes.
const originTTL = 64

// icmp4 processes an ICMP message: it forwards an error along the session that the error quotes,
// and answers an echo request to one of the director's addresses.
func (w *Worker) icmp4(p *ports.Packet, m *meta) Verdict {
	frame := p.Bytes()
	message := packet.ICMP(frame[m.Transport:m.End])
	switch {
	case !m.isWhole(p):
		return DropICMPChecksum
	case message.Type() == packet.ICMPRedirect:
		return DropICMPError // it concerns only the router's own neighbours
	case message.IsError():
		return w.icmpError(p, m)
	}
	if v, taken := w.echoFlow(p, m); taken {
		return v
	}
	request := message.Type() == packet.ICMPEchoRequest
	if v := w.echoed(packet.AddrOf4(m.Src), packet.AddrOf4(m.Dst), request); v != Taken {
		return w.notEchoed(p, m, v)
	}
	ip := packet.IPv4(frame[m.Network:])
	ip.SetSrc(m.Dst)
	ip.SetDst(m.Src)
	ip.SetTTL(originTTL)
	ip.SetChecksum(0)
	ip.SetChecksum(packet.Checksum(ip[:ip.HeaderLen()]))
	// Only the type changes, from 8 to 0. The checksum follows by RFC 1141: if the rest is all
	// zeros, it must become 0xffff, and RFC 1624 would give 0.
	message[0] = packet.ICMPEchoReply
	message.SetChecksum(packet.Fold(uint64(message.Checksum()) + uint64(packet.ICMPEchoRequest)<<8))
	w.turnBack(p, frame)
	return w.answer(p, Consumed)
}

// icmp6 is icmp4 for IPv6. It processes neighbour discovery too.
func (w *Worker) icmp6(p *ports.Packet, m *meta) Verdict {
	frame := p.Bytes()
	message := packet.ICMPv6(frame[m.Transport:m.End])
	switch t := message.Type(); {
	case t >= packet.ICMP6RouterSolicit && t <= packet.ICMP6Advertisement:
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
		return Consumed // groups and prefixes, which hosts and routers announce to all
	}
	if v, taken := w.echoFlow(p, m); taken {
		return v
	}
	if v := w.echoed(k.Src, k.Dst, message.Type() == packet.ICMP6EchoRequest); v != Taken {
		return w.notEchoed(p, m, v)
	}
	ip := packet.IPv6(frame[m.Network:])
	ip.SetSrc(k.Dst)
	ip.SetDst(k.Src)
	ip.SetHopLimit(originTTL)
	message[0] = packet.ICMP6EchoReply
	change := packet.Delta(0).Change16(
		uint16(packet.ICMP6EchoRequest)<<8, uint16(packet.ICMP6EchoReply)<<8)
	message.SetChecksum(change.Apply(message.Checksum()))
	w.turnBack(p, frame)
	return w.answer(p, Consumed)
}

// echoed returns Taken for an echo request that the director answers, and otherwise the verdict
// about the message. A VIP answers if one of its services with Echo has a real server available.
func (w *Worker) echoed(src, dst packet.Addr, request bool) Verdict {
	kind, ours := w.snap.kindOf(dst)
	switch {
	case !ours:
		return DropNotOurs
	case kind == subnetBroadcast, !request, !w.isStranger(src):
		return DropToHost
	case kind.isVIP() && !w.snap.alive(dst):
		return DropNoRealServer
	}
	return Taken
}

// notEchoed returns the verdict about a message that the director does not answer for a reason.
func (w *Worker) notEchoed(p *ports.Packet, m *meta, why Verdict) Verdict {
	if why == DropNotOurs {
		return w.unmatched(p, m)
	}
	return why
}

// turnBack addresses a frame to its sender. The answer takes the same way back, so that it needs
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
