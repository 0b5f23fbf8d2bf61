package conntrack

// slab is the slots of one family: each has its own, so that a flood of the one leaves the other's sessions alone.
type slab struct {
	first    uint32 // slot
	size     uint32 // slots
	used     uint32 // how many of the slots, from the first, have ever been used
	freeList uint32 // slot + 1 of the first free used slot; 0 is none
	count    int    // live sessions
	halfOpen queue
}

// end is the slot after the last that has ever been used.
func (b *slab) end() uint32 { return b.first + b.used }

// NextUsed returns the first slot from a given one on that has ever been used. Whoever looks at all sessions, bit by bit, goes from one
// to the next.
func (t *Table) NextUsed(slot uint32) (next uint32, ok bool) {
	if slot >= t.four.end() {
		slot = max(slot, t.six.first)
	}
	return slot, slot < t.four.end() || slot < t.six.end() && t.Is6(slot)
}

// empty forgets all sessions.
func (b *slab) empty() {
	b.used, b.freeList, b.count = 0, 0, 0
	b.halfOpen.head, b.halfOpen.n = 0, 0
}

// slabOf returns the slab that a slot belongs to.
func (t *Table) slabOf(slot uint32) *slab {
	if t.Is6(slot) {
		return &t.six
	}
	return &t.four
}

// Is6 reports whether a slot is one for IPv6 sessions.
func (t *Table) Is6(slot uint32) bool { return slot >= t.six.first }

// allocate takes a free slot: one used before, whose memory is warm, rather than a fresh one.
func (t *Table) allocate(b *slab) (uint32, bool) {
	for {
		if b.freeList != 0 {
			slot := b.freeList - 1
			if b.freeList = t.sessions[slot].Template; b.freeList != 0 {
				t.foreseeSlot(b.freeList - 1) // or the next new session would wait for it
			}
			return slot, true
		}
		if b.used < b.size {
			b.used++
			return b.end() - 1, true
		}
		if !t.evict(b) {
			return 0, false
		}
	}
}

// release puts a slot on its free list. What identifies the session is wiped, so that no stale Ref
// is confirmed.
func (t *Table) release(slot uint32) {
	s, b := &t.sessions[slot], t.slabOf(slot)
	s.Flags &= queued
	s.Template = b.freeList
	b.freeList = slot + 1
	t.wake[slot] = 0
}
