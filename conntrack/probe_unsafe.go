package conntrack

// Why this is sound: the addresses are only prefetched, which reads nothing that Go can see and cannot fault, and they
// lie in the table's own mapping.

import "unsafe"

// MaxProbe is how many hashes one Probe takes.
const MaxProbe = 64

// Probe finds, for each hash, the session that probably belongs to it, or zero: what Candidate does, for a whole
// burst, so that the cache lines of the index are fetched together and then those of the sessions. len(refs) is
// len(hashes), which is at most MaxProbe.
func (t *Table) Probe(hashes []uint64, refs []Ref) {
	if len(hashes) == 0 {
		return
	}
	var offsets [MaxProbe]uint64
	for i, h := range hashes {
		offsets[i] = uint64(t.index.home(h)) * uint64(unsafe.Sizeof(bucket{}))
	}
	prefetch((*byte)(unsafe.Pointer(unsafe.SliceData(t.index.buckets))), &offsets[0], len(hashes))
	t.candidates(offsets[:len(hashes)], hashes, refs)
}

// Foresee asks for the cache line in which a hash will be looked up soon.
func (t *Table) Foresee(hash uint64) {
	offset := uint64(t.index.home(hash)) * uint64(unsafe.Sizeof(bucket{}))
	prefetch((*byte)(unsafe.Pointer(unsafe.SliceData(t.index.buckets))), &offset, 1)
}

// foreseeSlot asks for the cache line of the session in a slot.
func (t *Table) foreseeSlot(slot uint32) {
	offset := uint64(slot) * uint64(unsafe.Sizeof(Session4{}))
	prefetch((*byte)(unsafe.Pointer(unsafe.SliceData(t.sessions))), &offset, 1)
}
