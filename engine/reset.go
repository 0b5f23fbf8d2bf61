package engine

import (
	"fulcrum/conntrack"
	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/ports"
)

// What belongs to no session and no service passes IPVS to the host's own stack. That answers with
// a TCP reset, or with an ICMP error: port unreachable to UDP, protocol unreachable to what it does
// not speak. Without these answers clients wait for timeouts of their own.
//
// A wrong reset ends a connection that lives, so the rules are strict. Only the owner of a flow
// answers, after a look at its own table. Only whole packets with a right checksum are answered.
// And TCP and SCTP packets that begin nothing get no answer until the director must know every
// session: before that, the session may be one of the director's that ran here before.

// ResetUnknown says which packets of no session are answered. Each setting includes those before
// it.
type ResetUnknown uint8

const (
	ResetOff    ResetUnknown = iota // none
	ResetTwoWay                     // to services of two-way modes alone, and to VIPs without services
	ResetAll                        // to services of all modes
)

// Answer is what the sender of a dropped packet hears, limits aside.
type Answer uint8

const (
	NoAnswer         Answer = iota
	AnswerReset             // a TCP reset
	AnswerNoPort            // ICMP port unreachable
	AnswerNoProtocol        // ICMP protocol unreachable; in IPv6 unrecognized next header

	numAnswers = iota
)

// String returns the answer in words for the operator. It is empty for NoAnswer.
func (a Answer) String() string {
	return [numAnswers]string{
		"", "resets the connection (TCP RST)", "ICMP port unreachable", "ICMP protocol unreachable",
	}[a]
}

// answerTo returns what the sender of a packet without session hears.
func (w *Worker) answerTo(a *arrival, d *decision) Answer {
	switch d.verdict {
	case DropNoRealServer, DropFlowTaken, DropNoLocalPort:
		return d.service.answerRefused(a)
	case DropNoService:
		return w.answerAt(a, w.snap.settings.ResetUnknown != ResetOff)
	case DropNoSession:
		return w.answerAt(a, d.service != nil && w.resets(d.service))
	case DropNotOurs:
		return w.answerServer(a)
	}
	return NoAnswer
}

// answerRefused is answerTo for a service that has no real server for the packet. Only a SYN is
// reset: any other segment may belong to a connection that lives, which SloppyTCP takes over.
func (e *serviceEntry) answerRefused(a *arrival) Answer {
	opens := a.key.Protocol == packet.ProtocolTCP && a.flags&packet.TCPSyn != 0
	switch {
	case e.refuse == lvs.RefuseSilently:
		return NoAnswer
	case e.refuse == lvs.RefuseByReset && opens:
		return AnswerReset
	}
	return AnswerNoPort
}

// answerAt is answerTo for a VIP, if the setting has such packets answered.
func (w *Worker) answerAt(a *arrival, wanted bool) Answer {
	if !wanted || !w.snap.speaksFor(a.key.Dst) || !w.isStranger(a.key.Src) {
		return NoAnswer
	}
	switch a.key.Protocol {
	case packet.ProtocolTCP:
		return w.answerTCP(a.flags)
	case packet.ProtocolSCTP:
		return w.answerSCTP(a.event)
	}
	return AnswerNoPort
}

// resets reports whether packets of no session to a service are answered. If the answers of some of
// its real servers do not pass, the packet's session may be with one of those.
func (w *Worker) resets(s *serviceEntry) bool {
	switch w.snap.settings.ResetUnknown {
	case ResetAll:
		return true
	case ResetTwoWay:
		return s.allPass
	}
	return false
}

// answerTCP returns the answer to a segment. With SloppyTCP the director takes over others'
// sessions, and none is reset.
func (w *Worker) answerTCP(flags packet.TCPFlags) Answer {
	const opening = packet.TCPSyn | packet.TCPAck
	switch {
	case flags&packet.TCPRst != 0, w.snap.settings.SloppyTCP,
		flags&opening != packet.TCPSyn && !w.knowsAll(conntrack.Established):
		return NoAnswer
	}
	return AnswerReset
}

// answerSCTP returns the answer to a packet of an association that is not known. An ABORT and a
// SHUTDOWN COMPLETE have none (RFC 9260, 8.4). SloppySCTP is as SloppyTCP.
func (w *Worker) answerSCTP(e conntrack.Event) Answer {
	switch {
	case e == conntrack.EventAbort, e == conntrack.EventShutdownComplete,
		w.snap.settings.SloppySCTP,
		e != conntrack.EventInit && !w.knowsAll(conntrack.SCTPEstablished):
		return NoAnswer
	}
	return AnswerNoProtocol
}

// answerOther returns the answer to a packet of a protocol that no service can have. The packet's
// key is in hand. No next header means that the packet holds nothing (RFC 8200, 4.7).
func (w *Worker) answerOther(p *ports.Packet, m *meta) Answer {
	if w.snap.settings.ResetUnknown == ResetOff || m.Protocol == packet.NextNone ||
		!w.snap.speaksFor(w.key.Dst) || !w.mayAnswer(p, w.key.Src) {
		return NoAnswer
	}
	return AnswerNoProtocol
}

// speaksFor reports whether the director answers as the host of an address: a VIP.
func (n *snapshot) speaksFor(a packet.Addr) bool {
	kind, ours := n.kindOf(a)
	return ours && kind == vip
}

