package conntrack

import (
	"slices"

	"fulcrum/packet"
)

// Datagram identifies a datagram: its fragments have these fields in common (RFC 791, 2.3; RFC
// 8200, 4.5).
type Datagram struct {
	Src, Dst packet.Addr // of the IP header
	ID       uint32      // the identification, 16 bits in IPv4
	Protocol uint8       // of IPv4; 0 in IPv6, where fragments may differ in it
}

// Decision is how a datagram's first fragment, which has the ports, was forwarded. The other
// fragments are forwarded in the same way.
type Decision struct {
	SrcPort, DstPort uint16 // in the machine's byte order
	Note             uint32 // the caller's own; conntrack does not read it
	Protocol         uint8  // of the transport header, an IP protocol number
}

// How long the fragments of a datagram may take, in ms: IPv4 as net.ipv4.ipfrag_time, IPv6 by RFC
// 8200, 4.5. holdTimeout is how long a fragment waits for the first of its datagram.
const (
	fragmentTimeout4 = 30_000
	fragmentTimeout6 = 60_000
	holdTimeout      = 1_000
)

// setSize is the number of datagrams in one set, that is for one hash.
const setSize = 8

// Fragments remembers datagrams whose fragments have only partly passed. Like a Table it belongs to
// one worker and takes the time as an argument. Once made, it neither allocates nor blocks. It
// holds no packets. The caller asks what to do with each fragment and keeps a held one at the
// returned place. When the table returns that place again, the caller forwards or drops the
// fragment.
//
// A datagram is found by hash in a set of a few. When the set is full, a new datagram evicts
// another. A complete datagram is forgotten at once, so that its identification may be used again.
type Fragments struct {
	tags      []uint32 // of the hash, by entry; 0 is a free one
	sources   []uint32 // by entry
	datagrams []fragmented
	proofs    proofs
	waiting   waiting
	hasher    packet.Hasher
	n         int
	evicted   uint64
	last      uint32 // time of the last call of Expire, ms
	swept     int    // set that Expire looks at next
}

// fragmented is a datagram in the table. It takes two cache lines.
type fragmented struct {
	datagram Datagram
	decision Decision
	since    uint32 // when its earliest fragment came, ms
	queue    chain  // fragments that came before the first
	progress progress
	standing standing // of its source, when the earliest fragment came
	seen     coverage
}

// progress says how far a datagram has come.
type progress uint8

const (
	awaited progress = iota // its first fragment has not come yet
	decided
	bad // fragments have overlapped
)

// NewFragments returns a table for about the given number of datagrams at a time. The seed makes
// hashing repeatable in tests; 0 draws a secret.
func NewFragments(datagrams int, seed uint64) *Fragments {
	n := max(1, (datagrams+setSize-1)/setSize) * setSize
	f := &Fragments{
		tags: make([]uint32, n), sources: make([]uint32, n), datagrams: make([]fragmented, n),
		hasher: newHasher(seed),
	}
	f.waiting.freeAll()
	return f
}

// Len returns how many datagrams are remembered.
func (f *Fragments) Len() int { return f.n }

// Waiting returns how many fragments wait for their datagram's first.
func (f *Fragments) Waiting() int { return f.waiting.n }

// Evicted returns how many datagrams were evicted for others before their timeout.
func (f *Fragments) Evicted() uint64 { return f.evicted }

// First returns what to do with a datagram's first fragment (offset 0), for which the caller has
// made the decision v: forward it, or drop it for the returned reason. It appends the fragments
// that waited for this one to released, in the order of their arrival, at most MaxQueued. Their
// places are free from then on.
func (f *Fragments) First(
	d *Datagram, p Piece, v Decision, now uint32, released []Place,
) ([]Place, FragmentVerdict) {
	// A first fragment without others is a whole datagram (RFC 6946).
	if fault := p.fault(); fault != FragmentForwarded || !p.More {
		return released, fault
	}
	i := f.findOrInsert(d, now)
	e := &f.datagrams[i]
	if verdict := f.see(e, p); verdict != FragmentForwarded {
		return released, verdict
	}
	e.decision, e.progress = v, decided
	for e.queue.n > 0 {
		released = append(released, f.waiting.pop(&e.queue))
	}
	f.forgetComplete(i, now)
	return released, FragmentForwarded
}

// Decide replaces the decision for the later fragments of a datagram whose first was forwarded. It
// has no effect once all fragments have come.
func (f *Fragments) Decide(d *Datagram, v Decision, now uint32) {
	if i, known := f.find(d, now); known && f.datagrams[i].progress == decided {
		f.datagrams[i].decision = v
	}
}

// Later returns what to do with another fragment (offset not 0): forward it by the returned
// Decision, keep it as the returned Hold says, or drop it for the returned reason. First, Expire or
// a Hold returns the place of a held fragment again.
func (f *Fragments) Later(d *Datagram, p Piece, now uint32) (Decision, Hold, FragmentVerdict) {
	if fault := p.fault(); fault != FragmentForwarded {
		return Decision{}, Hold{}, fault
	}
	i, known := f.find(d, now)
	switch {
	case known && f.datagrams[i].progress != awaited:
		return f.follow(i, p, now)
	case known && f.datagrams[i].queue.n == MaxQueued:
		return Decision{}, Hold{}, FragmentQueueFull
	case !known:
		i = f.insert(d, now)
	}
	if verdict := f.see(&f.datagrams[i], p); verdict != FragmentForwarded {
		return Decision{}, Hold{}, verdict
	}
	return Decision{}, f.hold(i, now), FragmentHeld
}

