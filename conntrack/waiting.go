package conntrack

// Bounds on fragments that came before their datagram's first, per datagram and in total.
const (
	MaxQueued  = 16
	MaxWaiting = 256
)

// Place is a number below MaxWaiting under which the caller keeps a fragment that waits.
type Place uint16

// Dropped is a fragment whose wait ended without its datagram's first.
type Dropped struct {
	Place  Place           // free from now on
	Reason FragmentVerdict // FragmentTimeout, FragmentOverlap or FragmentEvicted
}

// waiting is the places of fragments that wait, used and free.
type waiting struct {
	places [MaxWaiting]waitingPlace
	unused uint16 // place + 1 of the first free one
	n      int    // places that are not free
}

type waitingPlace struct {
	since    uint32 // ms
	datagram uint32 // index of its datagram in Fragments.datagrams
	next     uint16 // place + 1 of the next in the datagram's queue, or of the next free one
	state    placeState
	reason   FragmentVerdict // of an abandoned one
}

type placeState uint8

const (
	freePlace placeState = iota
	heldPlace
	abandonedPlace // no longer in a queue, and not yet returned to the caller
)

// chain is a datagram's queue: place + 1 of its first and last.
type chain struct {
	first, last uint16
	n           uint8
}

func (w *waiting) freeAll() {
	for i := range w.places {
		w.places[i].next = w.unused
		w.unused = uint16(i) + 1
	}
}

func (w *waiting) full() bool { return w.unused == 0 }

// push takes a free place, which must exist, and appends it to a datagram's queue.
func (w *waiting) push(q *chain, datagram, now uint32) Place {
	link := w.unused
	p := &w.places[link-1]
	w.unused = p.next
	*p = waitingPlace{since: now, datagram: datagram, state: heldPlace}
	if q.n == 0 {
		q.first = link
	} else {
		w.places[q.last-1].next = link
	}
	q.last = link
	q.n++
	w.n++
	return Place(link - 1)
}

// pop removes the first place from a queue, which must not be empty, and frees it.
func (w *waiting) pop(q *chain) Place {
	at := Place(q.first - 1)
	q.first = w.places[at].next
	q.n--
	w.free(at)
	return at
}

// abandon empties a queue. Its places are free once Expire has returned them.
func (w *waiting) abandon(q *chain, reason FragmentVerdict) {
	for ; q.n > 0; q.n-- {
		p := &w.places[q.first-1]
		p.state, p.reason = abandonedPlace, reason
		q.first = p.next
	}
}

func (w *waiting) free(at Place) {
	p := &w.places[at]
	p.state, p.next = freePlace, w.unused
	w.unused = uint16(at) + 1
	w.n--
}
