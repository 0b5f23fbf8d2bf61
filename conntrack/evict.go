package conntrack

// A full table makes a place for each new session by ending one that is not confirmed. A hand moves
// over the records as that of a clock. It takes samples: the classes of some sessions in a row, by
// service. In each sample the sessions of the service and class that has the most give way, the
// older half of them. So one service's flood ends its own sessions, not another's.
//
// The order of records is about the order in which their sessions began, because a new session
// takes the place of the one that ended for it.

const (
	sampled     = 128 // sessions in a sample
	maxSamples  = 4   // for one eviction
	maxGroups   = 16  // pairs of service and class in a sample; others in it do not give way
	barrenLooks = 16  // sessions for one eviction, after a whole round without any that gives way
	limitLooks  = 256 // sessions for one eviction of a service at its limit
)

// hand is a slab's progress with evictions.
type hand struct {
	next   uint32 // record that the next sample begins with, counted from the slab's first
	barren uint32 // records passed since the last that gave way

	// The sessions that give way next, if they still are of the class and had no packet since. All
	// are of one service.
	victims [sampled]uint32 // slots
	at, n   int             // the next of them, and their number
	class   class
	since   uint32 // ms

	groups [maxGroups]group
}

// group is the sessions of one service and class in a sample.
type group struct {
	service uint32
	class   class
	n       int
	ages    uint64 // their sum, ms
}

// evict ends a session of a slab that is not confirmed, and reports whether it found one. It gives
// up after a bounded number of records; the next eviction goes on there.
func (t *Table) evict(b *slab, now uint32) bool {
	for {
		if slot, ok := t.nextVictim(b, now); ok {
			t.evicted++
			t.End(slot)
			return true
		}
		if !t.findVictims(b, now) {
			return false
		}
	}
}

// victimsAhead is how many evictions ahead a victim's entries in the index are prefetched. In a
// flood one eviction follows another.
const victimsAhead = 4

func (t *Table) nextVictim(b *slab, now uint32) (slot uint32, ok bool) {
	h := &b.hand
	for h.at < h.n {
		if ahead := h.at + victimsAhead; ahead < h.n {
			t.prefetchEntries(h.victims[ahead], t.hashesOf(h.victims[ahead]))
		}
		slot = h.victims[h.at]
		h.at++
		if t.stillGivesWay(slot, h, now) {
			return slot, true
		}
	}
	return 0, false
}

// stillGivesWay reports whether a victim is what it was when it was found.
func (t *Table) stillGivesWay(slot uint32, h *hand, now uint32) bool {
	s := &t.sessions[slot]
	return s.Live() && int32(s.LastSeen-h.since) <= 0 && s.class(now) == h.class
}

// findVictims takes samples until one has sessions that give way, and reports whether one had.
func (t *Table) findVictims(b *slab, now uint32) bool {
	h := &b.hand
	for left := h.looks(b); left > 0; left -= min(left, sampled) {
		n := min(left, sampled, b.used)
		if t.sample(b, n, now) {
			h.barren = 0
			return true
		}
		h.barren += n
	}
	return false
}

// looks returns how many records one eviction may look at.
func (h *hand) looks(b *slab) uint32 {
	if h.barren > b.used {
		return barrenLooks
	}
	return maxSamples * sampled
}

// sample looks at the next n records, sets the victims, and reports whether there are any.
func (t *Table) sample(b *slab, n, now uint32) bool {
	h := &b.hand
	var of [sampled]uint8 // the record's group + 1
	groups := h.groups[:0]
	first := h.next
	for i := range n {
		s := &t.sessions[b.first+h.next]
		h.next = b.after(h.next)
		if !s.Live() {
			continue
		}
		if c := s.class(now); c != confirmed {
			groups, of[i] = join(groups, t.service(s), c, now-s.LastSeen)
		}
	}
	h.at, h.n = 0, 0
	if len(groups) == 0 {
		return false
	}
	most := largest(groups)
	t.choose(b, first, of[:n], most, now)
	return true
}

// after returns the record after one, round and round. Both are counted from the slab's first.
func (b *slab) after(record uint32) uint32 {
	if record+1 >= b.used {
		return 0
	}
	return record + 1
}

