package engine

import (
	"math/bits"

	"fulcrum/packet"
)

// A fullnat session belongs to the worker that owns its local port: answers come to that one, and
// no other chooses the port for another session. With the number of workers that it began with, its
// client's packets come there too. With another number they may come to another worker, and the
// local port cannot change. The same goes for a nat session whose service has another mode now, in
// which the receiver owns the flows. So a director that takes such sessions over remembers at which
// worker they are, for as long as one of them lives. It is a former rule (former.go): only packets
// without session at their receiver ask for it, and new sessions begin at their owners.

// stray is a session that its client's packets do not reach by the rule.
type stray struct {
	hash uint64 // of its client's packets
	home int    // the worker that has it
}

// strays finds the workers of stray sessions. It never changes. By chance, once in some 2^40 times,
// it names a worker for a flow that is none; such a packet comes back.
type strays struct {
	hasher packet.Hasher
	places []uint64 // the lower part of the hash, and the worker's number plus 1; 0 is empty
}

// homeBits is how many bits of a place hold a worker.
const homeBits = 16

// newStrays returns a table of strays; nil of none. hasher is that of their hashes.
func newStrays(hasher packet.Hasher, all []stray) *strays {
	if len(all) == 0 {
		return nil
	}
	t := &strays{hasher: hasher, places: make([]uint64, len(all)+len(all)/3+1)}
	for _, s := range all {
		i := t.start(s.hash)
		for t.places[i] != 0 {
			i = t.next(i)
		}
		t.places[i] = s.hash<<homeBits | uint64(s.home+1)
	}
	return t
}

// start returns the first place of a hash, by its upper part.
func (t *strays) start(hash uint64) int {
	i, _ := bits.Mul64(hash, uint64(len(t.places)))
	return int(i)
}

func (t *strays) next(i int) int {
	if i++; i == len(t.places) {
		return 0
	}
	return i
}

// home returns the worker that may have the session of a client's packet, if it is a stray one.
func (t *strays) home(k *packet.Key) (worker int, ok bool) {
	if t == nil {
		return 0, false
	}
	hash := t.hasher.Hash(k)
	for i := t.start(hash); t.places[i] != 0; i = t.next(i) {
		if t.places[i]>>homeBits == hash&(1<<(64-homeBits)-1) {
			return int(t.places[i]&(1<<homeBits-1)) - 1, true
		}
	}
	return 0, false
}

// findStrays has the workers find stray sessions until the last has ended.
func (c *change) findStrays(t *strays) {
	r := c.registry
	if t != nil {
		r.strays, r.straysAt, c.changed = t, r.revision+1, true
	}
}
