//go:build amd64

package conntrack

// Why this is sound: the assembly reads the buckets at the offsets, which Probe computes from the
// index's own length, and writes one Ref per hash. It only prefetches the sessions.

import "unsafe"

// candidates returns the candidate of each hash in refs and prefetches the candidates' records.
// offsets are the hashes' home buckets, in bytes. There is at least one hash.
func (t *Table) candidates(offsets, hashes []uint64, refs []Ref) {
	candidates(unsafe.SliceData(t.index.buckets), unsafe.SliceData(t.sessions), &offsets[0],
		&hashes[0], &refs[0], len(hashes))
}

// candidates is in assembly because the search for a tag ends in a branch in Go. The CPU cannot
// predict that branch, and resolves it only once the bucket has come from memory. At a million
// sessions this cost a quarter of a packet's time.
//
//go:noescape
func candidates(buckets *bucket, sessions *Session, offsets, hashes *uint64, refs *Ref, n int)
