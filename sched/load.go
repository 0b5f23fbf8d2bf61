package sched

import "sync/atomic"

// Load counts the live sessions of one real server, for the whole director: every worker writes it when a session
// begins, ends or changes between active and inactive, and every pick of lc and wlc reads it. The zero value is an
// idle real server. It is 16 bytes and not padded: whoever keeps many of them side by side gives each its cache line.
//
// It must not move while a pool or a session refers to it: its address tells a scheduler which real
// servers of a new pool were in the one before.
type Load struct {
	// counts holds both counts and the overload mark in one word, so that they change together and a reader never
	// sees a session twice or not at all: bit 63 overloaded, bits 32-62 active, bits 0-31 inactive.
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

// Overloaded reports whether the real server reached its upper threshold and has not yet fallen below the lower one.
func (l *Load) Overloaded() bool { return l.counts.Load()&overloaded != 0 }

// Begin counts a new session; it starts inactive.
func (l *Load) Begin() { l.change(oneInactive) }

// Activate counts an inactive session as active.
func (l *Load) Activate() { l.change(oneActive - oneInactive) }

// Deactivate counts an active session as inactive.
func (l *Load) Deactivate() { l.change(oneInactive - oneActive) }

// End takes a session off, from where it was last counted. Every Begin has exactly one End.
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

// limit puts thresholds in force. A raised or removed upper threshold frees the real server, as editing one in IPVS does.
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

// judge returns the counts with the overload mark they deserve. Between the thresholds it stays what it was.
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

// overhead is what lc and wlc compare: an active session weighs as much as 256 inactive ones.
func (l *Load) overhead() int64 {
	counts := l.counts.Load()
	return int64(active(counts))*256 + int64(total(counts))
}

func active(counts uint64) int32 { return int32(counts &^ overloaded >> 32) }

func total(counts uint64) int32 { return active(counts) + int32(counts) }
