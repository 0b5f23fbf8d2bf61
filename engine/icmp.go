package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// originTTL is the TTL of packets that the director makes.
const originTTL = 64

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
