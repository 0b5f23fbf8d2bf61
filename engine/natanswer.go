package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// nat_icmp_send, as the kernel has it (ip_vs_out_hook in net/netfilter/ipvs/ip_vs_core.c): a nat
// real server whose packet finds no session is told so. The packet is then neither routed nor
// silently dropped.

// answerServer returns what a real server hears about a packet of no session that it sent from its
// served port. The rules that keep a session from a wrong reset hold here too: an ICMP error may
// end a connection whose session another director began.
func (w *Worker) answerServer(a *arrival) Answer {
	if !w.snap.settings.NATICMPSend || !w.isStranger(a.key.Src) || !a.key.Dst.IsUnicast() {
		return NoAnswer
	}
	switch {
	case !w.snap.fromServer(&a.key),
		a.key.Protocol == packet.ProtocolTCP && w.answerTCP(a.flags) == NoAnswer,
		a.key.Protocol == packet.ProtocolSCTP && w.answerSCTP(a.event) == NoAnswer:
		return NoAnswer
	}
	return AnswerNoPort
}

// gatewayOf returns the source of what the sender of a packet hears about it from its gateway: the
// address of the port where the packet came in. The packet's key is in hand.
func (w *Worker) gatewayOf(p *ports.Packet) packet.Addr {
	return w.snap.ports[p.Port].sourceTowards(w.key.Src)
}
