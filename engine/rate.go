package engine

import "sync/atomic"

// A service with max_rate has a bucket of tokens that all workers share, so that the limit is exact
// for the whole director. Only a packet that begins a session takes a token. The bucket holds the
// tokens of one second.

// gate is such a bucket, kept as the time at which it will be full again; zero is a full one. Each
// token that is taken puts it off by the time in which one comes. That is the generic cell rate
// algorithm (ITU-T I.371). A time is in 2^-32 ms, so that it wraps where the clock of 32 bits does.
type gate struct{ full atomic.Uint64 }

const (
	gateShift  = 32
	gateSecond = 1000 << gateShift
	// gateSkew is how much farther than a second the time may be ahead: workers' clocks differ.
	// What is farther is from long ago.
	gateSkew = bucketSkew << gateShift
)

// stepOf returns the time in which a token comes at so many a second, at least one.
func stepOf(perSecond int) uint64 { return gateSecond / uint64(perSecond) }

// afterOne returns the time at which the bucket is full again after another token, and whether it
// has one. step is that of stepOf, now is in ms.
func afterOne(full, step uint64, now uint32) (after uint64, has bool) {
	ahead := lacking(full, now)
	return max(uint64(now)<<gateShift+ahead+step, 1), ahead+step <= gateSecond
}

// lacking returns in what time a bucket is full again.
func lacking(full uint64, now uint32) uint64 {
	ahead := full - uint64(now)<<gateShift
	if full == 0 || ahead > gateSecond+gateSkew {
		return 0
	}
	return ahead
}

// has reports whether a bucket has a token.
func (g *gate) has(step uint64, now uint32) bool {
	_, has := afterOne(g.full.Load(), step, now)
	return has
}

// take takes a token, if there is one. Any worker may call it. An empty bucket is only read.
func (g *gate) take(step uint64, now uint32) bool {
	for {
		full := g.full.Load()
		after, has := afterOne(full, step, now)
		if !has || g.full.CompareAndSwap(full, after) {
			return has
		}
	}
}
