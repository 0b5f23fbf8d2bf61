package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// originTTL is the TTL of packets that the director makes.
const originTTL = 64

// maxQuoted is how much of a packet an ICMP error quotes, so that it stays within 576 bytes (RFC 1812, 4.3.2.3).
const maxQuoted = 576 - packet.IPv4MinLen - packet.ICMPLen

// icmp takes an ICMP message: an echo request to one of the director's addresses is answered, and nothing else yet.
func (w *Worker) icmp(p *ports.Packet, m *meta, frame []byte) Verdict {
	kind, ours := w.snap.kindOf(packet.AddrOf4(m.Dst))
	message := packet.ICMP(frame[m.Transport:m.End])
	switch {
	case message.IsError():
		return w.icmpError(p, message)
	case !ours:
		return DropNotOurs
	case kind == subnetBroadcast, message.Type() != packet.ICMPEchoRequest, !w.isStranger(packet.AddrOf4(m.Src)):
		return DropToHost
	}
	ip := packet.IPv4(frame[m.Network:])
	ip.SetSrc(m.Dst)
	ip.SetDst(m.Src)
	ip.SetTTL(originTTL)
	ip.SetChecksum(0)
	ip.SetChecksum(packet.Checksum(ip[:ip.HeaderLen()]))
	// Only the type changes, from 8 to 0, so that a damaged message stays damaged.
	message[0] = packet.ICMPEchoReply
	message.SetChecksum(packet.Delta(0).Change16(uint16(packet.ICMPEchoRequest)<<8, 0).Apply(message.Checksum()))
	w.turnBack(p, frame)
	return w.answer(p, Consumed)
}

// refuse drops a packet and tells its sender why by an ICMP error from the address src, made in the packet's own
// buffer. Where no error may be sent (RFC 1122, 3.2.2) or too many were, the packet is just dropped.
func (w *Worker) refuse(p *ports.Packet, m *meta, why Verdict, src packet.Addr, typ, code uint8, rest uint32) Verdict {
	if src == (packet.Addr{}) || !w.isStranger(packet.AddrOf4(m.Src)) || packet.Ethernet(p.Bytes()).Dst().IsMulticast() || !w.icmpAllowed() {
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
	packet.ICMP(ip[packet.IPv4MinLen:]).Encode(typ, code, rest)
	ip.Encode(packet.IPv4Fields{
		TOS:         0xc0, // internetwork control (RFC 1812, 4.3.2.5)
		TotalLength: uint16(added + quoted),
		TTL:         originTTL,
		Protocol:    packet.ProtocolICMP,
		Src:         src.V4(),
		Dst:         m.Src,
	})
	return w.answer(p, why)
}

// turnBack addresses a frame to the station that it came from. An answer to it takes the same way back, so that it needs
// neither a route nor a neighbour.
func (w *Worker) turnBack(p *ports.Packet, frame []byte) {
	e := packet.Ethernet(frame)
	e.SetDst(e.Src())
	e.SetSrc(w.snap.ports[p.Port].mac)
}

// isUnicast reports whether an address can be a sender's that is answered.
func isUnicast(a packet.Addr) bool {
	first := a.V4() >> 24
	return first != 0 && first != 127 && first < 224
}

// Limits of ICMP errors: the kernel's icmp_msgs_per_sec and icmp_msgs_burst.
const (
	icmpPerSecond = 1000
	icmpBurst     = 50
)

// tokens limits a rate: it fills up with time.
type tokens struct {
	thousandths uint32
	last        uint32
}

// icmpAllowed takes a token for an ICMP error.
func (w *Worker) icmpAllowed() bool {
	t := &w.icmpTokens
	const full = icmpBurst * 1000
	t.thousandths = min(t.thousandths+min(w.now-t.last, 1000)*icmpPerSecond, full)
	t.last = w.now
	if t.thousandths < 1000 {
		return false
	}
	t.thousandths -= 1000
	return true
}
