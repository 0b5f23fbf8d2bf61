//go:build amd64 || arm64

package conntrack

// prefetch asks for the cache lines at base plus each of n offsets, in bytes, without waiting for them.
//
//go:noescape
func prefetch(base *byte, offsets *uint64, n int)
