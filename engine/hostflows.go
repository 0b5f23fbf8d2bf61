package engine

import (
	"math/rand/v2"
	"sync/atomic"

	"fulcrum/packet"
)

// What the host itself sends proves which flows it speaks on and at which ports it accepts
// connections. A flood cannot prove anything: nobody gets past the host's SYN/ACK without hearing
// it.

const (
	hostFlowSets = 1024
	hostFlowWays = 8 // a cache line
	// hostFlowLife is how long a flow is known after the host has last sent on it, in ms.
	hostFlowLife = 900_000
	// hostFlowStep is how old the note about a flow must be to be renewed, in ms.
	hostFlowStep = 1000
)

// hostFlows are the flows on which the host has sent last. A word has a tag, which says whose it
// is, above the time in ms.
type hostFlows struct {
	hasher packet.Hasher
	sets   [hostFlowSets][hostFlowWays]atomic.Uint64
}

func (f *hostFlows) setKey(random *rand.Rand) {
	f.hasher = packet.NewHasher(random.Uint64(), random.Uint64())
}

func (f *hostFlows) place(k *packet.Key) (set *[hostFlowWays]atomic.Uint64, tag uint64) {
	h := f.hasher.Hash(k)
	return &f.sets[h%hostFlowSets], h>>32 | 1 // 0 is an empty place
}

// known reports whether the host has sent on the flow of a packet that it receives.
func (f *hostFlows) known(k *packet.Key, now uint32) bool {
	set, tag := f.place(k)
	for i := range set {
		if v := set[i].Load(); v>>32 == tag {
			return elapsed(now, uint32(v)) < hostFlowLife
		}
	}
	return false
}

// note remembers a flow, in place of the one on which the host has not sent for the longest time.
func (f *hostFlows) note(k *packet.Key, now uint32) {
	set, tag := f.place(k)
	oldest, age := 0, uint32(0)
	for i := range set {
		v := set[i].Load()
		since := elapsed(now, uint32(v))
		switch {
		case v>>32 == tag && since < hostFlowStep:
			return
		case v>>32 == tag, v == 0:
			oldest, age = i, 1<<32-1
		case since > age:
			oldest, age = i, since
		}
		if v>>32 == tag {
			break
		}
	}
	set[oldest].Store(tag<<32 | uint64(now))
}

// hostPorts are the TCP ports at which the host accepts connections, a bit each.
type hostPorts [1 << 16 / 64]atomic.Uint64

func (p *hostPorts) has(port uint16) bool { return p[port/64].Load()>>(port%64)&1 != 0 }

func (p *hostPorts) set(port uint16) {
	if !p.has(port) {
		p[port/64].Or(1 << (port % 64))
	}
}

func (p *hostPorts) clear(port uint16) {
	if p.has(port) {
		p[port/64].And(^uint64(1 << (port % 64)))
	}
}

// hostShared is what workers share about the host.
type hostShared struct {
	gates [numHostLanes]struct {
		_ [64]byte
		gate
	}
	steps   [numHostLanes]uint64 // see stepOf
	sources addressBuckets
	tcp     hostFlows
	others  hostFlows // apart, since strangers can make a host answer them on UDP
	open    hostPorts
}

func newHostShared(random *rand.Rand) *hostShared {
	h := new(hostShared)
	h.sources.setKey(random)
	h.tcp.setKey(random)
	h.others.setKey(random)
	for lane := noLane + 1; lane < numHostLanes; lane++ {
		h.steps[lane] = stepOf(hostLanes[lane].perSecond)
	}
	return h
}

// known reports whether the host has sent on the flow of a packet that it receives.
func (h *hostShared) known(k *packet.Key, now uint32) bool {
	if k.Protocol == packet.ProtocolTCP {
		return h.tcp.known(k, now)
	}
	return h.others.known(k, now)
}

// admits takes the tokens that a packet of a lane needs.
func (h *hostShared) admits(lane hostLane, src packet.Addr, now uint32) bool {
	if hostLanes[lane].bySource && !h.sources.take(hostSourceRate, networkOf(src), now) {
		return false
	}
	return h.gates[lane].take(h.steps[lane], now)
}

// noteTCP learns from a segment that the host sends. back is the flow of the answer. A SYN/ACK
// tells that the port is open, and the reset that answers a SYN that it is closed. Everything else
// but a reset is sent by who has begun the connection, or has heard from the other end.
func (h *hostShared) noteTCP(back *packet.Key, segment packet.TCP, now uint32) {
	const opening = packet.TCPSyn | packet.TCPAck
	switch flags := segment.Flags(); {
	case flags&opening == opening:
		h.open.set(back.DstPort)
	case flags&packet.TCPRst == 0:
		h.tcp.note(back, now)
	case flags&packet.TCPAck != 0 && segment.Seq() == 0: // RFC 9293, 3.10.7.1
		h.open.clear(back.DstPort)
	}
}
