package conntrack

// queue is a ring of slots with a place for every slot, each at most once in it, so that it never
// overflows.
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

// Bounds on how many slots leave the queue at a time because their session has moved on, so that no packet waits for
// long.
const (
	maxTrimmed = 1024 // in one call of Expire
	maxSkipped = 4096 // for one eviction
)

// evict ends the oldest half-open session, if there is one. It gives up when too many others stand before it; the
// next eviction goes on from there. A slot that was freed and taken again keeps its place, so that such a session may
// go a little before its turn.
func (t *Table) evict() bool {
	t.trim(maxSkipped)
	if t.halfOpen.n == 0 || !t.oldestIsHalfOpen() {
		return false
	}
	t.evicted++
	t.foreseeEvictions()
	t.End(t.dequeue())
	return true
}

// How many evictions ahead the records and, once these are there, the places in the index are asked for: in a flood of SYNs
// evictions follow one another, each of a session that nobody has touched since it began.
const (
	recordsAhead = 8
	entriesAhead = 4
)

func (t *Table) foreseeEvictions() {
	if t.halfOpen.n <= recordsAhead {
		return
	}
	t.foreseeSlot(t.halfOpen.at(recordsAhead))
	slot := t.halfOpen.at(entriesAhead)
	t.foreseeEntries(slot, t.hashesOf(slot))
}

// trim takes up to n slots from the head of the queue whose session has moved on or ended.
func (t *Table) trim(n int) {
	for range min(n, t.halfOpen.n) {
		if t.oldestIsHalfOpen() {
			return
		}
		t.dequeue()
	}
}

func (t *Table) oldestIsHalfOpen() bool {
	s := &t.sessions[t.halfOpen.slots[t.halfOpen.head]]
	return s.Live() && s.State.HalfOpen()
}

func (t *Table) dequeue() uint32 {
	slot := t.halfOpen.pop()
	t.sessions[slot].Flags &^= queued
	return slot
}

// Evicted returns how many half-open sessions gave way to new ones.
func (t *Table) Evicted() uint64 { return t.evicted }