// youth is the time after the start in which sessions may live that another director began. It
// lasts as long as the longest timeout of established sessions, for TCP and for SCTP.
type youth struct {
	began     uint32 // ms
	tcp, sctp bool   // over
}

// knowsAll reports whether the youth is over for the protocol that has a state.
func (w *Worker) knowsAll(established conntrack.State) bool {
	over := &w.youth.tcp
	if established == conntrack.SCTPEstablished {
		over = &w.youth.sctp
	}
	// Once over it stays so: the clock comes round after 49 days, and timeouts may be raised.
	longest := max(w.snap.settings.Timeouts[established], w.snap.longestOwn[established])
	*over = *over || w.now-w.youth.began >= longest
	return *over
}

// grow notes when the youth is over, although no packet asks.
func (w *Worker) grow() {
	w.knowsAll(conntrack.Established)
	w.knowsAll(conntrack.SCTPEstablished)
}

// turnAway drops a packet of no session, and gives its sender the answer if the limits permit.
func (w *Worker) turnAway(p *ports.Packet, m *meta, why Verdict, answer Answer) Verdict {
	if answer == NoAnswer || m.fragment {
		return why
	}
	k := &w.key
	m.WriteKey(k, p.Bytes())
	switch {
	case !w.mayReset(k.Src):
		w.counters.totals.ResetsSuppressed++
		return why
	case m.Kind.HasSession() && !m.TransportValid(p.Bytes()):
		return why
	case !resetRate.takeFrom(&w.engine.limits.resets, w.now):
		w.counters.totals.ResetsSuppressed++
		return why
	}
	v := w.giveAnswer(p, m, why, answer)
	if v == Taken {
		w.counters.totals.Resets++
	}
	return v
}

// giveAnswer makes the answer of a packet and sends it. The packet's key is in hand.
func (w *Worker) giveAnswer(p *ports.Packet, m *meta, why Verdict, answer Answer) Verdict {
	from := w.key.Dst
	if why == DropNotOurs {
		from = w.gatewayOf(p)
	}
	if from == (packet.Addr{}) {
		return why
	}
	switch answer {
	case AnswerReset:
		return w.reset(p, m, why)
	case AnswerNoProtocol:
		pointer := uint32(0)
		if m.Kind.Is6() {
			pointer = uint32(m.UpperLayerPointer(p.Bytes()))
		}
		return w.tell(p, m, refusal{why, from, protocolUnreachable, pointer})
	}
	return w.tell(p, m, refusal{why, from, portUnreachable, 0})
}

// reset turns a segment into the reset that answers it. As the kernel's, it has the segment's DSCP.
func (w *Worker) reset(p *ports.Packet, m *meta, why Verdict) Verdict {
	segment := packet.TCP(p.Bytes()[m.Transport:m.End])
	if w.tap != nil {
		w.tap.dropped(p, why)
	}
	fields := segment.ResetFields()
	class := trafficClass(p, m) &^ ecn
	w.turnBack(p, p.Bytes())
	if m.Kind.Is6() {
		p.Resize(packet.EthernetLen + packet.IPv6Len + packet.TCPMinLen)
		encodeTCP6(p.Bytes()[packet.EthernetLen:], &w.key, fields, class)
	} else {
		p.Resize(packet.EthernetLen + packet.IPv4MinLen + packet.TCPMinLen)
		encodeTCP4(p.Bytes()[packet.EthernetLen:], &w.key, fields, class)
	}
	return w.answer(p, why)
}

// ecn are the bits of the traffic class that belong to one connection (RFC 3168, 5).
const ecn = 3

// trafficClass returns the TOS or the traffic class of a packet.
func trafficClass(p *ports.Packet, m *meta) uint8 {
	b := p.Bytes()[m.Network:]
	if m.Kind.Is6() {
		return packet.IPv6(b).TrafficClass()
	}
	return packet.IPv4(b).TOS()
}

// encodeTCP4 writes the headers of a segment without data, which answers a packet with a key.
func encodeTCP4(b []byte, k *packet.Key, f packet.TCPFields, class uint8) {
	src, dst := k.Dst.V4(), k.Src.V4()
	packet.IPv4(b).Encode(packet.IPv4Fields{
		TOS: class, TotalLength: uint16(len(b)), DontFragment: true, TTL: originTTL,
		Protocol: packet.ProtocolTCP, Src: src, Dst: dst,
	})
	t := packet.TCP(b[packet.IPv4MinLen:])
	t.Encode(f, packet.PseudoHeader4(src, dst, packet.ProtocolTCP, len(t)))
}

// encodeTCP6 is encodeTCP4 for IPv6.
func encodeTCP6(b []byte, k *packet.Key, f packet.TCPFields, class uint8) {
	t := packet.TCP(b[packet.IPv6Len:])
	packet.IPv6(b).Encode(packet.IPv6Fields{
		TrafficClass: class, PayloadLength: uint16(len(t)), NextHeader: packet.ProtocolTCP,
		HopLimit: originTTL, Src: k.Dst, Dst: k.Src,
	})
	t.Encode(f, packet.PseudoHeader6(k.Dst, k.Src, packet.ProtocolTCP, len(t)))
}
