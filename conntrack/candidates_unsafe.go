//go:build amd64

package conntrack

// Why this is sound: the assembly reads the buckets at the offsets, which Probe made from the index's own length, and
// writes a Ref for each of the hashes; sessions are only prefetched.

import "unsafe"

// candidates finds the candidate of each hash, whose home bucket is at the offset in bytes, and asks for the candidates'
// cache lines. There is one hash at least.
func (t *Table) candidates(offsets, hashes []uint64, refs []Ref) {
	candidates(unsafe.SliceData(t.index.buckets), unsafe.SliceData(t.sessions), &offsets[0], &hashes[0], &refs[0], len(hashes))
}

// candidates does it in assembly: in Go the search for a tag ends in a branch that nobody can foresee, and that is known only
// once the bucket has come from memory; at a million sessions it cost a quarter of a packet's time.
//
//go:noescape
func candidates(buckets *bucket, sessions *Session, offsets, hashes *uint64, refs *Ref, n int)
