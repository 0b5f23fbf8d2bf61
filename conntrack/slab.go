package conntrack

// slab is the slots of one family. Each family has one, so that a flood of one family does not
// evict sessions of the other.
type slab struct {
	first    uint32 // slot
	size     uint32 // slots
	used     uint32 // how many of the slots, from the first, have ever been used
	freeList uint32 // slot + 1 of the first free used slot; 0 if there is none
	count    int    // live sessions
	hand     hand
	drops    dropPass
}

// end returns the slot after the last one that has ever been used.
func (b *slab) end() uint32 { return b.first + b.used }

// NextUsed returns the first slot not below the given one that has ever been used, or false.
// Callers that look at all sessions in small steps continue from it.
func (t *Table) NextUsed(slot uint32) (next uint32, ok bool) {
	if slot >= t.four.end() {
		slot = max(slot, t.six.first)
	}
	return slot, slot < t.four.end() || slot < t.six.end() && t.Is6(slot)
}

// empty removes all sessions.
func (b *slab) empty() {
	b.used, b.freeList, b.count = 0, 0, 0
	b.hand, b.drops = hand{}, dropPass{}
}

// slabOf returns the slab that a slot belongs to.
func (t *Table) slabOf(slot uint32) *slab {
	if t.Is6(slot) {
		return &t.six
	}
	return &t.four
}

// slabFor returns the slab of a family.
func (t *Table) slabFor(six bool) *slab {
	if six {
		return &t.six
	}
	return &t.four
}

// Is6 reports whether a slot belongs to the slab of IPv6 sessions.
func (t *Table) Is6(slot uint32) bool { return slot >= t.six.first }

// allocate takes a free slot. It prefers a used one, whose memory is in the cache, to a fresh one.
func (t *Table) allocate(b *slab, now uint32) (uint32, bool) {
	for {
		if b.freeList != 0 {
			slot := b.freeList - 1
			if b.freeList = t.sessions[slot].Template; b.freeList != 0 {
				t.prefetchSlot(b.freeList - 1) // the next new session needs it
			}
			return slot, true
		}
		if b.used < b.size {
			b.used++
			return b.end() - 1, true
		}
		if !t.evict(b, now) {
			return 0, false
		}
	}
}

// release puts a slot on its free list. It clears the flags that identify the session, so that no
// stale Ref is confirmed.
func (t *Table) release(slot uint32) {
	s, b := &t.sessions[slot], t.slabOf(slot)
	s.Flags = 0
	s.Template = b.freeList
	b.freeList = slot + 1
	t.wake[slot] = 0
}
