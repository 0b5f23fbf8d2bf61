package engine

import (
	"math/rand/v2"
	"sync/atomic"

	"fulcrum/packet"
)

// ICMP errors are limited as in Linux (icmp_global_allow in net/ipv4/icmp.c): all together, except
// for "fragmentation needed" and "packet too big". Clients whose path MTU discovery fails hang, so
// a flood of other errors must not use up what these need. They are limited for each destination.
//
// The limits hold for the whole director. Workers share the buckets, and touch them only when an
// error is to be sent. A share of the limit for each worker would need no atomic, but errors
// seldom come to all workers alike: a client would get the n-th part of its limit. A worker writes
// a bucket only when it takes a token, so even under a flood the global one is written 1,000 times
// a second.

// Answers to packets of no session have limits of their own: for all together, and for each source,
// so that one that floods does not use up what others need. A spoofed source gets no more of them
// than a real one.

// limits are the token buckets of the director's ICMP errors and resets. Any worker may use them.
type limits struct {
	_       [64]byte
	errors  atomic.Uint64 // the bucket of all but tooBig and resets
	_       [56]byte
	resets  atomic.Uint64 // answers to packets of no session
	_       [56]byte
	tooBig  addressBuckets
	sources addressBuckets // of packets of no session
}

func (l *limits) setKey(random *rand.Rand) {
	l.tooBig.setKey(random)
	l.sources.setKey(random)
}

// rate is how fast a bucket fills up, and how many tokens it holds.
type rate struct{ perSecond, burst uint32 }

// errorRate is the kernel's icmp_msgs_per_sec and icmp_msgs_burst. tooBigRate is more than a client
// with some hundred connections needs. resetRate is what a worker sends beside its other work
// without notice, and sourceRate is enough for the clients behind one address. A burst is at most
// 65.
var (
	errorRate  = rate{1000, 50}
	tooBigRate = rate{100, 50}
	resetRate  = rate{10_000, 60}
	sourceRate = rate{100, 50}
)

// A bucket is a word: a tag that says whose it is, the level in thousandths of a token, and the
// time in ms of that level.
const (
	bucketTagShift   = 48
	bucketLevelShift = 32
	bucketLevels     = 1 << (bucketTagShift - bucketLevelShift)
)

// bucketSkew is how far one worker's clock may be behind another's, in ms. No time passes
// meanwhile.
const bucketSkew = 10_000

// take returns a bucket without one token, or false if it has none.
func (r rate) take(bucket uint64, now uint32) (uint64, bool) {
	level, at := uint32(bucket>>bucketLevelShift%bucketLevels), uint32(bucket)
	if at-now >= bucketSkew || at == now {
		level = min(level+min(now-at, 1000)*r.perSecond, r.burst*1000)
		at = now
	}
	if level < 1000 {
		return bucket, false
	}
	tag := bucket >> bucketTagShift << bucketTagShift
	return tag | uint64(level-1000)<<bucketLevelShift | uint64(at), true
}

// has reports whether a bucket has a token. It writes nothing, so that a flood costs next to
// nothing once the bucket is empty.
func (r rate) has(bucket *atomic.Uint64, now uint32) bool {
	_, ok := r.take(bucket.Load(), now)
	return ok
}

// full returns a full bucket with a tag.
func (r rate) full(tag uint64, now uint32) uint64 {
	return tag<<bucketTagShift | uint64(r.burst*1000)<<bucketLevelShift | uint64(now)
}

// takeFrom takes a token from a bucket that workers share.
func (r rate) takeFrom(bucket *atomic.Uint64, now uint32) bool {
	for {
		old := bucket.Load()
		next, ok := r.take(old, now)
		if !ok || bucket.CompareAndSwap(old, next) {
			return ok
		}
	}
}

const (
	addressSets = 1024
	addressWays = 8 // a cache line
)

// addressBuckets are the buckets of the addresses that were told something last. An address that
// has none gets a full one, in the place of the one that was used longest ago. So a flood from many
// addresses takes no token from any other.
type addressBuckets struct {
	sets   [addressSets][addressWays]atomic.Uint64
	hasher packet.Hasher
}

func (d *addressBuckets) setKey(random *rand.Rand) {
	d.hasher = packet.NewHasher(random.Uint64(), random.Uint64())
}

// take takes a token of an address, whose bucket has a rate.
func (d *addressBuckets) take(r rate, a packet.Addr, now uint32) bool {
	h := d.hasher.Hash(&packet.Key{Flow: packet.Flow{Dst: a}})
	set, tag := &d.sets[h%addressSets], h>>bucketTagShift|1 // 0 is an empty place
	for {
		place, old := bucketOf(set, tag, now)
		bucket := old
		if old>>bucketTagShift != tag {
			bucket = r.full(tag, now)
		}
		next, ok := r.take(bucket, now)
		if !ok || place.CompareAndSwap(old, next) {
			return ok
		}
	}
}

// bucketOf returns the place of a tag in its set, or the one to give it, and what is there.
func bucketOf(
	set *[addressWays]atomic.Uint64, tag uint64, now uint32,
) (*atomic.Uint64, uint64) {
	oldest, age, content := 0, uint32(0), uint64(0)
	for i := range set {
		b := set[i].Load()
		if b>>bucketTagShift == tag {
			return &set[i], b
		}
		since := now - uint32(b)
		switch {
		case b == 0:
			since = 1<<32 - 1
		case uint32(b)-now < bucketSkew: // used just now, by a worker whose clock is ahead
			since = 0
		}
		if since >= age {
			oldest, age, content = i, since, b
		}
	}
	return &set[oldest], content
}

// mayTell takes a token for an ICMP error to an address.
func (w *Worker) mayTell(a packet.Addr, what problem) bool {
	if what == tooBig {
		return w.engine.limits.tooBig.take(tooBigRate, a, w.now)
	}
	return errorRate.takeFrom(&w.engine.limits.errors, w.now)
}

// mayReset takes a source's token for the answer to a packet of no session, unless all sources
// together have none left.
func (w *Worker) mayReset(src packet.Addr) bool {
	l := &w.engine.limits
	return resetRate.has(&l.resets, w.now) && l.sources.take(sourceRate, networkOf(src), w.now)
}

// networkOf returns the address for an IPv4 source, and the /64 for an IPv6 source: a host has any
// number of addresses in it.
func networkOf(src packet.Addr) packet.Addr {
	if src.Is4() {
		return src
	}
	return packet.Addr{Hi: src.Hi}
}
