//go:build amd64 || arm64

package conntrack

// prefetchLines prefetches the cache lines at base plus each of n offsets, in bytes. It does not
// wait for them.
//
//go:noescape
func prefetchLines(base *byte, offsets *uint64, n int)
