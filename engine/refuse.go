package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// problem is why a packet's sender is told that it was dropped.
type problem uint8

const (
	portUnreachable problem = iota
	ttlExceeded
	tooBig
)

// problems has the ICMP types and codes of each problem.
var problems = [...]struct{ type4, code4, type6, code6 uint8 }{
	portUnreachable: {packet.ICMPUnreachable, packet.ICMPCodePortUnreachable, 1, 4},
	ttlExceeded:     {packet.ICMPTimeExceeded, packet.ICMPCodeTTLExceeded, 3, 0},
	tooBig:          {packet.ICMPUnreachable, packet.ICMPCodeFragmentationNeeded, 2, 0},
}

// maxQuoted is how much of a packet an ICMP error quotes, so that it stays within 576 bytes (RFC 1812, 4.3.2.3).
const maxQuoted = 576 - packet.IPv4MinLen - packet.ICMPLen

// refuse drops a packet and tells its sender why by an ICMP error from the address src, made in the packet's own
// buffer. Where no error may be sent (RFC 1122, 3.2.2) or too many were, the packet is just dropped.
func (w *Worker) refuse(p *ports.Packet, m *meta, why Verdict, src packet.Addr, what problem, rest uint32) Verdict {
	k := &w.key
	m.widen(p, k)
	if src == (packet.Addr{}) || !w.isStranger(k.Src) || packet.Ethernet(p.Bytes()).Dst().IsMulticast() || !w.icmpAllowed() {
		return why
	}
	const added = packet.IPv4MinLen + packet.ICMPLen
	header := [packet.EthernetLen]byte(p.Bytes())
	quoted := min(int(m.End-m.Network), maxQuoted)
	p.Resize(packet.EthernetLen + quoted)
	if !p.Prepend(added) {
		return why
	}
	frame := p.Bytes()
	copy(frame, header[:])
	w.turnBack(p, frame)
	ip := packet.IPv4(frame[packet.EthernetLen:])
	packet.ICMP(ip[packet.IPv4MinLen:]).Encode(problems[what].type4, problems[what].code4, rest)
	ip.Encode(packet.IPv4Fields{
		TOS:         0xc0, // internetwork control (RFC 1812, 4.3.2.5)
		TotalLength: uint16(added + quoted),
		TTL:         originTTL,
		Protocol:    packet.ProtocolICMP,
		Src:         src.V4(),
		Dst:         k.Src.V4(),
	})
	return w.answer(p, why)
}
