package conntrack

// Bounds on fragments that came before their datagram's first, per datagram and in total.
const (
	MaxQueued  = 16
	MaxWaiting = 256
)

// waitingShare is how many places a source may hold while others want some: those of one datagram.
const waitingShare = MaxQueued

// Place is a number below MaxWaiting under which the caller keeps a fragment that waits.
type Place uint16

// Hold says where to keep a fragment that waits. If Displaced is not FragmentForwarded, another
// fragment is kept there, and the caller drops that one for this reason.
type Hold struct {
	Place     Place
	Displaced FragmentVerdict // FragmentQueueFull, or why its wait had ended
}

// Dropped is a fragment whose wait ended without its datagram's first.
type Dropped struct {
	Place  Place           // free from now on
	Reason FragmentVerdict // FragmentTimeout, FragmentOverlap or FragmentEvicted
}

// waiting is the places of fragments that wait, used and free. Held places are in the order of
// their age in two lists: that of their source, and that of all sources of the same standing.
type waiting struct {
	places    [MaxWaiting]waitingPlace
	unused    uint16 // place + 1 of the first free one
	n         int    // places that are not free
	ages      [numStandings]placeList
	sources   [sourceGroups]placeList
	abandoned placeList
	crowded   [MaxWaiting / (waitingShare + 1)]uint16 // groups of sources beyond their share
	nCrowded  int
}

type waitingPlace struct {
	since    uint32 // ms
	datagram uint32 // index of its datagram in Fragments.datagrams
	next     uint16 // place + 1 of the next in the datagram's queue, or of the next free one
	group    uint16 // of its source
	links    [numOrders]placeLinks
	standing standing        // of its source
	reason   FragmentVerdict // of an abandoned one
}

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

// push takes a free place, which must exist, for a fragment of a datagram, and appends it to the
// datagram's queue.
func (w *waiting) push(e *fragmented, datagram, source, now uint32) Place {
	link, q := w.unused, &e.queue
	p := &w.places[link-1]
	w.unused = p.next
	*p = waitingPlace{
		since: now, datagram: datagram, group: groupOf(source), standing: e.standing,
	}
	if q.n == 0 {
		q.first = link
	} else {
		w.places[q.last-1].next = link
	}
	q.last = link
	q.n++
	w.n++
	w.enlist(Place(link - 1))
	return Place(link - 1)
}

// pop removes the first place from a queue, which must not be empty, and frees it.
func (w *waiting) pop(q *chain) Place {
	at := Place(q.first - 1)
	q.first = w.places[at].next
	q.n--
	w.strike(at)
	w.free(at)
	return at
}

// abandon empties a queue. Its places are free once Expire has returned them, or once another
// fragment has got them.
func (w *waiting) abandon(q *chain, reason FragmentVerdict) {
	for ; q.n > 0; q.n-- {
		at := Place(q.first - 1)
		q.first = w.places[at].next
		w.strike(at)
		w.places[at].reason = reason
		w.add(&w.abandoned, byAge, at)
	}
}

// takeAbandoned frees an abandoned place, and returns why its fragment is dropped.
func (w *waiting) takeAbandoned() (Place, FragmentVerdict) {
	at := Place(w.abandoned.first - 1)
	w.remove(&w.abandoned, byAge, at)
	w.free(at)
	return at, w.places[at].reason
}

func (w *waiting) free(at Place) {
	w.places[at].next = w.unused
	w.unused = uint16(at) + 1
	w.n--
}

// enlist adds a held place to the lists of its source and of its standing.
func (w *waiting) enlist(at Place) {
	p := &w.places[at]
	source := &w.sources[p.group]
	w.add(&w.ages[p.standing], byAge, at)
	w.add(source, bySource, at)
	if source.n == waitingShare+1 {
		w.crowded[w.nCrowded] = p.group
		w.nCrowded++
	}
}

// strike reverses enlist.
func (w *waiting) strike(at Place) {
	p := &w.places[at]
	source := &w.sources[p.group]
	w.remove(&w.ages[p.standing], byAge, at)
	w.remove(source, bySource, at)
	if source.n == waitingShare {
		w.relieve(p.group)
	}
}

// relieve removes a group from the crowded ones.
func (w *waiting) relieve(group uint16) {
	for i := range w.nCrowded {
		if w.crowded[i] == group {
			w.nCrowded--
			w.crowded[i] = w.crowded[w.nCrowded]
			return
		}
	}
}

// victim returns the held place that gives way if all places are held: the oldest of the source
// that holds most beyond its share, or else the oldest of all. Sources that are proven give way
// last as long as they hold no more than half of the places.
func (w *waiting) victim() Place {
	list := &w.ages[unproven]
	if w.ages[proven].n > MaxWaiting/2 {
		list = &w.ages[proven]
	}
	most := uint16(waitingShare)
	for _, group := range w.crowded[:w.nCrowded] {
		if source := &w.sources[group]; source.n > most {
			list, most = source, source.n
		}
	}
	return Place(list.first - 1)
}

// placeList is a list of places: place + 1 of its first and last.
type placeList struct{ first, last, n uint16 }

// placeLinks are place + 1 of the neighbours in a list; 0 at its ends.
type placeLinks struct{ before, after uint16 }

// The lists in which a place can be.
const (
	byAge = iota
	bySource
	numOrders
)

// add appends a place to a list.
func (w *waiting) add(l *placeList, order int, at Place) {
	w.places[at].links[order] = placeLinks{before: l.last}
	if l.n == 0 {
		l.first = uint16(at) + 1
	} else {
		w.places[l.last-1].links[order].after = uint16(at) + 1
	}
	l.last = uint16(at) + 1
	l.n++
}

// remove takes a place out of a list.
func (w *waiting) remove(l *placeList, order int, at Place) {
	links := w.places[at].links[order]
	if links.before == 0 {
		l.first = links.after
	} else {
		w.places[links.before-1].links[order].after = links.after
	}
	if links.after == 0 {
		l.last = links.before
	} else {
		w.places[links.after-1].links[order].before = links.before
	}
	l.n--
}
