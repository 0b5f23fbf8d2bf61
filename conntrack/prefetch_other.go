//go:build !amd64 && !arm64

package conntrack

// prefetchLines does nothing: it has no assembly for this architecture.
func prefetchLines(base *byte, offsets *uint64, n int) {}
