package conntrack

import "math/bits"

const (
	bucketEntries = 10
	// maxKicks bounds how many entries an insertion moves. At a load of three quarters with two
	// buckets of ten, one move is already rare.
	maxKicks = 32
)

// bucket is one cache line of the index. Its entries are the first ones, without a gap, so that a
// new one needs no search for its place.
type bucket struct {
	tags      [bucketEntries]uint16 // 0 is a free entry
	displaced uint16                // entries with their home here that lie in their other bucket
	used      uint8                 // number of entries
	kick      uint8                 // the entry that insertAway moves next
	refs      [bucketEntries]Ref
}

// add adds an entry. It returns false if the bucket is full.
func (b *bucket) add(tag uint16, ref Ref) bool {
	i := b.used
	if i >= bucketEntries {
		return false
	}
	b.tags[i], b.refs[i] = tag, ref
	b.used = i + 1
	return true
}

// take removes entry i. The last entry takes its place.
func (b *bucket) take(i int) {
	b.used--
	b.tags[i], b.refs[i] = b.tags[b.used], b.refs[b.used]
	b.tags[b.used], b.refs[b.used] = 0, 0
}

// having returns bit i for each entry i with the tag, which is not 0. The lowest bit is always
// right. A higher bit may also stand for a tag that differs in its last bit: a caller that needs
// more than the first entry has to compare. having compares four tags at a time, without a branch:
// a mispredicted branch costs more than all the comparisons.
func (b *bucket) having(tag uint16) uint32 {
	t, same := &b.tags, uint64(tag)*lanes
	low := uint64(t[0]) | uint64(t[1])<<16 | uint64(t[2])<<32 | uint64(t[3])<<48
	mid := uint64(t[4]) | uint64(t[5])<<16 | uint64(t[6])<<32 | uint64(t[7])<<48
	high := uint64(t[8]) | uint64(t[9])<<16
	found := zeros(low^same)>>15 | zeros(mid^same)>>11 | zeros(high^same)>>7
	return uint32(found*gather>>48) & (1<<bucketEntries - 1)
}

const (
	lanes = 0x0001_0001_0001_0001 // four numbers of 16 bits in one
	tops  = 0x8000 * lanes
	// gather is a factor that moves the bits 16i+4j next to each other, to bit 48+i+4j. Every
	// product of two of their powers has its own place, so nothing carries.
	gather = 1<<48 | 1<<33 | 1<<18 | 1<<3
)

// zeros returns the top bit of each 16-bit lane of v that is zero. It may also return that of a
// lane of value 1 above a zero, because the subtraction borrows from it.
func zeros(v uint64) uint64 { return (v - lanes) &^ v & tops }

// index maps hashes to Refs. The keys are in the sessions, and a candidate has to be confirmed
// there.
type index struct {
	buckets []bucket
}

// bucketsFor returns how many buckets n entries need at a load of three quarters.
func bucketsFor(n int) int { return n*4/(3*bucketEntries) + 2 }

// tagOf takes the hash's highest bits; the bucket comes from its lowest 32.
func tagOf(hash uint64) uint16 {
	if tag := uint16(hash >> 48); tag != 0 {
		return tag
	}
	return 1
}

// scale maps a 32-bit number evenly onto [0, n).
func scale(v uint32, n int) uint32 {
	return uint32(uint64(v) * uint64(n) >> 32)
}

func (x *index) home(hash uint64) uint32 { return scale(uint32(hash), len(x.buckets)) }

// other returns the second bucket of an entry from its tag and its first, and vice versa.
func (x *index) other(b uint32, tag uint16) uint32 {
	m := scale(uint32(tag)*0x9e3779b1, len(x.buckets))
	if m >= b {
		return m - b
	}
	return m - b + uint32(len(x.buckets))
}

// candidate returns the first entry of the home bucket that has the hash's tag, or zero.
func (x *index) candidate(hash uint64) Ref {
	b := &x.buckets[x.home(hash)]
	if m := b.having(tagOf(hash)); m != 0 {
		return b.refs[bits.TrailingZeros32(m)]
	}
	return 0
}

