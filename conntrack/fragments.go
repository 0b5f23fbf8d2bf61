package conntrack

import "fulcrum/packet"

// Datagram is what the fragments of one datagram have in common (RFC 791, 2.3; RFC 8200, 4.5).
type Datagram struct {
	Src, Dst packet.Addr
	ID       uint32
	Protocol uint8 // of IPv4; 0 in IPv6, where fragments may differ in it
}

// Decision is what became of a datagram's first fragment, which has the ports: the other fragments go the same way.
type Decision struct {
	SrcPort, DstPort uint16
	Note             uint32 // the caller's own
	Protocol         uint8  // of the ports
}

// How long the fragments of a datagram may take, in ms: IPv4 as net.ipv4.ipfrag_time, IPv6 by RFC 8200, 4.5; and how long one
// waits for the first of its datagram.
const (
	fragmentTimeout4 = 30_000
	fragmentTimeout6 = 60_000
	holdTimeout      = 1_000
)

// setSize is how many datagrams the places of one hash hold.
const setSize = 8

// Fragments remembers the datagrams of which some fragments have passed. Like a Table it belongs to one worker, takes the time as an
// argument, and neither allocates nor blocks once it is made. It moves no packets: whoever has a fragment asks what to do
// with it, keeps those that have to wait at the places it is told, and lets them go when they are returned.
//
// A datagram is found by hash in a set of a few; when the set is full, its oldest gives way. A datagram all of whose fragments
// have been seen is forgotten at once, so that its identification may come again.
type Fragments struct {
	tags      []uint32 // of the hash, by entry; 0 is a free one
	datagrams []fragmented
	waiting   waiting
	hasher    hasher
	n         int
	evicted   uint64
	last      uint32 // time of the last call of Expire, ms
	swept     int    // set that Expire looks at next
}

// fragmented is a datagram in the table: two cache lines.
type fragmented struct {
	datagram Datagram
	decision Decision
	since    uint32 // when its earliest fragment came, ms
	queue    chain  // fragments that came before the first
	decided  bool   // the first has come
	bad      bool   // fragments have overlapped
	seen     coverage
}

// NewFragments makes a table for about so many datagrams at a time. A seed makes hashing repeatable in tests; 0 draws a secret.
func NewFragments(datagrams int, seed uint64) *Fragments {
	n := max(1, (datagrams+setSize-1)/setSize) * setSize
	f := &Fragments{tags: make([]uint32, n), datagrams: make([]fragmented, n), hasher: newHasher(seed)}
	f.waiting.freeAll()
	return f
}

// Len returns how many datagrams are remembered.
func (f *Fragments) Len() int { return f.n }

// Waiting returns how many fragments wait for their datagram's first.
func (f *Fragments) Waiting() int { return f.waiting.n }

// Evicted returns how many datagrams gave way to others before their time.
func (f *Fragments) Evicted() uint64 { return f.evicted }

// First says what to do with a datagram's first fragment (offset 0), with which v was decided: to forward it, or why it is
// dropped. The fragments that waited for it are appended to released, in the order in which they came; at most MaxQueued. Their places are
// free from then on.
func (f *Fragments) First(d *Datagram, p Piece, v Decision, now uint32, released []Place) ([]Place, FragmentVerdict) {
	if fault := p.fault(); fault != FragmentForwarded || !p.More { // with no others it is whole: RFC 6946
		return released, fault
	}
	i := f.findOrInsert(d, now)
	e := &f.datagrams[i]
	if verdict := f.see(e, p); verdict != FragmentForwarded {
		return released, verdict
	}
	e.decision, e.decided = v, true
	for e.queue.n > 0 {
		released = append(released, f.waiting.pop(&e.queue))
	}
	f.forgetComplete(i)
	return released, FragmentForwarded
}

// Later says what to do with another fragment (offset not 0): to forward it as was decided, to keep it at a place until that is returned by First or
// Expire, or why it is dropped.
func (f *Fragments) Later(d *Datagram, p Piece, now uint32) (Decision, Place, FragmentVerdict) {
	if fault := p.fault(); fault != FragmentForwarded {
		return Decision{}, 0, fault
	}
	i, known := f.find(d, now)
	switch {
	case known && (f.datagrams[i].decided || f.datagrams[i].bad):
		return f.follow(i, p)
	case f.waiting.full() || known && f.datagrams[i].queue.n == MaxQueued:
		return Decision{}, 0, FragmentQueueFull
	case !known:
		i = f.insert(d, now)
	}
	e := &f.datagrams[i]
	if verdict := f.see(e, p); verdict != FragmentForwarded {
		return Decision{}, 0, verdict
	}
	return Decision{}, f.waiting.push(&e.queue, uint32(i), now), FragmentHeld
}

// follow is Later for a datagram of which the first fragment has come, or which is bad.
func (f *Fragments) follow(i int, p Piece) (Decision, Place, FragmentVerdict) {
	e := &f.datagrams[i]
	v, verdict := e.decision, f.see(e, p)
	f.forgetComplete(i)
	return v, 0, verdict
}

