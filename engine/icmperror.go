package engine

import (
	"encoding/binary"

	"fulcrum/conntrack"
	"fulcrum/packet"
	"fulcrum/ports"
)

// icmpError takes an ICMP error to the worker that has the session it is about, which drops it: these are not translated yet. How a
// NIC spreads such packets says nothing about those that they quote. The owner is computed; where that cannot be done, or proves
// wrong, each worker is asked in turn.
func (w *Worker) icmpError(p *ports.Packet, message packet.ICMP) Verdict {
	narrow, ok := w.flowQuoted(packet.IPv4(message[packet.ICMPLen:]))
	k := narrow.Wide()
	if !ok || w.outgoing == nil || w.knows(&k) || int(p.Spare) == len(w.outgoing) {
		return DropICMPError
	}
	if p.Spare == 0 {
		if owner := w.probableOwner(p.Port, &k); owner != receiver && owner != w.number {
			return w.handOver(p, owner)
		}
	}
	return w.handOver(p, (w.number+1)%len(w.outgoing))
}

// flowQuoted returns the flow under which a session has the packet that an ICMP error quotes: in dr and ipip its own, that of
// a client to a VIP; else that of the packets which would come back.
func (w *Worker) flowQuoted(quoted packet.IPv4) (k conntrack.Key4, ok bool) {
	if k, ok = quotedKey(quoted); !ok {
		return k, false
	}
	if _, inbound := w.snap.services.get(serviceIndex(packet.AddrOf4(k.Dst), k.DstPort, k.Protocol)); inbound {
		return k, true
	}
	k.Src, k.Dst, k.SrcPort, k.DstPort = k.Dst, k.Src, k.DstPort, k.SrcPort
	return k, true
}

func (w *Worker) knows(k *packet.Key6) bool {
	_, found := w.lookup(k)
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
