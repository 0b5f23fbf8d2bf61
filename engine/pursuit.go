package engine

import (
	"slices"

	"fulcrum/capture"
	"fulcrum/conntrack"
	"fulcrum/packet"
)

// pursuit recognises the packets of some sessions on both legs: between client and VIP, and
// between director and real server as the mode has made them. It also recognises tunnelled packets,
// ICMP errors about packets of the sessions, and fragments that come after the first of their
// datagram. It only reads the session table, and allocates nothing per packet.
type pursuit struct {
	of     *capture.Sessions
	worker *Worker
	// late is set for packets that another worker has handed over. That worker has recorded those of
	// the client's leg, which show their session by their addresses.
	late bool

	parsed    packet.Parsed
	datagrams [64]conntrack.Datagram // whose first fragment it has recognised
	next      int                    // where the next one goes
	inner     []byte                 // the packet inside a tunnel, as a frame
	tunnelled bool                   // it looks at inner
}

func newPursuit(of *capture.Sessions, w *Worker, late bool) *pursuit {
	return &pursuit{of: of, worker: w, late: late, inner: make([]byte, packet.EthernetLen+1<<16)}
}

// selects reports whether a frame belongs to one of the sessions.
func (u *pursuit) selects(frame []byte) bool {
	u.tunnelled = false
	return u.look(frame)
}

func (u *pursuit) look(frame []byte) bool {
	p := &u.parsed
	packet.Parse(frame, p)
	if p.Kind == packet.Fragment4 || p.Kind == packet.Fragment6 {
		return u.fragment(frame)
	}
	return u.whole(frame)
}

// whole looks at a packet, or at a first fragment, that parsed describes.
func (u *pursuit) whole(frame []byte) bool {
	p := &u.parsed
	switch p.Kind {
	case packet.ICMP4, packet.ICMP6:
		return u.icmp(frame)
	case packet.Other4, packet.Other6:
		return u.tunnel(frame)
	}
	if !p.Kind.HasSession() {
		return false
	}
	k := p.Key(frame)
	return u.knows(&k)
}

// fragment recognises a first fragment by its ports, and the others by their datagram.
func (u *pursuit) fragment(frame []byte) bool {
	p := &u.parsed
	f, fault := p.Fragment(frame)
	if fault != packet.NoFault {
		return false
	}
	k := p.Key(frame)
	d := conntrack.Datagram{Src: k.Src, Dst: k.Dst, ID: f.ID}
	if !p.Kind.Is6() {
		d.Protocol = p.Protocol
	}
	known := slices.Contains(u.datagrams[:], d)
	if f.Offset != 0 {
		return known
	}
	p.ParseFirst(frame)
	if !u.whole(frame) {
		return false
	}
	if !known {
		u.datagrams[u.next%len(u.datagrams)] = d
		u.next++
	}
	return true
}

// icmp recognises an ICMP error by the packet that it quotes, which may be a tunnel's.
func (u *pursuit) icmp(frame []byte) bool {
	p := &u.parsed
	message, six := frame[p.Transport:p.End], p.Kind.Is6()
	if six && !packet.ICMPv6(message).IsError() || !six && !packet.ICMP(message).IsError() {
		return false
	}
	quoted := message[packet.ICMPLen:]
	if u.quotes(quoted, six) {
		return true
	}
	at, six := tunnelledIn(quoted, six)
	return at != 0 && u.quotes(quoted[at:], six)
}

func tunnelledIn(b []byte, six bool) (at int, innerSix bool) {
	if six {
		return packet.Tunnelled6(b)
	}
	return packet.Tunnelled4(b)
}

// quotes looks at an IP packet that may be cut off.
func (u *pursuit) quotes(b []byte, six bool) bool {
	q, ok := packet.Quoted4(b)
	if six {
		q, ok = packet.Quoted6(b)
	}
	return ok && u.knows(&q.Key)
}

// tunnel looks into a packet of a tunnel. The inner one is parsed like a received one, since it may
// be an ICMP error or a fragment. It is cut off if the outer packet is a first fragment. Tunnels in
// tunnels are not the director's.
func (u *pursuit) tunnel(frame []byte) bool {
	p := &u.parsed
	six := p.Protocol == packet.ProtocolIPv6
	if u.tunnelled || !six && p.Protocol != packet.ProtocolIPv4 {
		return false
	}
	inner := frame[p.Transport:p.End]
	u.tunnelled = true
	return u.look(u.asFrame(inner, six)) || u.quotes(inner, six)
}

// asFrame returns a copy of an IP packet with an Ethernet header.
func (u *pursuit) asFrame(ip []byte, six bool) []byte {
	etherType := packet.EtherTypeIPv4
	if six {
		etherType = packet.EtherTypeIPv6
	}
	packet.Ethernet(u.inner).SetType(etherType)
	return u.inner[:packet.EthernetLen+copy(u.inner[packet.EthernetLen:], ip)]
}

// knows reports whether a flow is one of a session's, in either direction: of the client's leg by
// its addresses, of the other by the session table.
func (u *pursuit) knows(k *packet.Key) bool {
	back := packet.Key{Flow: k.Reverse(), Protocol: k.Protocol}
	if u.of.Match(k) || u.of.Match(&back) {
		return !u.late
	}
	return u.inTable(k) || u.inTable(&back)
}

func (u *pursuit) inTable(k *packet.Key) bool {
	ref, known := u.worker.lookup(k)
	if !known {
		return false
	}
	in := packet.Key{
		Flow: u.worker.sessions.Flow(ref.Slot(), conntrack.Inbound), Protocol: k.Protocol,
	}
	return u.of.Match(&in)
}
