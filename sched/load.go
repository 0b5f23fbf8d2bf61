package sched

import "sync/atomic"

// Load counts the live sessions of one real server, for the whole director. Every worker writes it
// when a session begins, ends or changes between active and inactive. Every pick of lc and wlc
// reads it. The zero value is an idle real server. It has 16 bytes and no padding: a caller with
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

// Overloaded reports whether the real server reached its upper threshold and has not yet fallen
// below the lower one.
func (l *Load) Overloaded() bool { return l.counts.Load()&overloaded != 0 }

// Begin counts a new session; it starts inactive.
func (l *Load) Begin() { l.change(oneInactive) }

// Activate counts an inactive session as active.
func (l *Load) Activate() { l.change(oneActive - oneInactive) }

// Deactivate counts an active session as inactive.
func (l *Load) Deactivate() { l.change(oneInactive - oneActive) }

// End removes a session, which must be counted as active says. Every Begin has exactly one End.
func (l *Load) End(active bool) {
	if active {
		l.change(-oneActive)
		return
	}
	l.change(-oneInactive)
}

// change adds to the counts and marks or frees the real server in the same step.
func (l *Load) change(by int64) {
	for {
		old := l.counts.Load()
		if l.counts.CompareAndSwap(old, l.judge(old+uint64(by))) {
			return
		}
	}
}

// limit sets the thresholds. A raised or removed upper threshold clears the overload mark, as an
// edit in IPVS does.
func (l *Load) limit(upper, lower int32) {
	raised := upper == 0 || upper > l.upper.Load()
	l.upper.Store(upper)
	l.lower.Store(lower)
	for {
		old := l.counts.Load()
		counts := old
		if raised {
			counts &^= overloaded
		}
		if l.counts.CompareAndSwap(old, l.judge(counts)) {
			return
		}
	}
}

// judge returns the counts with the right overload mark. Between the thresholds the mark stays as
// it was.
func (l *Load) judge(counts uint64) uint64 {
	upper, lower := l.upper.Load(), l.lower.Load()
	if lower == 0 {
		lower = upper - upper/4
	}
	switch sessions := total(counts); {
	case upper > 0 && sessions >= upper:
		return counts | overloaded
	case upper == 0 || sessions < lower:
		return counts &^ overloaded
	}
	return counts
}

// overhead is the number that lc and wlc compare: an active session weighs as much as 256 inactive
// ones.
func (l *Load) overhead() int64 {
	counts := l.counts.Load()
	return int64(active(counts))*256 + int64(total(counts))
}

func active(counts uint64) int32 { return int32(counts &^ overloaded >> 32) }

func total(counts uint64) int32 { return active(counts) + int32(counts) }
