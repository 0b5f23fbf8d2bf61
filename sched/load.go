package sched

import (
	"math"
	"sync/atomic"
)

// Load counts the live sessions of one real server, for the whole director. Every worker writes it
// when a session begins, ends or changes between active and inactive. Every pick of lc and wlc
// reads it. The zero value is an idle real server. It has 24 bytes and no padding: a caller with
// many side by side should give each its cache line.
//
// It must not move while a pool or a session refers to it. By its address a scheduler recognises
// the real servers of the previous pool in a new one. Any worker may call its methods.
type Load struct {
	// counts holds both counts and the overload mark in one word. They change together, so a reader
	// always sees each session exactly once: bit 63 overloaded, bits 32-62 active, bits 0-31
	// inactive.
	counts atomic.Uint64

	// The thresholds in force, set by Publish; 0 = none.
	upper, lower atomic.Int32

	// seat is where the tournament of a large pool learns of changes; nil without one.
	seat atomic.Pointer[seat]
}

const (
	oneInactive = 1
	oneActive   = 1 << 32
	overloaded  = 1 << 63
)

// Active returns the number of sessions that IPVS calls active.
func (l *Load) Active() int32 { return active(l.counts.Load()) }

// Inactive returns the number of the other live sessions.
func (l *Load) Inactive() int32 { return int32(l.counts.Load()) }

// Total returns Active plus Inactive, as of one moment.
func (l *Load) Total() int32 { return total(l.counts.Load()) }

// Overloaded reports whether a session was begun that reached the upper threshold, and the real
// server has not yet fallen below the lower one. Only a Begin sets this, and only an End or an edit
// of the thresholds clears it.
func (l *Load) Overloaded() bool { return l.counts.Load()&overloaded != 0 }

// Begin counts a new session; it starts inactive. It marks the real server as overloaded if that
// has as many sessions as its upper threshold, or more (ip_vs_bind_dest).
func (l *Load) Begin() {
	for {
		old := l.counts.Load()
		counts := old + oneInactive
		if upper := l.upper.Load(); upper > 0 && total(counts) >= upper {
			counts |= overloaded
		}
		if l.counts.CompareAndSwap(old, counts) {
			break
		}
	}
	l.changed()
}

// Activate counts an inactive session as active.
func (l *Load) Activate() {
	l.counts.Add(oneActive - oneInactive)
	l.changed()
}

// Deactivate counts an active session as inactive.
func (l *Load) Deactivate() {
	l.counts.Add(1<<64 + oneInactive - oneActive)
	l.changed()
}

// changed tells the tournament of a large pool.
func (l *Load) changed() {
	if s := l.seat.Load(); s != nil {
		s.tree.update(s.index)
	}
}

// End removes a session, which must be counted as active says. Every Begin has exactly one End. It
// clears the overload mark if the real server has fewer sessions than its lower threshold
// (ip_vs_unbind_dest).
func (l *Load) End(active bool) {
	one := uint64(oneInactive)
	if active {
		one = oneActive
	}
	for {
		old := l.counts.Load()
		counts := old - one
		if total(counts) < l.release() {
			counts &^= overloaded
		}
		if l.counts.CompareAndSwap(old, counts) {
			break
		}
	}
	l.changed()
}

// release returns the number of sessions below which the real server is free again.
func (l *Load) release() int32 {
	upper, lower := l.upper.Load(), l.lower.Load()
	switch {
	case lower > 0:
		return lower
	case upper > 0:
		return upper - upper/4
	}
	return math.MaxInt32
}

// limit sets the thresholds. A raised or removed upper threshold clears the overload mark, and no
// threshold sets it: that is left to the next Begin (__ip_vs_update_dest).
func (l *Load) limit(upper, lower int32) {
	raised := upper == 0 || upper > l.upper.Load()
	l.upper.Store(upper)
	l.lower.Store(lower)
	if raised {
		l.counts.And(^uint64(overloaded))
	}
}

// overhead is the number that lc and wlc compare: an active session weighs as much as 256 inactive
// ones.
func (l *Load) overhead() int64 {
	counts := l.counts.Load()
	return int64(active(counts))*256 + int64(total(counts))
}

// delay is the number that sed and nq compare: the active sessions with the one to come.
func (l *Load) delay() int64 { return int64(l.Active()) + 1 }

func active(counts uint64) int32 { return int32(counts &^ overloaded >> 32) }

func total(counts uint64) int32 { return active(counts) + int32(counts) }
