package engine

import (
	"encoding/binary"

	"fulcrum/conntrack"
	"fulcrum/packet"
	"fulcrum/ports"
)

// icmpError takes an ICMP error to the worker that has the session it is about. How a NIC spreads such packets says nothing about
// the packets that they quote, so each worker is asked in turn; there are few of them. Its owner drops it: these are not translated
// yet.
func (w *Worker) icmpError(p *ports.Packet, message packet.ICMP) Verdict {
	if w.outgoing == nil || int(p.Spare) == len(w.outgoing)-1 || w.knowsQuoted(packet.IPv4(message[packet.ICMPLen:])) {
		return DropICMPError
	}
	return w.handOver(p, (w.number+1)%len(w.outgoing))
}

// knowsQuoted reports whether the beginning of a packet, as an ICMP error quotes it, belongs to a session here: to one of its flows,
// or as what was sent on to the answers that would come back.
func (w *Worker) knowsQuoted(quoted packet.IPv4) bool {
	k, ok := quotedKey(quoted)
	if !ok {
		return false
	}
	back := conntrack.Key4{Flow4: conntrack.Flow4{Src: k.Dst, Dst: k.Src, SrcPort: k.DstPort, DstPort: k.SrcPort}, Protocol: k.Protocol}
	return w.knows(&k) || w.knows(&back)
}

func (w *Worker) knows(k *conntrack.Key4) bool {
	_, found := w.sessions.Lookup(w.sessions.Hash(k), k)
	return found
}

// quotedKey reads what an ICMP error has to quote (RFC 792): the IP header and eight bytes more.
func quotedKey(quoted packet.IPv4) (k conntrack.Key4, ok bool) {
	const portsLen = 4
	if len(quoted) < packet.IPv4MinLen || quoted.Version() != 4 {
		return k, false
	}
	header := quoted.HeaderLen()
	if header < packet.IPv4MinLen || len(quoted) < header+portsLen || quoted.IsFragment() && quoted.FragmentOffset() > 0 {
		return k, false
	}
	transport := quoted[header:]
	k.Src, k.Dst, k.Protocol = quoted.Src(), quoted.Dst(), quoted.Protocol()
	k.SrcPort, k.DstPort = binary.BigEndian.Uint16(transport), binary.BigEndian.Uint16(transport[2:])
	return k, k.Protocol == packet.ProtocolTCP || k.Protocol == packet.ProtocolUDP
}
