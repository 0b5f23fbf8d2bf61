package engine

import (
	"fulcrum/packet"
	"fulcrum/ports"
)

// arp takes an ARP packet, and turns it into the answer that it wants.
func (w *Worker) arp(p *ports.Packet, frame []byte) Verdict {
	a := packet.ARP(frame[packet.EthernetLen:])
	here := w.here(p.Port, packet.AddrOf4(a.SenderIP()), packet.AddrOf4(a.TargetIP()))
	r, answer := w.neighbours.ReceiveARP(a, here, w.now)
	if r.Impossible {
		return DropBadARP
	}
	w.learnt(r)
	if !r.Answer {
		return Consumed
	}
	packet.Ethernet(frame).SetHeader(answer.TargetMAC, answer.SenderMAC, packet.EtherTypeARP)
	a.Encode(answer)
	return w.answer(p, Consumed)
}

// sendARP originates an ARP packet. Without a buffer it is not sent; the resolution asks again anyway.
func (w *Worker) sendARP(port int, to packet.MAC, fields packet.ARPFields) {
	frame := w.originate(port, packet.MinFrameLen)
	if frame == nil {
		return
	}
	clear(frame)
	packet.Ethernet(frame).SetHeader(to, w.snap.ports[port].mac, packet.EtherTypeARP)
	packet.ARP(frame[packet.EthernetLen:]).Encode(fields)
}

// Announcements at start, and when the configuration has changed: RFC 5227, section 1.1.
const (
	announceRounds   = 2
	announceInterval = 2000 // ms
	announceChunk    = 32   // in one turn, so that thousands of addresses do not hold it up
)

// announcement is an address that a port answers for.
type announcement struct {
	port    int
	address packet.Addr
}

// announcer is how far a worker has come with a snapshot's announcements.
type announcer struct {
	rounds int    // still to go
	next   int    // index of the next announcement of this round
	due    uint32 // ms: when the round may begin
}

// announce tells the networks where the director's addresses are (gratuitous ARP, unsolicited advertisements), so that switches and neighbours forget a
// predecessor. It sends a bounded number at a time.
func (w *Worker) announce() {
	a := &w.announcer
	if a.rounds == 0 || int32(w.now-a.due) < 0 {
		return
	}
	end := min(a.next+announceChunk, len(w.snap.announcements))
	for _, n := range w.snap.announcements[a.next:end] {
		if !n.address.Is4() {
			all := w.neighbours.Advertisement(uint16(n.port), n.address)
			w.sendND(n.port, packet.AllNodesMAC, all)
			continue
		}
		w.sendARP(n.port, packet.Broadcast, packet.ARPFields{
			Op:        packet.ARPRequest,
			SenderMAC: w.snap.ports[n.port].mac,
			SenderIP:  n.address.V4(),
			TargetIP:  n.address.V4(),
		})
	}
	a.next = end
	if end == len(w.snap.announcements) {
		*a = announcer{rounds: a.rounds - 1, due: w.now + announceInterval}
	}
}
