//go:build !amd64

package conntrack

// Why this is sound: the sessions are only prefetched, at offsets of records that the index refers to.

import "unsafe"

// candidates finds the candidate of each hash, and asks for the candidates' cache lines. Offsets are overwritten.
func (t *Table) candidates(offsets, hashes []uint64, refs []Ref) {
	n := 0
	for i, h := range hashes {
		refs[i] = t.index.candidate(h)
		if refs[i] != 0 {
			offsets[n] = uint64(refs[i].Slot()) * uint64(unsafe.Sizeof(Session{}))
			n++
		}
	}
	prefetch((*byte)(unsafe.Pointer(unsafe.SliceData(t.sessions))), &offsets[0], n)
}