// follow is Later for a datagram whose first fragment has come, or whose fragments overlapped.
func (f *Fragments) follow(i int, p Piece, now uint32) (Decision, Hold, FragmentVerdict) {
	e := &f.datagrams[i]
	v, verdict := e.decision, f.see(e, p)
	f.forgetComplete(i, now)
	return v, Hold{}, verdict
}

// hold finds a place for a fragment of entry i. If all are taken, another fragment gives way.
func (f *Fragments) hold(i int, now uint32) Hold {
	var h Hold
	if f.waiting.full() {
		h.Displaced = f.displace(i)
	}
	h.Place = f.waiting.push(&f.datagrams[i], uint32(i), f.sources[i], now)
	return h
}

// displace frees the place of a fragment that gives way to one of entry i, and returns why that
// fragment is dropped. The place is the next that push takes.
func (f *Fragments) displace(i int) FragmentVerdict {
	if f.waiting.abandoned.n > 0 {
		_, reason := f.waiting.takeAbandoned()
		return reason
	}
	// The oldest place of a source or a standing is the first in its datagram's queue.
	at := int(f.waiting.places[f.waiting.victim()].datagram)
	f.waiting.pop(&f.datagrams[at].queue)
	if at != i {
		f.forgetEmpty(at)
	}
	return FragmentQueueFull
}

// see records a fragment's bytes, or returns why the fragment is dropped. After an overlap all
// fragments of the datagram are dropped (RFC 5722), also those that wait.
func (f *Fragments) see(e *fragmented, p Piece) FragmentVerdict {
	if e.progress == bad {
		return FragmentOverlap
	}
	verdict := e.seen.add(p)
	if verdict == FragmentOverlap {
		e.progress, e.standing = bad, unproven
		f.waiting.abandon(&e.queue, FragmentOverlap)
	}
	return verdict
}

// Expire ends the wait of fragments that have waited too long or whose datagram has been abandoned.
// It also forgets datagrams after their timeout. It appends the fragments to dropped, at most
// MaxWaiting; their places are free from then on. One call does a bounded amount of work, and calls
// within the same millisecond do it once. now is in ms, as in Table.
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
	for f.waiting.abandoned.n > 0 {
		at, reason := f.waiting.takeAbandoned()
		dropped = append(dropped, Dropped{at, reason})
	}
	for s := range f.waiting.ages {
		for oldest := &f.waiting.ages[s]; oldest.n > 0; {
			w := &f.waiting.places[oldest.first-1]
			if now-w.since < holdTimeout {
				break
			}
			at := int(w.datagram)
			dropped = append(dropped, Dropped{f.waiting.pop(&f.datagrams[at].queue), FragmentTimeout})
			f.forgetEmpty(at)
		}
	}
	return dropped
}

// expired reports whether the datagram's timeout has passed.
func (e *fragmented) expired(now uint32) bool {
	timeout := uint32(fragmentTimeout6)
	if e.datagram.Src.Is4() {
		timeout = fragmentTimeout4
	}
	return now-e.since >= timeout
}

// place returns the set of a datagram and its tag.
func (f *Fragments) place(d *Datagram) (first int, tag uint32) {
	k := Key{Flow: Flow{Src: d.Src, Dst: d.Dst, SrcPort: uint16(d.ID >> 16), DstPort: uint16(d.ID)},
		Protocol: d.Protocol}
	hash := f.hasher.Hash(&k)
	return int(scale(uint32(hash), len(f.tags)/setSize)) * setSize, uint32(hash>>32) | 1
}

// find returns the entry of a datagram. It forgets an expired one.
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

// insert makes an entry for a new datagram. In a full set it replaces another.
func (f *Fragments) insert(d *Datagram, now uint32) int {
	first, tag := f.place(d)
	i := slices.Index(f.tags[first:first+setSize], 0)
	if i >= 0 {
		i += first
	} else {
		i = f.victim(first, now)
		f.evict(i, now)
	}
	source := f.sourceOf(d)
	f.tags[i], f.sources[i] = tag, source
	f.n++
	e := &f.datagrams[i]
	e.datagram, e.since, e.queue, e.progress = *d, now, chain{}, awaited
	e.standing = f.proofs.standing(source, now)
	e.seen.n, e.seen.size = 0, 0
	return i
}

func (f *Fragments) evict(i int, now uint32) {
	if f.datagrams[i].expired(now) {
		f.forget(i, FragmentTimeout)
		return
	}
	f.evicted++
	f.forget(i, FragmentEvicted)
}

// forgetComplete forgets a datagram if all of its fragments have come. That proves its source.
func (f *Fragments) forgetComplete(i int, now uint32) {
	if e := &f.datagrams[i]; e.progress == decided && e.seen.complete() {
		f.proofs.note(f.sources[i], now)
		f.forget(i, FragmentForwarded)
	}
}

// forgetEmpty forgets a datagram of which no fragment waits any more and none has been forwarded:
// its entry would be of use to no one.
func (f *Fragments) forgetEmpty(i int) {
	if e := &f.datagrams[i]; e.queue.n == 0 && e.progress == awaited {
		f.forget(i, FragmentForwarded)
	}
}

// forget frees an entry. Fragments that wait for it will be dropped for the given reason.
func (f *Fragments) forget(i int, reason FragmentVerdict) {
	f.waiting.abandon(&f.datagrams[i].queue, reason)
	f.tags[i] = 0
	f.n--
}
