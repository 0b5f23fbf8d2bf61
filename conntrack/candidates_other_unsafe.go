//go:build !amd64

package conntrack

// Why this is sound: the sessions are only prefetched, at offsets of records that the index refers
// to.

import "unsafe"

// candidates returns the candidate of each hash in refs and prefetches the candidates' records. It
// overwrites offsets. There is at least one hash.
func (t *Table) candidates(offsets, hashes []uint64, refs []Ref) {
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
