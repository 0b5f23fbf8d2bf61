package control

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"fulcrum/config"
)

// standing is how the running configuration stands to its file.
type standing struct {
	revision    uint64
	overrides   int
	hash        float64   // of the file's text; 48 bits, which a float64 has exactly
	applied     time.Time // when a file was last applied
	stateFailed bool      // the state folder does not have the last change
}

// standing returns how the running configuration stands to its file.
func (r *Running) standing() standing {
	r.mu.Lock()
	s := standing{revision: r.revision, applied: r.applied}
	base := r.base
	r.mu.Unlock()
	s.overrides, s.hash = r.CountOverrides(), r.hashOf(base)
	s.stateFailed = r.StateProblem() != ""
	return s
}

// hashOf returns 48 bits of the SHA-256 of a file's text. It computes them once a file.
func (r *Running) hashOf(c *config.Config) float64 {
	m := &r.counted
	m.Lock()
	defer m.Unlock()
	if m.hashed != c {
		sum := sha256.Sum256([]byte(c.Text))
		m.hashed, m.hash = c, float64(binary.BigEndian.Uint64(sum[:8])>>16)
	}
	return m.hash
}

// overrideCount remembers the number of overrides of one revision over one file, and the hash of
// one file.
type overrideCount struct {
	sync.Mutex
	base     *config.Config
	revision uint64
	n        int
	hashed   *config.Config
	hash     float64
}

// CountOverrides returns the number of overrides. It counts them once a revision.
func (r *Running) CountOverrides() int {
	c := &r.counted
	c.Lock()
	defer c.Unlock()
	r.mu.Lock()
	base, revision := r.base, r.revision
	r.mu.Unlock()
	if c.base != base || c.revision != revision {
		c.base, c.revision, c.n = base, revision, len(r.Overrides())
	}
	return c.n
}
