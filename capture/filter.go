package capture

import "fulcrum/packet"

// Filter selects the packets to record. The zero Filter matches all. A Filter is immutable and may
// be used from any goroutine.
type Filter struct {
	tests []test // the last test is the whole filter; it refers to earlier ones
}

// operation is what a test examines, or how it combines other tests.
type operation uint8

const (
	isKind operation = iota
	hasHost
	hasPort
	not
	and
	or
)

// side is the end of a packet at which a test looks for an address or a port.
type side uint8

const (
	anySide side = iota
	srcSide
	dstSide
)

// test is one step of a filter.
type test struct {
	operation   operation
	side        side
	kinds       uint32      // isKind: one bit for each packet.Kind
	low, high   uint16      // hasPort: first and last port
	mask        packet.Addr // hasHost: mask of the prefix
	address     packet.Addr // hasHost: masked address
	left, right int         // and, or: indexes of the operands; not: left only
}

// Match reports whether the filter selects a frame. It parses the frame into p, unless the filter
// is empty. It does not allocate.
func (f *Filter) Match(frame []byte, p *packet.Parsed) bool {
	if len(f.tests) == 0 {
		return true
	}
	packet.Parse(frame, p)
	k := keyOf(frame, p)
	return f.match(len(f.tests)-1, p.Kind, &k)
}

// keyOf returns the addresses and ports of a packet; those that it does not have are zero.
func keyOf(frame []byte, p *packet.Parsed) packet.Key {
	if !hasAddresses.has(p.Kind) {
		return packet.Key{}
	}
	k := p.Key(frame)
	if !p.Kind.HasSession() {
		k.SrcPort, k.DstPort = 0, 0
	}
	return k
}

func (f *Filter) match(i int, kind packet.Kind, k *packet.Key) bool {
	t := &f.tests[i]
	switch t.operation {
	case isKind:
		return kindSet(t.kinds).has(kind)
	case hasHost:
		return hasAddresses.has(kind) && t.either(t.isHost(k.Src), t.isHost(k.Dst))
	case hasPort:
		return kind.HasSession() && t.either(t.isPort(k.SrcPort), t.isPort(k.DstPort))
	case not:
		return !f.match(t.left, kind, k)
	case and:
		return f.match(t.left, kind, k) && f.match(t.right, kind, k)
	}
	return f.match(t.left, kind, k) || f.match(t.right, kind, k)
}

func (t *test) either(src, dst bool) bool {
	return src && t.side != dstSide || dst && t.side != srcSide
}

func (t *test) isHost(a packet.Addr) bool { return a.And(t.mask) == t.address }

func (t *test) isPort(p uint16) bool { return t.low <= p && p <= t.high }

// kindSet is a set of packet kinds.
type kindSet uint32

func kindsOf(kinds ...packet.Kind) kindSet {
	var s kindSet
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

func (s kindSet) has(k packet.Kind) bool { return s>>k&1 != 0 }

var (
	of4 = kindsOf(packet.ICMP4, packet.Other4, packet.Fragment4,
		packet.TCP4, packet.UDP4, packet.SCTP4)
	of6 = kindsOf(packet.ICMP6, packet.Other6, packet.Fragment6,
		packet.TCP6, packet.UDP6, packet.SCTP6)
	hasAddresses = of4 | of6
)

// words are the protocol names of the filter language.
var words = map[string]kindSet{
	"arp":      kindsOf(packet.ARPPacket),
	"ip":       of4,
	"ip6":      of6,
	"tcp":      kindsOf(packet.TCP4, packet.TCP6),
	"udp":      kindsOf(packet.UDP4, packet.UDP6),
	"sctp":     kindsOf(packet.SCTP4, packet.SCTP6),
	"icmp":     kindsOf(packet.ICMP4),
	"icmp6":    kindsOf(packet.ICMP6),
	"fragment": kindsOf(packet.Fragment4, packet.Fragment6),
}