// see notes a fragment's bytes, unless it has to be dropped. From an overlap on, all fragments of the datagram are (RFC 5722), those
// too that wait.
func (f *Fragments) see(e *fragmented, p Piece) FragmentVerdict {
	if e.bad {
		return FragmentOverlap
	}
	verdict := e.seen.add(p)
	if verdict == FragmentOverlap {
		e.bad = true
		f.waiting.abandon(&e.queue, FragmentOverlap)
	}
	return verdict
}

// Expire ends the wait of fragments that have waited for too long, or whose datagram has been given up, and forgets datagrams whose time has
// passed. The fragments are appended to dropped, at most MaxWaiting; their places are free from then on. It does a bounded piece of
// work, at most once a millisecond.
func (f *Fragments) Expire(now uint32, dropped []Dropped) []Dropped {
	if now == f.last {
		return dropped
	}
	f.last = now
	first := f.swept * setSize
	for i := first; i < first+setSize; i++ {
		if f.tags[i] != 0 && f.datagrams[i].expired(now) {
			f.forget(i, FragmentTimeout)
		}
	}
	if f.swept++; f.swept*setSize == len(f.tags) {
		f.swept = 0
	}
	return f.endWaits(now, dropped)
}

func (f *Fragments) endWaits(now uint32, dropped []Dropped) []Dropped {
	if f.waiting.n == 0 {
		return dropped
	}
	for i := range f.waiting.places {
		w := &f.waiting.places[i]
		for w.state == heldPlace && now-w.since >= holdTimeout {
			// Those that came before it to the same datagram have waited as long.
			q := &f.datagrams[w.datagram].queue
			dropped = append(dropped, Dropped{f.waiting.pop(q), FragmentTimeout})
		}
		if w.state == abandonedPlace {
			f.waiting.free(Place(i))
			dropped = append(dropped, Dropped{Place(i), w.reason})
		}
	}
	return dropped
}

// expired reports whether the datagram's time has passed.
func (e *fragmented) expired(now uint32) bool {
	timeout := uint32(fragmentTimeout6)
	if e.datagram.Src.Is4() {
		timeout = fragmentTimeout4
	}
	return now-e.since >= timeout
}

// place returns the set of a datagram and its tag.
func (f *Fragments) place(d *Datagram) (first int, tag uint32) {
	k := Key{Flow: Flow{Src: d.Src, Dst: d.Dst, SrcPort: uint16(d.ID >> 16), DstPort: uint16(d.ID)}, Protocol: d.Protocol}
	hash := f.hasher.hash6(&k)
	return int(scale(uint32(hash), len(f.tags)/setSize)) * setSize, uint32(hash>>32) | 1
}

// find returns the entry of a datagram.
func (f *Fragments) find(d *Datagram, now uint32) (int, bool) {
	first, tag := f.place(d)
	for i := first; i < first+setSize; i++ {
		if f.tags[i] == tag && f.datagrams[i].datagram == *d {
			if f.datagrams[i].expired(now) {
				f.forget(i, FragmentTimeout)
				return 0, false
			}
			return i, true
		}
	}
	return 0, false
}

func (f *Fragments) findOrInsert(d *Datagram, now uint32) int {
	if i, known := f.find(d, now); known {
		return i
	}
	return f.insert(d, now)
}

// insert makes an entry for a datagram that has none, if need be in the place of the oldest of its set.
func (f *Fragments) insert(d *Datagram, now uint32) int {
	first, tag := f.place(d)
	oldest := first
	for i := first; i < first+setSize; i++ {
		if f.tags[i] == 0 {
			oldest = i
			break
		}
		if now-f.datagrams[i].since > now-f.datagrams[oldest].since {
			oldest = i
		}
	}
	f.makeFree(oldest, now)
	f.tags[oldest] = tag
	f.n++
	e := &f.datagrams[oldest]
	e.datagram, e.since, e.queue, e.decided, e.bad = *d, now, chain{}, false, false
	e.seen.n, e.seen.size = 0, 0
	return oldest
}

func (f *Fragments) makeFree(i int, now uint32) {
	switch {
	case f.tags[i] == 0:
	case f.datagrams[i].expired(now):
		f.forget(i, FragmentTimeout)
	default:
		f.evicted++
		f.forget(i, FragmentEvicted)
	}
}

// forgetComplete forgets a datagram all of whose fragments have come.
func (f *Fragments) forgetComplete(i int) {
	if e := &f.datagrams[i]; !e.bad && e.seen.complete() {
		f.forget(i, FragmentForwarded)
	}
}

// forget frees an entry; fragments that wait for it will be dropped for the reason.
func (f *Fragments) forget(i int, reason FragmentVerdict) {
	f.waiting.abandon(&f.datagrams[i].queue, reason)
	f.tags[i] = 0
	f.n--
}
