//go:build amd64

package conntrack

// Why this is sound: the assembly reads the buckets in which hashes have their home, computed from
// the index's own length, and writes one Ref per hash. It only prefetches the sessions.

import "unsafe"

// prefetchHomes prefetches the home bucket of each hash. There is at least one.
func (t *Table) prefetchHomes(hashes []uint64) {
	prefetchHomes(unsafe.SliceData(t.index.buckets), uint64(len(t.index.buckets)), &hashes[0],
		len(hashes))
}

// candidates returns the candidate of each hash in refs and prefetches the candidates' records.
// There is at least one hash.
func (t *Table) candidates(hashes []uint64, refs []Ref) {
	candidates(unsafe.SliceData(t.index.buckets), uint64(len(t.index.buckets)),
		unsafe.SliceData(t.sessions), &hashes[0], &refs[0], len(hashes))
}

// prefetchPairs prefetches the second cache lines of the candidates that are IPv6 sessions. There
// is at least one candidate, and room for an IPv6 session.
func (t *Table) prefetchPairs(refs []Ref) {
	prefetchPairs(unsafe.SliceData(t.addresses), t.six.first+1, &refs[0], len(refs))
}

//go:noescape
func prefetchPairs(addresses *Addresses6, before uint32, refs *Ref, n int)

//go:noescape
func prefetchHomes(buckets *bucket, size uint64, hashes *uint64, n int)

// candidates is in assembly because the search for a tag ends in a branch in Go. The CPU cannot
// predict that branch, and resolves it only once the bucket has come from memory. At a million
// sessions this cost a quarter of a packet's time.
//
//go:noescape
func candidates(buckets *bucket, size uint64, sessions *Session, hashes *uint64, refs *Ref, n int)
