package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// problem is the reason of an ICMP error.
type problem uint8

const (
	portUnreachable problem = iota
	ttlExceeded
	tooBig
	hostUnreachable
	protocolUnreachable
)

// problems has the ICMP types and codes of each problem.
var problems = [...]struct{ type4, code4, type6, code6 uint8 }{
	portUnreachable: {
		packet.ICMPUnreachable, packet.ICMPCodePortUnreachable,
		packet.ICMP6Unreachable, packet.ICMP6CodePortUnreachable,
	},
	ttlExceeded: {
		packet.ICMPTimeExceeded, packet.ICMPCodeTTLExceeded,
		packet.ICMP6TimeExceeded, packet.ICMP6CodeHopLimitExceeded,
	},
	tooBig: {
		packet.ICMPUnreachable, packet.ICMPCodeFragmentationNeeded,
		packet.ICMP6PacketTooBig, 0,
	},
	hostUnreachable: {
		packet.ICMPUnreachable, packet.ICMPCodeHostUnreachable,
		packet.ICMP6Unreachable, packet.ICMP6CodeAddress,
	},
	protocolUnreachable: {
		packet.ICMPUnreachable, packet.ICMPCodeProtocolUnreachable,
		packet.ICMP6ParameterProblem, packet.ICMP6CodeNextHeader,
	},
}

// The part of a packet that an ICMP error quotes. It keeps the error within 576 bytes (RFC 1812,
// 4.3.2.3), or within the least MTU of IPv6 (RFC 4443, 2.4).
const (
	maxQuoted4 = 576 - packet.IPv4MinLen - packet.ICMPLen
	maxQuoted6 = 1280 - packet.IPv6Len - packet.ICMPLen
)

// internetworkControl is the traffic class of ICMP errors (RFC 1812, 4.3.2.5).
const internetworkControl = 0xc0

// refusal describes the ICMP error about a dropped packet. Its source is from; a zero from sends no
// error. rest is the second word of the ICMP header.
type refusal struct {
	why  Verdict
	from packet.Addr
	what problem
	rest uint32
}

// refuse drops a packet and tells its sender why by an ICMP error, made in the packet's own buffer.
// If no error may be sent (RFC 1122, 3.2.2) or the rate limit is reached, it only drops the packet.
func (w *Worker) refuse(p *ports.Packet, m *meta, r refusal) Verdict {
	k := &w.key
	m.WriteKey(k, p.Bytes())
	if r.from == (packet.Addr{}) || !m.refusable(p) || !w.mayAnswer(p, k.Src) ||
		!w.mayTell(k.Src, r.what) {
		return r.why
	}
	return w.tell(p, m, r)
}

// refuseClient drops a packet for which its service has no real server, and tells the client as the
// service says.
func (w *Worker) refuseClient(p *ports.Packet, m *meta, a *arrival, d *decision) Verdict {
	if answer := w.answerTo(a, d); answer != AnswerNoPort {
		return w.turnAway(p, m, d.verdict, answer)
	}
	return w.refuse(p, m, refusal{d.verdict, a.key.Dst, portUnreachable, 0})
}

// mayAnswer reports whether a packet may be answered by an error or a reset: it was sent to one
// station by one station (RFC 1122, 3.2.2; RFC 4443, 2.4).
func (w *Worker) mayAnswer(p *ports.Packet, src packet.Addr) bool {
	return w.isStranger(src) && !packet.Ethernet(p.Bytes()).Dst().IsMulticast()
}

// tell turns a packet into the ICMP error about it, and sends that. The packet's key is in hand.
func (w *Worker) tell(p *ports.Packet, m *meta, r refusal) Verdict {
	if w.tap != nil {
		// The tap copies the packet before the error overwrites it.
		w.tap.dropped(p, r.why)
	}
	ethernet := [packet.EthernetLen]byte(p.Bytes())
	if !quoteAnew(p, int(m.Network), m.size(), m.Kind.Is6()) {
		return r.why
	}
	frame := p.Bytes()
	copy(frame, ethernet[:])
	w.turnBack(p, frame)
	writeError(frame, r.from, w.key.Src, r.what, r.rest)
	return w.answer(p, r.why)
}

// refusable reports whether an ICMP error may be sent about a packet: not about an ICMP error, nor
// about an IPv4 fragment that is not the first (RFC 1122, 3.2.2; RFC 4443, 2.4).
func (m *meta) refusable(p *ports.Packet) bool {
	b := p.Bytes()
	switch m.Kind {
	case packet.ICMP4:
		return !packet.ICMP(b[m.Transport:m.End]).IsError()
	case packet.ICMP6:
		return !packet.ICMPv6(b[m.Transport:m.End]).IsError()
	case packet.Fragment4:
		return packet.IPv4(b[m.Network:]).FragmentOffset() == 0
	}
	return true
}

// encodeError4 writes the headers of an ICMP error in front of what it quotes.
func encodeError4(b []byte, src, dst packet.Addr, what problem, rest uint32) {
	ip := packet.IPv4(b)
	packet.ICMP(b[packet.IPv4MinLen:]).Encode(problems[what].type4, problems[what].code4, rest)
	ip.Encode(packet.IPv4Fields{
		TOS:         internetworkControl,
		TotalLength: uint16(len(b)),
		TTL:         originTTL,
		Protocol:    packet.ProtocolICMP,
		Src:         src.V4(),
		Dst:         dst.V4(),
	})
}

// encodeError6 is encodeError4 for IPv6.
func encodeError6(b []byte, src, dst packet.Addr, what problem, rest uint32) {
	packet.IPv6(b).Encode(packet.IPv6Fields{
		TrafficClass:  internetworkControl,
		PayloadLength: uint16(len(b) - packet.IPv6Len),
		NextHeader:    packet.ProtocolICMPv6,
		HopLimit:      originTTL,
		Src:           src,
		Dst:           dst,
	})
	error6 := packet.ICMPv6(b[packet.IPv6Len:])
	error6.Encode(problems[what].type6, problems[what].code6, rest, src, dst)
}

// quoteAnew makes a packet that holds length bytes of the frame from offset at, behind space for
// the headers of an ICMP error. It reports whether the buffer had the space.
func quoteAnew(p *ports.Packet, at, length int, six bool) bool {
	header, most := packet.IPv4MinLen, maxQuoted4
	if six {
		header, most = packet.IPv6Len, maxQuoted6
	}
	p.TrimFront(at - packet.EthernetLen)
	p.Resize(packet.EthernetLen + min(length, most))
	return p.Prepend(header + packet.ICMPLen)
}

// writeError writes the EtherType and the headers of an ICMP error. The family is that of its
// addresses.
func writeError(frame []byte, src, dst packet.Addr, what problem, rest uint32) {
	b := frame[packet.EthernetLen:]
	if src.Is4() {
		packet.Ethernet(frame).SetType(packet.EtherTypeIPv4)
		encodeError4(b, src, dst, what, rest)
	} else {
		packet.Ethernet(frame).SetType(packet.EtherTypeIPv6)
		encodeError6(b, src, dst, what, rest)
	}
}