// entry is a position in the index.
type entry struct {
	bucket uint32
	i      int
}

// find calls match for each entry with the hash's tag until match returns true.
func (x *index) find(hash uint64, match func(Ref) bool) (entry, bool) {
	home, tag := x.home(hash), tagOf(hash)
	if e, ok := x.findIn(home, tag, match); ok {
		return e, true
	}
	if x.buckets[home].displaced == 0 {
		return entry{}, false
	}
	return x.findIn(x.other(home, tag), tag, match)
}

// lacks reports that the index has no entry for a hash, at a fraction of the cost of find. It may
// also return false for a hash without entry.
func (x *index) lacks(hash uint64) bool {
	b := &x.buckets[x.home(hash)]
	return b.displaced == 0 && b.having(tagOf(hash)) == 0
}

func (x *index) findIn(b uint32, tag uint16, match func(Ref) bool) (entry, bool) {
	bk := &x.buckets[b]
	for m := bk.having(tag); m != 0; m &= m - 1 {
		if i := bits.TrailingZeros32(m); match(bk.refs[i]) {
			return entry{b, i}, true
		}
	}
	return entry{}, false
}

// insertHome adds an entry to its home bucket. It returns false when that is full: then insertAway
// may have a place.
func (x *index) insertHome(hash uint64, ref Ref) bool {
	return x.buckets[x.home(hash)].add(tagOf(hash), ref)
}

// insertAway adds an entry whose home bucket is full to its other bucket. rehash returns the hash
// of the key that a Ref refers to. insertAway returns false when that bucket is full too and no
// other entry can be moved.
func (x *index) insertAway(hash uint64, ref Ref, rehash func(Ref) uint64) bool {
	home, tag := x.home(hash), tagOf(hash)
	away := x.other(home, tag)
	if bk := &x.buckets[away]; !bk.add(tag, ref) {
		if !x.makeRoom(away, rehash) {
			return false
		}
		bk.add(tag, ref)
	}
	if away != home {
		x.buckets[home].displaced++
	}
	return true
}

// makeRoom frees one entry of bucket b by moving entries to their other buckets. It first looks for
// a chain of moves that ends in a bucket with a free entry. Then it moves from the chain's end, so
// that a failure loses nothing. No bucket occurs twice in a chain.
func (x *index) makeRoom(b uint32, rehash func(Ref) uint64) bool {
	var moves [maxKicks]entry
	chain := moves[:0]
	for range maxKicks {
		bk := &x.buckets[b]
		i := int(bk.kick) % bucketEntries
		bk.kick++
		next := x.other(b, bk.tags[i])
		if next == b || passes(chain, next) {
			continue
		}
		chain = append(chain, entry{b, i})
		if x.hasRoom(next) {
			x.moveAlong(chain, rehash)
			return true
		}
		b = next
	}
	return false
}

func passes(chain []entry, b uint32) bool {
	for _, e := range chain {
		if e.bucket == b {
			return true
		}
	}
	return false
}

func (x *index) hasRoom(b uint32) bool { return x.buckets[b].used < bucketEntries }

func (x *index) moveAlong(chain []entry, rehash func(Ref) uint64) {
	for n := len(chain) - 1; n >= 0; n-- {
		x.move(chain[n], rehash)
	}
}

// move moves an entry to its other bucket, which is a different one and has a free entry.
func (x *index) move(e entry, rehash func(Ref) uint64) {
	bk := &x.buckets[e.bucket]
	tag, ref := bk.tags[e.i], bk.refs[e.i]
	to := x.other(e.bucket, tag)
	bk.take(e.i)
	x.buckets[to].add(tag, ref)
	if home := x.home(rehash(ref)); home == e.bucket {
		x.buckets[home].displaced++
	} else {
		x.buckets[home].displaced--
	}
}

// remove frees an entry found under hash.
func (x *index) remove(hash uint64, e entry) {
	x.buckets[e.bucket].take(e.i)
	if home := x.home(hash); home != e.bucket {
		x.buckets[home].displaced--
	}
}
