package conntrack

// A tick is 1.024 s: a shift of the millisecond clock, so that ticks wrap where it does.
const tickShift = 10

// sweepPeriod is how long one pass over all slots takes, in ms: one tick.
const sweepPeriod = 1 << tickShift

// Bounds of one call of Expire, so that a worker's turn stays short: about 10 us to pass over the ticks, and as much
// for the sessions.
const (
	maxSwept  = 16384
	maxLooked = 256
)

// longJump is the time between two calls from which on ticks are not trusted, in ms: far less than half
// their range.
const longJump = 1 << (14 + tickShift)

// maxAhead is the furthest future tick that signed 16-bit differences can express. Later deadlines
// are looked at then and put off again.
const maxAhead = 1<<15 - 2

// sweep is the state of the pass over the ticks.
type sweep struct {
	next uint32 // slot; the two slabs follow one another
	last uint32 // time of the last call, ms
	owed uint64 // slots due to be passed over, times sweepPeriod
	// distrust is how many slots to look at whatever their ticks say: after a long jump of the clock a tick
	// of the past looks like one of the future, and after a change of timeouts it comes too late.
	distrust uint32
}

// arm sets the tick at which the session is looked at, from its state and when it was last seen.
func (t *Table) arm(slot uint32, now uint32) { t.wake[slot] = t.tickOf(slot, now) }

// rearm is arm for a changed state: only an earlier tick is worth a write, a later one is found when
// the old one comes.
func (t *Table) rearm(slot uint32, now uint32) {
	if tick := t.tickOf(slot, now); int16(tick-t.wake[slot]) < 0 {
		t.wake[slot] = tick
	}
}

// SetTimeouts gives all sessions other timeouts, those that there are too: each is looked at again, as far as Expire comes, so that it ends when
// the new ones say.
func (t *Table) SetTimeouts(timeouts Timeouts) {
	if timeouts == t.timeouts {
		return
	}
	t.timeouts = timeouts
	t.sweep.distrust = t.four.used + t.six.used
}

// tickOf returns the first tick that begins after the session's deadline, or the one before it if that is 0,
// which marks free slots: a session looked at too early is given its tick again.
func (t *Table) tickOf(slot, now uint32) uint16 {
	s := &t.sessions[slot]
	ahead := int32(s.LastSeen + t.timeouts[s.State] - now)
	ahead = min(max(ahead, 0), maxAhead<<tickShift)
	if tick := uint16((now+uint32(ahead))>>tickShift) + 1; tick != 0 {
		return tick
	}
	return 1<<16 - 1
}

// Expire ends sessions that had no packet for their state's timeout. It does a bounded piece of work: the piece
// that is due since the last call for a pass over all sessions in a tick. The worker calls it once a turn.
func (t *Table) Expire(now uint32) {
	elapsed := now - t.sweep.last
	if elapsed != 0 {
		// Never twice at one time: which session is evicted next must not depend on how many turns a burst took.
		t.trim(&t.four, maxTrimmed)
		t.trim(&t.six, maxTrimmed)
	}
	t.sweep.last = now
	used := t.four.used + t.six.used
	if elapsed > longJump {
		t.sweep.distrust = used
	}
	elapsed = min(elapsed, sweepPeriod)
	t.sweep.owed = min(t.sweep.owed+uint64(elapsed)*uint64(used), uint64(used)*sweepPeriod)
	n := min(uint32(t.sweep.owed/sweepPeriod), maxSwept)
	if n == 0 {
		return
	}
	t.sweep.owed -= uint64(t.pass(n, now)) * sweepPeriod
}

// pass looks at up to n slots and returns at how many it looked.
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

// otherSlab lets the sweep, which is past a slab's end, go on at the beginning of the other, or of the same if the other has never
// been used, and returns its end.
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

// expireTogether ends the sessions in the slots whose time has passed, and gives the others their next tick. First it asks for all
// the records, then for all the places in the index, so that memory is waited for twice and not with each session. A slot
// may come twice in a small table.
func (t *Table) expireTogether(slots []uint32, now uint32) {
	for _, slot := range slots {
		t.foreseeSlot(slot)
	}
	var hashes [together]Hashes
	for i, slot := range slots {
		if t.expired(slot, now) {
			hashes[i] = t.hashesOf(slot)
			t.foreseeEntries(slot, hashes[i])
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

// foreseeEntries asks for the places in the index in which a session's entries probably are.
func (t *Table) foreseeEntries(slot uint32, h Hashes) {
	t.Foresee(h.In)
	if t.sessions[slot].Flags&TwoWay != 0 {
		t.Foresee(h.Out)
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

// expired reports whether the time of the session in a slot has passed.
func (t *Table) expired(slot, now uint32) bool {
	s := &t.sessions[slot]
	return int32(now-s.LastSeen-t.timeouts[s.State]) >= 0
}
