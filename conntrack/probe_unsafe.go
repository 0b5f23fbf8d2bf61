package conntrack

// Why this is sound: the addresses are only prefetched. That reads nothing that Go can see and
// cannot fault, and the addresses lie in the table's own mapping.

import "unsafe"

// MaxProbe is the greatest number of hashes for one Probe.
const MaxProbe = 64

// PrefetchHomes prefetches the cache lines of the index that Probe reads for the hashes, at most
// MaxProbe. They arrive while the caller does something else.
func (t *Table) PrefetchHomes(hashes []uint64) {
	if len(hashes) != 0 {
		t.prefetchHomes(hashes)
	}
}

// Probe returns in refs, for each hash, the session that probably belongs to it, or zero: the
// result of Candidate, for a burst of both families. It prefetches the cache lines of those
// sessions. len(refs) must equal len(hashes), at most MaxProbe.
func (t *Table) Probe(hashes []uint64, refs []Ref) {
	if len(hashes) == 0 {
		return
	}
	t.candidates(hashes, refs)
	if t.six.count != 0 {
		t.prefetchPairs(refs)
	}
}

// Prefetch prefetches the cache line of the index in which the hash will be looked up soon.
func (t *Table) Prefetch(hash uint64) {
	offset := uint64(t.index.home(hash)) * uint64(unsafe.Sizeof(bucket{}))
	prefetchLines((*byte)(unsafe.Pointer(unsafe.SliceData(t.index.buckets))), &offset, 1)
}

// prefetchSlot prefetches the cache lines of the session in a slot.
func (t *Table) prefetchSlot(slot uint32) {
	offset := uint64(slot) * uint64(unsafe.Sizeof(Session{}))
	prefetchLines((*byte)(unsafe.Pointer(unsafe.SliceData(t.sessions))), &offset, 1)
	if t.Is6(slot) {
		offset = uint64(slot-t.six.first) * uint64(unsafe.Sizeof(Addresses6{}))
		prefetchLines((*byte)(unsafe.Pointer(unsafe.SliceData(t.addresses))), &offset, 1)
	}
}
