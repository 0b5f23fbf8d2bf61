package engine

import (
	"encoding/binary"

	"fulcrum/conntrack"
	"fulcrum/hostway"
	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// isForCheck reports whether a packet of the host, whose key is in hand, goes to an address of
// checks.
func (w *Worker) isForCheck(m *meta) bool {
	return m.Kind != packet.ARPPacket && m.Kind != packet.Other &&
		(checkBlocks[0].has(w.key.Dst) || checkBlocks[1].has(w.key.Dst))
}

// checkBlock is a block of addresses of checks.
type checkBlock struct{ block, mask packet.Addr }

var checkBlocks = [2]checkBlock{newCheckBlock(false), newCheckBlock(true)}

func newCheckBlock(six bool) checkBlock {
	p := hostway.Reserved(six)
	mask := packet.PrefixMask(p.Bits() + 128 - p.Addr().BitLen())
	return checkBlock{packet.AddrOf(p.Addr()), mask}
}

func (b *checkBlock) has(a packet.Addr) bool { return a.And(b.mask) == b.block }

// sendCheck sends a packet of a health check to its real server, as the mode sends those of
// clients. It returns Taken or a drop reason.
func (w *Worker) sendCheck(port uint16, frame []byte, m *meta) Verdict {
	if !m.mayBeCheck(frame) {
		return DropNoCheck
	}
	w.made.N = 0
	if !w.queues[port].Alloc(&w.made, len(frame)) {
		return DropNoBuffer
	}
	p := &w.made.Packets[0]
	copy(p.Bytes(), frame)
	m.checkKey(&w.key, p)
	f := w.checkFlow(port, &w.key)
	if f == nil {
		return w.dropMade(DropNoCheck)
	}
	over := m.TCPFlags&packet.TCPRst != 0
	if v := w.forwardCheck(f, p, m); v != Taken {
		return w.dropMade(v)
	}
	if over {
		w.checks.end(f)
	}
	return Taken
}

// dropMade frees the packet that was made and was not sent. The caller counts it.
func (w *Worker) dropMade(why Verdict) Verdict {
	if w.freed.Full() {
		w.queues[0].Exchange(nil, &w.freed, nil)
	}
	w.freed.Push(&w.made.Packets[0])
	return why
}

// mayBeCheck reports whether a packet of the host is of a kind that checks have.
func (m *meta) mayBeCheck(frame []byte) bool {
	switch m.Kind {
	case packet.TCP4, packet.TCP6, packet.UDP4, packet.UDP6:
		return true
	case packet.ICMP4:
		return frame[m.Transport] == packet.ICMPEchoRequest
	case packet.ICMP6:
		return frame[m.Transport] == packet.ICMP6EchoRequest
	}
	return false
}

// forwardCheck does to a packet of a check what the mode does to those of clients, and sends it.
func (w *Worker) forwardCheck(f *checkFlow, p *ports.Packet, m *meta) Verdict {
	g := passage{p: p, m: m, server: f.server, direction: conntrack.Inbound}
	g.way = &w.ways[f.server.mode][f.server.families]
	var v Verdict
	if g.hop, v = w.serverHop(f.target.id, f.server); v != Taken {
		return v
	}
	g.next = w.neighbours.At(g.hop)
	if m.size() > g.mtuLeft() {
		return DropTooBig
	}
	if f.server.mss != 0 && m.TCPFlags&packet.TCPSyn != 0 {
		modes.ClampMSS(packet.TCP(p.Bytes()[m.Transport:m.End]), f.server.mss)
	}
	to := f.wire.Reverse()
	if v := w.translateCheck(p, m, &to); v != Taken {
		return v
	}
	if g.way.path == lvs.Tunnel {
		if v := w.encapsulate(&g); v != Taken {
			return v
		}
	}
	w.sendTo(p, g.hop, g.next)
	return Taken
}

// translateCheck has a packet of a check leave on another flow, which may be of the other family.
func (w *Worker) translateCheck(p *ports.Packet, m *meta, to *packet.Flow) Verdict {
	ip, transport := p.Bytes()[m.Network:m.End], int(m.Transport-m.Network)
	switch six := !to.Src.Is4(); {
	case m.Kind.Is6() && six:
		modes.Translate6(ip, transport, m.Protocol, to)
	case m.Kind.Is6():
		w.sixToFour(p, m, to)
	case six:
		return w.fourToSix(p, m, to)
	default:
		out, s := to.Reverse(), &w.lone.session
		out.WriteNarrow(&s.Out)
		s.Protocol = m.Protocol
		modes.Translate(ip, transport, s, conntrack.Inbound)
	}
	return Taken
}

// checkAnswer gives the host the answer to a check, which would end with a verdict otherwise. It
// returns false for any other packet. Taken: its worker has it now.
func (w *Worker) checkAnswer(p *ports.Packet, m *meta, why Verdict) (Verdict, bool) {
	switch why {
	case DropToHost, DropNoSession, DropSourceAddress:
	default:
		return why, false
	}
	if !w.engine.checks.used.Load() {
		return why, false
	}
	k := &w.key
	if m.checkKey(k, p); !m.isAnswer(p) {
		return why, false
	}
	if to := w.checkOwner(k); to != w.number {
		if !w.mayMove(p, k) {
			return why, false
		}
		return w.handOver(p, to), true
	}
	f := w.checks.byWire[*k]
	if f == nil {
		return why, false
	}
	to := f.host.Reverse()
	if v := w.translateCheck(p, m, &to); v != Taken {
		return v, true
	}
	return w.bringCheck(f, p.Bytes()), true
}

// isAnswer reports whether a packet is of a kind that answers checks.
func (m *meta) isAnswer(p *ports.Packet) bool {
	switch m.Kind {
	case packet.TCP4, packet.TCP6, packet.UDP4, packet.UDP6:
		return !m.fragment
	case packet.ICMP4:
		return p.Bytes()[m.Transport] == packet.ICMPEchoReply
	case packet.ICMP6:
		return p.Bytes()[m.Transport] == packet.ICMP6EchoReply
	}
	return false
}

// mayMove reports whether a packet with a key may be the answer to another worker's check, so that
// the host's own traffic does not change hands. Only its receiver hands it over.
func (w *Worker) mayMove(p *ports.Packet, k *packet.Key) bool {
	switch {
	case p.Handovers != 0:
		return false
	case isEcho(k.Protocol):
		return k.DstPort >= firstCheckPort && w.engine.inquiries.takeEcho(k.Src, w.now)
	case k.DstPort >= firstCheckPort:
		return true
	}
	kind, ours := w.snap.kindOf(k.Src)
	return ours && kind.isVIP()
}

// bringCheck puts a translated frame into the ring to the host.
func (w *Worker) bringCheck(f *checkFlow, frame []byte) Verdict {
	e := packet.Ethernet(frame)
	e.SetDst(w.snap.ports[f.port].mac)
	e.SetSrc(checkMAC)
	if !w.link.ToHost.Put(f.port, frame) {
		return DropHostFull
	}
	w.told = true
	return HandedToHost
}

// checkMAC is the source of what the host gets: its own is not accepted there.
var checkMAC = packet.MAC{2, 0, 0, 0, 0, 1}

// checkError gives the host an ICMP error about a packet of a check. It returns false for any other
// error. sent is the packet that the error quotes.
func (w *Worker) checkError(p *ports.Packet, m *meta, q *packet.Quotation) (Verdict, bool) {
	if !w.engine.checks.used.Load() {
		return Taken, false
	}
	back := packet.Key{Flow: q.Key.Reverse(), Protocol: q.Key.Protocol}
	if to := w.checkOwner(&back); to != w.number && w.mayMove(p, &back) {
		if kind, ours := w.snap.kindOf(back.Dst); ours && (kind == ownAddress || kind.isLocal()) {
			return w.handOver(p, to), true
		}
	}
	f := w.checks.byWire[back]
	if f == nil || f.host.Src.Is4() == m.Kind.Is6() {
		return Taken, false
	}
	return w.bringCheck(f, w.checkErrorOf(f, p.Bytes()[m.Transport:m.End], q)), true
}

// quotedTransport is how much of a transport header an error has to quote (RFC 792).
const quotedTransport = 8

// checkErrorOf makes the error that the host gets: it quotes the packet as the host has sent it.
func (w *Worker) checkErrorOf(f *checkFlow, message []byte, q *packet.Quotation) []byte {
	ipLen := packet.IPv4MinLen
	if !f.host.Src.Is4() {
		ipLen = packet.IPv6Len
	}
	frame := w.scratch[:packet.EthernetLen+2*ipLen+packet.ICMPLen+quotedTransport]
	clear(frame)
	ip := frame[packet.EthernetLen:]
	quote := ip[ipLen+packet.ICMPLen:]
	body := message[packet.ICMPLen:][min(q.Transport, len(message)-packet.ICMPLen):]
	copy(quote[ipLen:], body[:min(len(body), quotedTransport)])
	binary.BigEndian.PutUint16(quote[ipLen:], f.host.SrcPort)
	binary.BigEndian.PutUint16(quote[ipLen+2:], f.host.DstPort)
	writeHeader(quote, f.host.Protocol, f.host.Src, f.host.Dst)
	writeHeader(ip, packet.ProtocolICMP, f.host.Dst, f.host.Src)
	rest := binary.BigEndian.Uint32(message[4:])
	if ipLen == packet.IPv6Len {
		packet.Ethernet(frame).SetType(packet.EtherTypeIPv6)
		ip[6] = packet.ProtocolICMPv6
		packet.ICMPv6(ip[ipLen:]).Encode(message[0], message[1], rest, f.host.Dst, f.host.Src)
	} else {
		packet.Ethernet(frame).SetType(packet.EtherTypeIPv4)
		packet.ICMP(ip[ipLen:]).Encode(message[0], message[1], rest)
	}
	return frame
}

// writeHeader writes the IP header of a packet that fills b.
func writeHeader(b []byte, protocol uint8, src, dst packet.Addr) {
	if src.Is4() {
		packet.IPv4(b).Encode(packet.IPv4Fields{
			TotalLength: uint16(len(b)), TTL: originTTL, Protocol: protocol, Src: src.V4(), Dst: dst.V4(),
		})
		return
	}
	packet.IPv6(b).Encode(packet.IPv6Fields{
		PayloadLength: uint16(len(b) - packet.IPv6Len), NextHeader: protocol, HopLimit: originTTL,
		Src: src, Dst: dst,
	})
}
