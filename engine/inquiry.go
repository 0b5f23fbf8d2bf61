package engine

import (
	"math/rand/v2"
	"sync/atomic"

	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/steer"
)

// An ICMP message whose session no worker can compute visits all workers in turn: an error, or an
// answer to an echo request. Any host can send such messages, so these rounds have limits: one for
// the whole director, and one for each source, so that a source that floods does not use up what
// others need. An error that goes straight to the computed owner takes no token: it costs no more
// than any other packet that is handed over.

// The rates at which rounds begin, that is, how many such messages each worker gets from the
// others: of all sources, and of one. Answers to echo requests come as fast as clients ask.
var (
	errorRounds = [2]rate{{1000, 50}, {50, 25}}
	echoRounds  = [2]rate{{10_000, 60}, {1000, 60}}
)

// inquirers is the number of buckets of sources. Sources share a bucket by chance.
const inquirers = 1024

// inquiries are the token buckets of messages that are passed around. Any worker may use them.
type inquiries struct {
	errors, echoes rounds
	hasher         packet.Hasher
}

type rounds struct {
	_       [64]byte
	all     atomic.Uint64
	_       [56]byte
	sources [inquirers]atomic.Uint64
}

func (q *inquiries) setKey(random *rand.Rand) {
	q.hasher = packet.NewHasher(random.Uint64(), random.Uint64())
}

func (q *inquiries) takeError(source packet.Addr, now uint32) bool {
	return q.errors.take(q.groupOf(source), &errorRounds, now)
}

func (q *inquiries) takeEcho(source packet.Addr, now uint32) bool {
	return q.echoes.take(q.groupOf(source), &echoRounds, now)
}

// groupOf returns the bucket of a source: of an IPv4 address, or of an IPv6 /64, in which a host
// can choose its address.
func (q *inquiries) groupOf(source packet.Addr) int {
	if !source.Is4() {
		source.Lo = 0
	}
	return int(q.hasher.Hash(&packet.Key{Flow: packet.Flow{Src: source}}) % inquirers)
}

// take takes a token for a message. The bucket of its source comes first, so that a source without
// tokens takes none from others.
func (r *rounds) take(group int, rates *[2]rate, now uint32) bool {
	return rates[1].takeFrom(&r.sources[group], now) && rates[0].takeFrom(&r.all, now)
}

// seek hands an ICMP error to the worker that may have the session of a flow, which this worker has
// not: to the computed owner first. If the owner cannot be computed or proves wrong, each of the
// others is asked in turn. The flow's own packets come in at port.
func (w *Worker) seek(p *ports.Packet, m *meta, k *packet.Key, port uint16) Verdict {
	if w.outgoing != nil && p.Handovers == 0 {
		owner, strays := w.snap.strays.home(k)
		if !strays {
			owner = w.probableOwner(port, k)
		}
		if owner != steer.Receiver && owner != w.number {
			return w.handOver(p, owner)
		}
	}
	if v, taken := w.routePlainly(p, m); taken {
		return v
	}
	last := w.outgoing == nil || int(p.Handovers) == len(w.outgoing)
	if last || w.isNobodys(port, k) {
		if v, taken := w.scheduleError(p, m); taken {
			return v
		}
	}
	if last {
		return DropICMPError
	}
	if p.Handovers <= 1 { // this worker begins the round, and is not asked again
		m.WriteKey(&w.key, p.Bytes())
		if !w.engine.inquiries.takeError(w.key.Src, w.now) {
			return DropICMPLimit
		}
		p.Handovers = 1
	}
	return w.handOver(p, (w.number+1)%len(w.outgoing))
}

// seekEcho hands the answer to an echo request, with its key in w.key, to the next worker: the one
// that received the request has the session. It returns false if no worker has.
func (w *Worker) seekEcho(p *ports.Packet) (Verdict, bool) {
	switch {
	case w.outgoing == nil || int(p.Handovers) == len(w.outgoing):
		return Taken, false
	case p.Handovers == 0:
		if w.returns(p.Port, &w.key) {
			return Taken, false
		}
		if !w.engine.inquiries.takeEcho(w.key.Src, w.now) {
			return DropICMPLimit, true
		}
	}
	return w.handOver(p, (w.number+1)%len(w.outgoing)), true
}
