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

func (q *queue) pop() uint32 {
	slot := q.slots[q.head]
	q.head++
	if q.head == len(q.slots) {
		q.head = 0
	}
	q.n--
	return slot
}

// evict ends the oldest half-open session, if there is one. The queue also holds slots whose session
// has moved on or ended; those leave it here. A slot that was freed and taken again keeps its
// place, so that such a session may go a little before its turn.
func (t *Table) evict() bool {
	for t.halfOpen.n > 0 {
		slot := t.halfOpen.pop()
		s := &t.sessions[slot]
		s.Flags &^= queued
		if s.Live() && s.State.HalfOpen() {
			t.evicted++
			t.End(slot)
			return true
		}
	}
	return false
}

// Evicted returns how many half-open sessions gave way to new ones.
func (t *Table) Evicted() uint64 { return t.evicted }
