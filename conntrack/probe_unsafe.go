package conntrack

// Why this is sound: the addresses are only prefetched, which reads nothing that Go can see and cannot fault, and they
// lie in the table's own mapping.

import "unsafe"

// MaxProbe is how many hashes one Probe takes.
const MaxProbe = 64

// Probe finds, for each hash, the session that probably belongs to it, or zero: what Candidate does, for a whole
// burst of both families, so that the cache lines of the index are fetched together and then those of the sessions. len(refs) is
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
	if t.six.count != 0 {
		t.foreseeAddresses(offsets[:0], refs)
	}
}

// foreseeAddresses asks for the second cache lines of the candidates that are IPv6 sessions. Offsets has room for all of them.
func (t *Table) foreseeAddresses(offsets []uint64, refs []Ref) {
	for _, r := range refs {
		if r != 0 && t.Is6(r.Slot()) {
			offsets = append(offsets, uint64(r.Slot()-t.six.first)*uint64(unsafe.Sizeof(Addresses6{})))
		}
	}
	prefetch((*byte)(unsafe.Pointer(unsafe.SliceData(t.addresses))), unsafe.SliceData(offsets), len(offsets))
}

// Foresee asks for the cache line in which a hash will be looked up soon.
func (t *Table) Foresee(hash uint64) {
	offset := uint64(t.index.home(hash)) * uint64(unsafe.Sizeof(bucket{}))
	prefetch((*byte)(unsafe.Pointer(unsafe.SliceData(t.index.buckets))), &offset, 1)
}

// foreseeSlot asks for the cache lines of the session in a slot.
func (t *Table) foreseeSlot(slot uint32) {
	offset := uint64(slot) * uint64(unsafe.Sizeof(Session{}))
	prefetch((*byte)(unsafe.Pointer(unsafe.SliceData(t.sessions))), &offset, 1)
	if t.Is6(slot) {
		offset = uint64(slot-t.six.first) * uint64(unsafe.Sizeof(Addresses6{}))
		prefetch((*byte)(unsafe.Pointer(unsafe.SliceData(t.addresses))), &offset, 1)
	}
}
