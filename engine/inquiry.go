package engine

import (
	"math/rand/v2"
	"sync/atomic"

	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/steer"
)

// An ICMP error whose session no worker can compute visits all workers in turn. Any host can send
// such errors, so these rounds have limits: one for the whole director, and one for each source, so
// that a source that floods does not use up what others need. An error that goes straight to the
// computed owner takes no token: it costs no more than any other packet that is handed over.

// inquiryRate is how many rounds of ICMP errors begin, that is, how many such errors each worker
// gets from the others. inquirerRate is how many a source may begin.
var (
	inquiryRate  = rate{1000, 50}
	inquirerRate = rate{50, 25}
)

// inquirers is the number of buckets of sources. Sources share a bucket by chance.
const inquirers = 1024

// inquiries are the token buckets of ICMP errors that are passed around. Any worker may use them.
type inquiries struct {
	_       [64]byte
	all     atomic.Uint64
	_       [56]byte
	sources [inquirers]atomic.Uint64
	hasher  packet.Hasher
}

func (q *inquiries) setKey(random *rand.Rand) {
	q.hasher = packet.NewHasher(random.Uint64(), random.Uint64())
}

// take takes a token for an error from a source: an IPv4 address, or an IPv6 /64, in which a host
// can choose its address.
func (q *inquiries) take(source packet.Addr, now uint32) bool {
	if !source.Is4() {
		source.Lo = 0
	}
	h := q.hasher.Hash(&packet.Key{Flow: packet.Flow{Src: source}})
	return inquirerRate.takeFrom(&q.sources[h%inquirers], now) && inquiryRate.takeFrom(&q.all, now)
}

// seek hands an ICMP error to the worker that may have the session of a flow, which this worker has
// not: to the computed owner first. If the owner cannot be computed or proves wrong, each of the
// others is asked in turn. The flow's own packets come in at port.
func (w *Worker) seek(p *ports.Packet, m *meta, k *packet.Key, port uint16) Verdict {
	if w.outgoing == nil || int(p.Handovers) == len(w.outgoing) {
		return DropICMPError
	}
	if p.Handovers == 0 {
		if owner := w.probableOwner(port, k); owner != steer.Receiver && owner != w.number {
			return w.handOver(p, owner)
		}
	}
	if p.Handovers <= 1 { // this worker begins the round, and is not asked again
		m.WriteKey(&w.key, p.Bytes())
		if !w.engine.inquiries.take(w.key.Src, w.now) {
			return DropICMPLimit
		}
		p.Handovers = 1
	}
	return w.handOver(p, (w.number+1)%len(w.outgoing))
}
