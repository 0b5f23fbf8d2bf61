package conntrack

// A tick is 1.024 s: the millisecond clock shifted right, so that ticks wrap where the clock does.
const tickShift = 10

// sweepPeriod is how long one pass over all slots takes, in ms: one tick.
const sweepPeriod = 1 << tickShift

// Bounds of one call of Expire, which keep a worker's turn short: about 10 us to pass over the
// ticks, and about as much for the sessions.
const (
	maxSwept  = 16384
	maxLooked = 256
)

// longJump is the time between two calls, in ms, after which ticks are not trusted. It is far less
// than half their range.
const longJump = 1 << (14 + tickShift)

// maxAhead is the furthest future tick that a signed 16-bit difference can express. For a later
// deadline the session is looked at then and gets another tick.
const maxAhead = 1<<15 - 2

// sweep is the state of the pass over the ticks.
type sweep struct {
	next uint32 // slot; the two slabs follow one another
	last uint32 // time of the last call, ms
	owed uint64 // slots due to be passed over, times sweepPeriod
	// distrust is how many slots to look at whatever their ticks say. After a long jump of the
	// clock a past tick looks like a future one, and after a change of timeouts a tick may be too
	// late.
	distrust uint32
}

// arm sets the tick at which Expire looks at the session, from its state and LastSeen.
func (t *Table) arm(slot uint32, now uint32) { t.wake[slot] = t.tickOf(slot, now) }

// rearm is arm after a change of state. It writes only an earlier tick: Expire finds a later
// deadline when the old tick comes.
func (t *Table) rearm(slot uint32, s *Session, now uint32) {
	wake := &t.wake[slot]
	if tick := tickAfter(s.LastSeen+t.timeout(s), now); int16(tick-*wake) < 0 {
		*wake = tick
	}
}

// SetTimeouts sets the timeouts of all sessions without their own. It applies to existing sessions
// as well: the next pass of Expire looks at each of them again, and it ends when the new timeouts
// say.
func (t *Table) SetTimeouts(timeouts Timeouts) {
	if timeouts == t.timeouts {
		return
	}
	t.timeouts = timeouts
	t.distrust()
}

// OwnTimeoutsChanged says that Config.Own returns other timeouts than before for some sessions. It
// applies to existing sessions as SetTimeouts does. Until the first call Own is not asked.
func (t *Table) OwnTimeoutsChanged() {
	t.asksOwn = true
	t.distrust()
}

// distrust has the next pass look at all sessions, whatever their ticks say.
func (t *Table) distrust() { t.sweep.distrust = t.four.used + t.six.used }

// timeout returns how long a session may stay in its state without a packet, in ms.
func (t *Table) timeout(s *Session) uint32 {
	if t.asksOwn {
		return t.ownTimeout(s)
	}
	return t.timeouts[s.State]
}

// ownTimeout is timeout where sessions may have timeouts of their own.
func (t *Table) ownTimeout(s *Session) uint32 { return t.timeouts.Of(s.State, t.own(s)) }

// tickOf returns the tick for the session's deadline.
func (t *Table) tickOf(slot, now uint32) uint16 {
	s := &t.sessions[slot]
	return tickAfter(s.LastSeen+t.timeout(s), now)
}

// tickAfter returns the first tick that begins after a deadline. If that is 0, which marks free
// slots, it returns the tick before: a session looked at too early gets its tick again.
func tickAfter(deadline, now uint32) uint16 {
	ahead := int32(deadline - now)
	ahead = min(max(ahead, 0), maxAhead<<tickShift)
	if tick := uint16((now+uint32(ahead))>>tickShift) + 1; tick != 0 {
		return tick
	}
	return 1<<16 - 1
}

// Expire ends sessions that had no packet for their state's timeout. One call does a bounded amount
// of work: the part of a pass over all sessions that is due since the last call. It reports whether
// some of that is left. The worker calls it once a millisecond, and in every turn while some is
// left, with the time in ms.
func (t *Table) Expire(now uint32) (left bool) {
	elapsed := now - t.sweep.last
	t.sweep.last = now
	used := t.four.used + t.six.used
	if elapsed > longJump {
		t.distrust()
	}
	elapsed = min(elapsed, sweepPeriod)
	t.sweep.owed = min(t.sweep.owed+uint64(elapsed)*uint64(used), uint64(used)*sweepPeriod)
	n := min(uint32(t.sweep.owed/sweepPeriod), maxSwept)
	if n == 0 {
		return false
	}
	t.sweep.owed -= uint64(t.pass(n, now)) * sweepPeriod
	return t.sweep.owed >= sweepPeriod
}

// pass looks at up to n slots and returns the number it looked at.
func (t *Table) pass(n, now uint32) uint32 {
	tick := uint16(now >> tickShift)
	var found [maxLooked]uint32
	looked, i, end := 0, uint32(0), t.slabOf(t.sweep.next).end()
	for ; i < n && looked < maxLooked; i++ {
		if t.sweep.next >= end {
			end = t.otherSlab()
		}
		if t.due(t.sweep.next, tick) {
			found[looked] = t.sweep.next
			looked++
		}
		t.sweep.next++
	}
	for first := 0; first < looked; first += together {
		t.expireTogether(found[first:min(first+together, looked)], now)
	}
	return i
}

// otherSlab moves the sweep, which is past a slab's end, to the beginning of the other slab and
// returns that slab's end. It stays in the same slab if the other has never been used.
func (t *Table) otherSlab() (end uint32) {
	b := &t.four
	if t.four.used == 0 || t.six.used != 0 && !t.Is6(t.sweep.next-1) {
		b = &t.six
	}
	t.sweep.next = b.first
	return b.end()
}

// together is how many sessions end at a time.
const together = 32

// expireTogether ends the sessions in the slots whose timeout has passed, and gives the others
// their next tick. It first prefetches all the records, then all the buckets of the index, so that
// it waits for memory twice and not once per session. A slot may occur twice in a small table.
func (t *Table) expireTogether(slots []uint32, now uint32) {
	for _, slot := range slots {
		t.prefetchSlot(slot)
	}
	var hashes [together]Hashes
	for i, slot := range slots {
		if t.expired(slot, now) {
			hashes[i] = t.hashesOf(slot)
			t.prefetchEntries(slot, hashes[i])
		}
	}
	for i, slot := range slots {
		switch {
		case t.wake[slot] == 0:
		case t.expired(slot, now):
			t.end(slot, hashes[i])
		default:
			t.arm(slot, now)
		}
	}
}

// prefetchEntries prefetches the home buckets of a session's index entries.
func (t *Table) prefetchEntries(slot uint32, h Hashes) {
	t.Prefetch(h.In)
	if t.sessions[slot].Flags&TwoWay != 0 {
		t.Prefetch(h.Out)
	}
}

// due reports whether it is time to look at the session in a slot.
func (t *Table) due(slot uint32, tick uint16) bool {
	w := t.wake[slot]
	if t.sweep.distrust > 0 {
		t.sweep.distrust--
		return w != 0
	}
	return w != 0 && int16(tick-w) >= 0
}

// expired reports whether the timeout of the session in a slot has passed.
func (t *Table) expired(slot, now uint32) bool {
	s := &t.sessions[slot]
	return int32(now-s.LastSeen-t.timeout(s)) >= 0
}
