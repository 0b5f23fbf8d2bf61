package conntrack

// queue is a ring of slots. It has a place for every slot of its slab and holds each slot at most
// once, so it never overflows.
type queue struct {
	slots []uint32
	head  int // index of the oldest
	n     int
}

func (q *queue) push(slot uint32) {
	i := q.head + q.n
	if i >= len(q.slots) {
		i -= len(q.slots)
	}
	q.slots[i] = slot
	q.n++
}

// at returns the i-th slot after the oldest.
func (q *queue) at(i int) uint32 {
	if i += q.head; i >= len(q.slots) {
		i -= len(q.slots)
	}
	return q.slots[i]
}

func (q *queue) pop() uint32 {
	slot := q.slots[q.head]
	q.head++
	if q.head == len(q.slots) {
		q.head = 0
	}
	q.n--
	return slot
}

// Bounds on how many slots leave the queue at a time because their session is no longer half-open.
// They keep the delay of a packet short.
const (
	maxTrimmed = 1024 // in one call of Expire
	maxSkipped = 4096 // for one eviction
)

// evict ends the oldest half-open session of a slab and reports whether there was one. It gives up
// when too many other slots come before that session; the next eviction continues there. A slot
// that was freed and taken again keeps its place, so its new session may be evicted a little early.
func (t *Table) evict(b *slab) bool {
	t.trim(b, maxSkipped)
	if b.halfOpen.n == 0 || !t.oldestIsHalfOpen(b) {
		return false
	}
	t.evicted++
	t.prefetchEvictions(b)
	t.End(t.dequeue(b))
	return true
}

// How many evictions ahead the records, and then the buckets of the index, are prefetched. In a SYN
// flood one eviction follows another, and the evicted sessions are not in the cache.
const (
	recordsAhead = 8
	entriesAhead = 4
)

func (t *Table) prefetchEvictions(b *slab) {
	if b.halfOpen.n <= recordsAhead {
		return
	}
	t.prefetchSlot(b.halfOpen.at(recordsAhead))
	slot := b.halfOpen.at(entriesAhead)
	t.prefetchEntries(slot, t.hashesOf(slot))
}

// Full reports whether Insert would find no slot for a new session of a family, not even by
// eviction. It changes nothing.
func (t *Table) Full(six bool) bool {
	b := &t.four
	if six {
		b = &t.six
	}
	if b.freeList != 0 || b.used < b.size {
		return false
	}
	for i := range min(maxSkipped+1, b.halfOpen.n) {
		if s := &t.sessions[b.halfOpen.at(i)]; s.Live() && s.State.HalfOpen() {
			return false
		}
	}
	return true
}

// trim removes up to n slots from the head of a slab's queue: those whose session is no longer
// half-open.
func (t *Table) trim(b *slab, n int) {
	for range min(n, b.halfOpen.n) {
		if t.oldestIsHalfOpen(b) {
			return
		}
		t.dequeue(b)
	}
}

func (t *Table) oldestIsHalfOpen(b *slab) bool {
	s := &t.sessions[b.halfOpen.slots[b.halfOpen.head]]
	return s.Live() && s.State.HalfOpen()
}

func (t *Table) dequeue(b *slab) uint32 {
	slot := b.halfOpen.pop()
	t.sessions[slot].Flags &^= queued
	return slot
}

// Evicted returns how many half-open sessions have been evicted for new ones.
func (t *Table) Evicted() uint64 { return t.evicted }
