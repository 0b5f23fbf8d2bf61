package engine

import (
	"encoding/binary"

	"fulcrum/packet"
)

// hostFrames is how many frames of the host a worker takes in one turn.
const hostFrames = 32

// serveHost sends the next frames of the host, and tells the host of those that it has got in this
// turn. It returns how many frames it took.
func (w *Worker) serveHost() int {
	w.stage = stageHost
	n := 0
	for ; n < hostFrames; n++ {
		port, frame := w.link.FromHost.Peek()
		if frame == nil {
			break
		}
		w.fromHost(port, frame)
		w.link.FromHost.Next()
	}
	if w.told {
		w.told = false
		w.link.Flush()
	}
	w.stage = stageHousekeeping
	return n
}

// fromHost sends a frame of the host, or drops it.
func (w *Worker) fromHost(port uint16, frame []byte) {
	w.counters.totals.FromHost++
	var m meta
	v := w.mayLeave(port, frame, &m)
	switch {
	case v != Taken:
	case w.isForCheck(&m):
		v = w.sendCheck(port, frame, &m)
	default:
		if v = w.sendFrame(int(port), frame); v == Taken {
			w.noteSent(frame, &m)
		}
	}
	if v == Taken {
		return
	}
	if w.tap != nil {
		w.tap.refused(frame, port, v)
	}
	w.count(v)
}

// sendFrame adds a copy of a frame to a port's output.
func (w *Worker) sendFrame(port int, frame []byte) Verdict {
	out := &w.out[port]
	if out.Full() {
		w.exchange(port, nil)
	}
	switch {
	case out.Full():
		return DropTxFull
	case !w.queues[port].Alloc(out, max(len(frame), packet.MinFrameLen)):
		return DropNoBuffer
	}
	b := out.Packets[out.N-1].Bytes()
	clear(b[copy(b, frame):])
	return Taken
}

// mayLeave parses a frame of the host and returns Taken or the reason why it must not leave.
func (w *Worker) mayLeave(port uint16, frame []byte, m *meta) Verdict {
	switch {
	case int(port) >= len(w.snap.ports) || !w.snap.ports[port].host,
		len(frame) < packet.EthernetLen,
		len(frame) > packet.EthernetLen+w.snap.ports[port].mtu:
		return DropHostFrame
	case packet.Ethernet(frame).Src() != w.snap.ports[port].mac:
		return DropHostMAC
	}
	packet.Parse(frame, &m.Parsed)
	switch m.Kind {
	case packet.Invalid:
		return faults[m.Fault]
	case packet.Other:
		return Taken
	case packet.Tagged:
		return DropVLAN
	case packet.ARPPacket:
		return w.mayAsk(port, packet.ARP(frame[m.Network:]))
	}
	return w.mayLeaveIP(port, frame, m)
}

// mayLeaveIP is mayLeave for an IP packet.
func (w *Worker) mayLeaveIP(port uint16, frame []byte, m *meta) Verdict {
	if v := m.portsOfFirst(frame); v != Taken {
		return v
	}
	k := &w.key
	m.WriteKey(k, frame)
	if !m.Kind.HasSession() {
		k.SrcPort, k.DstPort = 0, 0
	}
	if !w.hostMaySend(port, k) {
		return DropHostSource
	}
	if m.Kind == packet.ICMP6 {
		if t := frame[m.Transport]; t >= packet.ICMP6RouterSolicit && t <= packet.ICMP6Advertisement {
			return w.mayDiscover(port, frame, m)
		}
	}
	return Taken
}

// portsOfFirst reads the ports of a datagram's first fragment.
func (m *meta) portsOfFirst(frame []byte) Verdict {
	if m.Kind != packet.Fragment4 && m.Kind != packet.Fragment6 {
		return Taken
	}
	f, fault := m.Fragment(frame)
	if fault == packet.NoFault && f.Offset == 0 {
		if m.ParseFirst(frame); m.Kind == packet.Invalid {
			fault = m.Fault
		}
	}
	if fault != packet.NoFault {
		return faults[fault]
	}
	return Taken
}

// hostMaySend reports whether the host may send packets with a key: not from the addresses and
// ports on which the director serves, so that the host's stack never answers for it.
func (w *Worker) hostMaySend(port uint16, k *packet.Key) bool {
	if !w.hostMayClaim(port, k.Src) {
		return false
	}
	_, served := w.snap.serviceAt(k.Src, k.SrcPort, k.Protocol)
	return !served
}

// hostMayClaim reports whether the host may speak as the owner of an address: one of its own, or
// one that is not the director's. The host may be a router, or have an address that no message has
// told the director.
func (w *Worker) hostMayClaim(port uint16, a packet.Addr) bool {
	_, ours := w.snap.kindOf(a)
	return !ours || w.hostHas(port, a)
}

// mayAsk is mayLeave for ARP: questions and announcements pass, answers are the director's.
func (w *Worker) mayAsk(port uint16, a packet.ARP) Verdict {
	switch {
	case a.SenderMAC() != w.snap.ports[port].mac:
		return DropHostMAC
	case a.Op() == packet.ARPReply && a.SenderIP() != a.TargetIP():
		return DropHostNeighbour
	case !w.hostMayClaim(port, packet.AddrOf4(a.SenderIP())):
		return DropHostSource
	}
	return Taken
}

// mayDiscover is mayAsk for neighbour and router discovery.
func (w *Worker) mayDiscover(port uint16, frame []byte, m *meta) Verdict {
	n, ok := packet.ParseND(packet.IPv6(frame[m.Network:m.End]), int(m.Transport-m.Network))
	switch {
	case !ok:
		return DropBadND
	case !n.LinkLayer.IsZero() && n.LinkLayer != packet.MAC(w.snap.ports[port].mac):
		return DropHostMAC
	case n.Type != packet.ICMP6Advertisement:
		return Taken
	case !n.Dst.IsMulticast():
		return DropHostNeighbour
	case !w.hostMayClaim(port, n.Target):
		return DropHostSource
	}
	return Taken
}

// noteSent learns from a frame that the host has sent.
func (w *Worker) noteSent(frame []byte, m *meta) {
	if m.Kind == packet.ARPPacket || m.Kind == packet.Other {
		return
	}
	back := packet.Key{Flow: w.key.Reverse(), Protocol: w.key.Protocol}
	h := w.engine.host
	switch m.Kind {
	case packet.TCP4, packet.TCP6:
		h.noteTCP(&back, packet.TCP(frame[m.Transport:m.End]), w.now)
	case packet.UDP4, packet.UDP6:
		h.others.note(&back, w.now)
	case packet.ICMP4, packet.ICMP6:
		b := frame[m.Transport:m.End]
		if b[0] == packet.ICMPEchoRequest && !m.Kind.Is6() || b[0] == packet.ICMP6EchoRequest {
			back.DstPort = binary.BigEndian.Uint16(b[4:6])
			h.others.note(&back, w.now)
		}
	}
}
