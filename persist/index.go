package persist

import "math/bits"

// index finds a shard's records by hash. It is a hash table with linear probing, at most half full.
// An entry has the hash above, and below the record's number + 1; 0 is an empty place.
type index struct {
	entries []uint64 // a power of two
	shift   uint8    // from a hash to its home
}

// placesFor returns the length of the index of n records.
func placesFor(n int) int { return 1 << bits.Len(uint(2*n-1)) }

func newIndex(entries []uint64) index {
	return index{entries, uint8(32 - bits.TrailingZeros(uint(len(entries))))}
}

func (x *index) home(h uint32) int         { return int(h >> x.shift) }
func (x *index) after(place int) int       { return (place + 1) & (len(x.entries) - 1) }
func (x *index) distance(from, to int) int { return (to - from) & (len(x.entries) - 1) }

// find returns the record of a key.
func (s *shard) find(k *Key, h uint32) (uint32, bool) {
	x := &s.index
	for at := x.home(h); x.entries[at] != 0; at = x.after(at) {
		if e := x.entries[at]; uint32(e>>32) == h && s.records[uint32(e)-1].is(k) {
			return uint32(e) - 1, true
		}
	}
	return 0, false
}

func (x *index) insert(h, record uint32) {
	at := x.home(h)
	for x.entries[at] != 0 {
		at = x.after(at)
	}
	x.entries[at] = uint64(h)<<32 | uint64(record+1)
}

// remove removes a record's entry, and moves up those that would be lost behind the gap.
func (x *index) remove(h, record uint32) {
	gap := x.home(h)
	for x.entries[gap] != uint64(h)<<32|uint64(record+1) {
		gap = x.after(gap)
	}
	for at := x.after(gap); x.entries[at] != 0; at = x.after(at) {
		home := x.home(uint32(x.entries[at] >> 32))
		if x.distance(home, at) >= x.distance(gap, at) {
			x.entries[gap] = x.entries[at]
			gap = at
		}
	}
	x.entries[gap] = 0
}
