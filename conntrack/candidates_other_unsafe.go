//go:build !amd64

package conntrack

// Why this is sound: buckets and sessions are only prefetched, at offsets of buckets of the index,
// and of records that it refers to.

import "unsafe"

// prefetchHomes prefetches the home bucket of each hash. There is at least one.
func (t *Table) prefetchHomes(hashes []uint64) {
	var offsets [MaxProbe]uint64
	for i, h := range hashes {
		offsets[i] = uint64(t.index.home(h)) * uint64(unsafe.Sizeof(bucket{}))
	}
	prefetchLines((*byte)(unsafe.Pointer(unsafe.SliceData(t.index.buckets))), &offsets[0], len(hashes))
}

// candidates returns the candidate of each hash in refs and prefetches the candidates' records.
// There is at least one hash.
func (t *Table) candidates(hashes []uint64, refs []Ref) {
	var offsets [MaxProbe]uint64
	n := 0
	for i, h := range hashes {
		refs[i] = t.index.candidate(h)
		if refs[i] != 0 {
			offsets[n] = uint64(refs[i].Slot()) * uint64(unsafe.Sizeof(Session{}))
			n++
		}
	}
	prefetchLines((*byte)(unsafe.Pointer(unsafe.SliceData(t.sessions))), &offsets[0], n)
}

// prefetchPairs prefetches the second cache lines of the candidates that are IPv6 sessions.
func (t *Table) prefetchPairs(refs []Ref) {
	var offsets [MaxProbe]uint64
	n := 0
	for _, r := range refs {
		if r != 0 && t.Is6(r.Slot()) {
			offsets[n] = uint64(r.Slot()-t.six.first) * uint64(unsafe.Sizeof(Addresses6{}))
			n++
		}
	}
	prefetchLines((*byte)(unsafe.Pointer(unsafe.SliceData(t.addresses))), &offsets[0], n)
}
