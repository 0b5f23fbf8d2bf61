package engine

import (
	"encoding/binary"

	"fulcrum/packet"
	"fulcrum/ports"
)

// Protocols and ports (IANA) of what routers say to each other.
const (
	protocolIGMP = 2
	protocolOSPF = 89
	protocolVRRP = 112

	portBGP         = 179
	portBFD         = 3784 // RFC 5881
	portBFDEcho     = 3785
	portBFDMultihop = 4784 // RFC 5883

	etherTypeSlow packet.EtherType = 0x8809 // LACP (IEEE 802.3, annex 57A)
	etherTypeLLDP packet.EtherType = 0x88cc // IEEE 802.1AB

	// fromTheLink is a TTL that no packet from behind a router has (RFC 5082).
	fromTheLink = 255
)

// laneOf returns the lane in which a packet goes to the host, by the verdict about it.
func (w *Worker) laneOf(p *ports.Packet, m *meta, why Verdict) hostLane {
	switch why {
	case Consumed:
		return m.laneOfCopy(p.Bytes())
	case DropToHost:
		return w.laneOfOwn(p, m)
	case DropICMPError:
		return w.laneOfError(p, m)
	case DropNotOurs:
		return w.laneOfForeign(p, m)
	case DropNotOurMAC:
		if packet.Ethernet(p.Bytes()).Dst().IsMulticast() {
			return w.laneOfForeign(p, m)
		}
	case DropNotIP:
		if t := packet.Ethernet(p.Bytes()).Type(); t == etherTypeSlow || t == etherTypeLLDP {
			return laneRouting
		}
	}
	return noLane
}

// laneOfCopy returns the lane of a message that the director has processed. The host gets a copy of
// what stations say of their addresses, but no questions: the director answers them.
func (m *meta) laneOfCopy(frame []byte) hostLane {
	switch m.Kind {
	case packet.ARPPacket:
		a := packet.ARP(frame[m.Network:])
		if a.Op() == packet.ARPReply || a.SenderIP() == a.TargetIP() {
			return laneNeighbour
		}
	case packet.ICMP6:
		switch frame[m.Transport] {
		case packet.ICMP6RouterSolicit, packet.ICMP6RouterAdvert, packet.ICMP6Advertisement:
			return laneNeighbour
		case 130, 131, 132, 143: // MLD (RFC 2710, RFC 3810)
			return laneRouting
		}
	}
	return noLane
}

// laneOfOwn returns the lane of a packet to an address of the director that has neither session nor
// service.
func (w *Worker) laneOfOwn(p *ports.Packet, m *meta) hostLane {
	k := &w.key
	m.WriteKey(k, p.Bytes())
	switch {
	case packet.Ethernet(p.Bytes()).Dst().IsMulticast(), !w.hostHas(p.Port, k.Dst):
		return noLane
	case m.Kind == packet.ICMP4, m.Kind == packet.ICMP6:
		return w.laneOfMessage(p.Bytes()[m.Transport:m.End])
	case m.Kind.HasSession():
		return w.laneOfFlow(k, m.TTL)
	}
	return w.laneOfProtocol(p.Port, k, m.TTL)
}

// laneOfMessage returns the lane of an ICMP message to an own address, whose key is in hand. The
// director answers echo requests itself.
func (w *Worker) laneOfMessage(b []byte) hostLane {
	k := w.key
	switch b[0] {
	case packet.ICMPEchoRequest, packet.ICMP6EchoRequest:
		return noLane
	case packet.ICMPEchoReply, packet.ICMP6EchoReply:
		k.SrcPort, k.DstPort = 0, binary.BigEndian.Uint16(b[4:6])
		if w.engine.host.known(&k, w.now) {
			return laneConnections
		}
	}
	return laneOther
}