// join adds a session to its group and returns the group's index + 1; 0 if there are too many.
func join(groups []group, service uint32, c class, age uint32) ([]group, uint8) {
	for i := range groups {
		if g := &groups[i]; g.service == service && g.class == c {
			g.n++
			g.ages += uint64(age)
			return groups, uint8(i + 1)
		}
	}
	if len(groups) == maxGroups {
		return groups, 0
	}
	return append(groups, group{service, c, 1, uint64(age)}), uint8(len(groups) + 1)
}

// largest returns the index of the group that gives way.
func largest(groups []group) int {
	most := 0
	for i := range groups {
		if groups[i].weight() > groups[most].weight() {
			most = i
		}
	}
	return most
}

func (g *group) weight() int { return g.n * readiness[g.class] }

// choose makes those of a group's sessions the victims that are of its mean age or older. first and
// of are the sample's first record and the group of each.
func (t *Table) choose(b *slab, first uint32, of []uint8, chosen int, now uint32) {
	h := &b.hand
	g := &h.groups[chosen]
	mean := uint32(g.ages / uint64(g.n))
	h.class, h.since = g.class, now-mean
	for record, i := first, 0; i < len(of); record, i = b.after(record), i+1 {
		slot := b.first + record
		if int(of[i]) == chosen+1 && now-t.sessions[slot].LastSeen >= mean {
			h.victims[h.n] = slot
			h.n++
		}
	}
}

// EvictOf ends the session of a service that gives way most readily among those that it looks at,
// and reports whether there was one. six selects the family of the clients.
func (t *Table) EvictOf(service uint32, six bool, now uint32) bool {
	b := t.slabFor(six)
	slot, next, ok := t.readiest(b, service, now)
	b.hand.next = next
	if ok {
		t.evicted++
		t.End(slot)
	}
	return ok
}

// readiest returns the session of a service that gives way most readily among the next records, and
// the record after those that it looked at.
func (t *Table) readiest(b *slab, service, now uint32) (slot, next uint32, ok bool) {
	best, next := Readiness{}, b.hand.next
	for range min(limitLooks, b.used) {
		at := b.first + next
		next = b.after(next)
		s := &t.sessions[at]
		if !s.Live() || t.service(s) != service {
			continue
		}
		if r := s.readiness(now); best.Less(r) {
			slot, best, ok = at, r, true
		}
	}
	return slot, next, ok
}

// CouldEvictOf reports whether EvictOf would end a session. It changes nothing.
func (t *Table) CouldEvictOf(service uint32, six bool, now uint32) bool {
	_, _, ok := t.readiest(t.slabFor(six), service, now)
	return ok
}

// Readiness says how readily a session gives way to a new one. The zero value is that of a
// confirmed one, which never does.
type Readiness struct {
	class int
	age   uint32 // ms
}

// Less reports whether a session with another readiness gives way before.
func (r Readiness) Less(o Readiness) bool {
	return r.class < o.class || r.class == o.class && r.age < o.age
}

// Readiness returns how readily the session in a slot gives way. now is in ms.
func (t *Table) Readiness(slot, now uint32) Readiness { return t.sessions[slot].readiness(now) }

func (s *Session) readiness(now uint32) Readiness {
	c := s.class(now)
	if c == confirmed {
		return Readiness{}
	}
	return Readiness{readiness[c], now - s.LastSeen}
}

// Full reports whether Insert would find no slot for a new session of a family, not even by
// eviction. It changes nothing.
func (t *Table) Full(six bool, now uint32) bool {
	b := t.slabFor(six)
	if b.freeList != 0 || b.used < b.size {
		return false
	}
	h := &b.hand
	for _, slot := range h.victims[h.at:h.n] {
		if t.stillGivesWay(slot, h, now) {
			return false
		}
	}
	record := h.next
	for range min(h.looks(b), b.used) {
		if s := &t.sessions[b.first+record]; s.Live() && s.class(now) != confirmed {
			return false
		}
		record = b.after(record)
	}
	return true
}

// Evicted returns how many sessions have been ended for new ones.
func (t *Table) Evicted() uint64 { return t.evicted }