// laneOfFlow returns the lane of a packet with ports to an own address.
func (w *Worker) laneOfFlow(k *packet.Key, ttl uint8) hostLane {
	h := w.engine.host
	known := h.known(k, w.now)
	switch tcp, udp := k.Protocol == packet.ProtocolTCP, k.Protocol == packet.ProtocolUDP; {
	case tcp && (k.DstPort == portBGP || k.SrcPort == portBGP):
		if known {
			return lanePeering
		}
		return laneDistant
	case udp && (k.DstPort == portBFD || k.DstPort == portBFDEcho) && ttl == fromTheLink:
		return laneRouting
	case udp && k.DstPort == portBFDMultihop:
		return laneDistant
	case known:
		return laneConnections
	case tcp && h.open.has(k.DstPort):
		return laneOpen
	}
	return laneOther
}

// laneOfProtocol returns the lane of a packet whose ports are unknown or do not matter. Routing
// protocols are those of stations on the link, as far as a packet tells.
func (w *Worker) laneOfProtocol(port uint16, k *packet.Key, ttl uint8) hostLane {
	group := k.Dst.IsMulticast()
	switch {
	case k.Protocol == protocolVRRP && ttl == fromTheLink, // RFC 9568, 5.1.1.3
		k.Protocol == protocolIGMP && group:
		return laneRouting
	case k.Protocol == protocolOSPF:
		if group || k.Src.IsLinkLocal() || w.snap.ports[port].onSubnet(k.Src) {
			return laneRouting
		}
		return laneDistant
	case group:
		return laneGroup
	}
	return laneOther
}

// laneOfForeign returns the lane of a packet to an address that is not the director's: of
// multicast, and of DHCP, whose clients may have no address yet.
func (w *Worker) laneOfForeign(p *ports.Packet, m *meta) hostLane {
	k := &w.key
	m.WriteKey(k, p.Bytes())
	switch m.Kind {
	case packet.UDP4, packet.UDP6, packet.Other4, packet.Other6, packet.Fragment4, packet.Fragment6:
		return w.laneOfStray(p.Port, k, m.TTL, packet.Ethernet(p.Bytes()).Dst().IsMulticast())
	}
	return noLane
}

// laneOfStray is laneOfForeign for a key, and for a frame to all stations or to the port alone.
func (w *Worker) laneOfStray(port uint16, k *packet.Key, ttl uint8, toAll bool) hostLane {
	switch {
	case k.Dst.IsMulticast():
		return w.laneOfProtocol(port, k, ttl)
	case k.Protocol == packet.ProtocolUDP && isDHCP(k, toAll):
		return laneOpen
	}
	return noLane
}

// limitedBroadcast is 255.255.255.255.
var limitedBroadcast = packet.AddrOf4(1<<32 - 1)

// isDHCP reports whether a datagram is DHCP's: to all stations, or to a client that is being told
// its address (RFC 2131, 4.1; RFC 9915, 7.2).
func isDHCP(k *packet.Key, toAll bool) bool {
	switch [2]uint16{k.SrcPort, k.DstPort} {
	case [2]uint16{68, 67}:
		return k.Dst == limitedBroadcast
	case [2]uint16{67, 68}:
		return k.Dst == limitedBroadcast || !toAll
	case [2]uint16{547, 546}:
		return !toAll
	}
	return false
}

// laneOfError returns the lane of an ICMP error about no session that quotes a packet of the host.
func (w *Worker) laneOfError(p *ports.Packet, m *meta) hostLane {
	t := p.Bytes()[m.Transport]
	if m.Kind == packet.ICMP4 && t == packet.ICMPRedirect ||
		m.Kind == packet.ICMP6 && t == packet.ICMP6Redirect {
		return noLane // the host's routes are no station's business
	}
	m.WriteKey(&w.key, p.Bytes())
	q, ported := m.quoted(p)
	switch sent := &q.Key; {
	case sent.Src != w.key.Dst, !w.hostHas(p.Port, sent.Src), !w.hostMaySend(p.Port, sent),
		sent.Protocol == packet.ProtocolIPv4, sent.Protocol == packet.ProtocolIPv6: // a tunnel's
		return noLane
	case ported:
		back := packet.Key{Flow: sent.Reverse(), Protocol: sent.Protocol}
		if w.engine.host.known(&back, w.now) {
			return laneConnections
		}
	}
	return laneOther
}
