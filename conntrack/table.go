package conntrack

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Config describes a Table.
type Config struct {
	Max      int      // sessions at the same time, at most MaxSessions
	Timeouts Timeouts // by state
	// Huge asks for huge pages; plain ones are taken, with a note, where there are none.
	Huge bool
	// Ended is called for each session that ends, just before its record is freed. It must not
	// call the table.
	Ended func(*Session4)
	// Seed makes hashing repeatable in tests; 0 draws a secret.
	Seed uint64
}

// Validate reports what is wrong with the configuration.
func (c *Config) Validate() error {
	if c.Max < 1 || c.Max > MaxSessions {
		return fmt.Errorf("session table: %d sessions; it can hold 1 to %d", c.Max, MaxSessions)
	}
	if c.Ended == nil {
		return errors.New("session table: nobody is told when a session ends")
	}
	return nil
}

// Table holds the sessions of one worker.
type Table struct {
	sessions []Session4
	wake     []uint16 // tick at which the session is looked at; 0 for a free slot
	index    index
	hasher   hasher
	timeouts Timeouts
	ended    func(*Session4)

	count    int    // live sessions
	fresh    uint32 // slots from here on have never been used
	freeList uint32 // slot + 1 of the first free used slot; 0 is none
	halfOpen queue
	evicted  uint64
	sweep    sweep
	notes    []string
	memory   []byte // the mapping that the slices lie in
}

// New maps a table's memory.
func New(cfg Config) (*Table, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := &Table{timeouts: cfg.Timeouts, ended: cfg.Ended, hasher: newHasher(cfg.Seed)}
	if err := t.mapMemory(cfg.Max, cfg.Huge); err != nil {
		return nil, fmt.Errorf("session table for %d sessions: %w; lower session.max", cfg.Max, err)
	}
	return t, nil
}

func newHasher(seed uint64) hasher {
	if seed == 0 {
		return hasher{rand.Uint64(), rand.Uint64()}
	}
	return hasher{seed, seed * 0x9e3779b97f4a7c15}
}

// Notes says what could not be had, such as huge pages.
func (t *Table) Notes() []string { return t.notes }

// Len returns how many sessions there are.
func (t *Table) Len() int { return t.count }

// Cap returns how many sessions there can be.
func (t *Table) Cap() int { return len(t.sessions) }

// At returns the session in a slot.
func (t *Table) At(slot uint32) *Session4 { return &t.sessions[slot] }

// Hash returns the hash under which a key is looked up.
func (t *Table) Hash(k *Key4) uint64 { return t.hasher.hash(k) }

// Candidate returns the session that probably belongs to a hash, or zero. Only its home bucket is
// read. Confirm tells whether it does.
func (t *Table) Candidate(hash uint64) Ref { return t.index.candidate(hash) }

// Confirm reports whether ref refers to the flow with the key. ref may be older than changes to
// the table.
func (t *Table) Confirm(ref Ref, k *Key4) bool {
	return ref != 0 && t.sessions[ref.Slot()].matches(ref.Direction(), k)
}

// Lookup finds the session and direction of a key, whose hash the caller has.
func (t *Table) Lookup(hash uint64, k *Key4) (Ref, bool) {
	e, ok := t.index.find(hash, func(r Ref) bool { return t.Confirm(r, k) })
	if !ok {
		return 0, false
	}
	return t.index.buckets[e.bucket].refs[e.i], true
}

// Result says how an insertion went.
type Result uint8

const (
	Inserted  Result = iota
	Full             // no room, and no half-open session to evict
	FlowTaken        // another session's answers already come on the outbound flow
)

// Insert makes a session in state None whose packets from the client have the key in, with its hash. If twoWay,
// answers with the flow out pass the director too. No session may have the key in. A full table
// ends its oldest half-open session to make room.
func (t *Table) Insert(in *Key4, hash uint64, out Flow4, twoWay bool, now uint32) (uint32, Result) {
	outKey, outHash := Key4{Flow4: out, Protocol: in.Protocol}, uint64(0)
	if twoWay {
		outHash = t.Hash(&outKey)
		if _, taken := t.Lookup(outHash, &outKey); taken {
			return 0, FlowTaken
		}
	}
	slot, ok := t.allocate()
	if !ok {
		return 0, Full
	}
	s := &t.sessions[slot]
	s.begin(in, out, now)
	if !t.index.insert(hash, makeRef(slot, Inbound), t.rehash) {
		t.release(slot)
		return 0, Full
	}
	if twoWay {
		s.Flags |= TwoWay
		if !t.index.insert(outHash, makeRef(slot, Outbound), t.rehash) {
			s.Flags &^= TwoWay
			t.unindex(hash, makeRef(slot, Inbound))
			t.release(slot)
			return 0, Full
		}
	}
	t.count++
	t.arm(slot, now)
	return slot, Inserted
}

// End ends a session.
func (t *Table) End(slot uint32) { t.end(slot, t.hashesOf(slot)) }

// flowHashes are the hashes of a session's flows; out is only used if answers pass.
type flowHashes struct{ in, out uint64 }

func (t *Table) hashesOf(slot uint32) (h flowHashes) {
	h.in = t.rehash(makeRef(slot, Inbound))
	if t.sessions[slot].Flags&TwoWay != 0 {
		h.out = t.rehash(makeRef(slot, Outbound))
	}
	return h
}

// end is End for who knows the hashes.
func (t *Table) end(slot uint32, h flowHashes) {
	s := &t.sessions[slot]
	t.unindex(h.in, makeRef(slot, Inbound))
	if s.Flags&TwoWay != 0 {
		t.unindex(h.out, makeRef(slot, Outbound))
	}
	t.ended(s)
	t.count--
	t.release(slot)
}

// EndAll ends every session. It takes the records in the order of memory and empties the index as a whole: one by one, a hundred
// million sessions would take half a minute.
func (t *Table) EndAll() {
	for slot := range t.fresh {
		s := &t.sessions[slot]
		if s.Live() {
			t.ended(s)
		}
		s.Flags = 0
	}
	clear(t.index.buckets)
	clear(t.wake[:t.fresh])
	t.count, t.fresh, t.freeList, t.sweep.next = 0, 0, 0, 0
	t.halfOpen.head, t.halfOpen.n = 0, 0
}

// rehash returns the hash of the flow that an index entry stands for.
func (t *Table) rehash(r Ref) uint64 {
	s := &t.sessions[r.Slot()]
	k := Key4{Flow4: *s.flow(r.Direction()), Protocol: s.Protocol}
	return t.Hash(&k)
}

// unindex removes an entry, which is known by what it refers to: no other session is read.
func (t *Table) unindex(hash uint64, ref Ref) {
	if e, ok := t.index.find(hash, func(r Ref) bool { return r == ref }); ok {
		t.index.remove(hash, e)
	}
}

// allocate takes a free slot: one used before, whose memory is warm, rather than a fresh one.
func (t *Table) allocate() (uint32, bool) {
	for {
		if t.freeList != 0 {
			slot := t.freeList - 1
			if t.freeList = t.sessions[slot].Template; t.freeList != 0 {
				t.foreseeSlot(t.freeList - 1) // or the next new session would wait for it
			}
			return slot, true
		}
		if int(t.fresh) < len(t.sessions) {
			t.fresh++
			return t.fresh - 1, true
		}
		if !t.evict() {
			return 0, false
		}
	}
}

// release puts a slot on the free list. What identifies the session is wiped, so that no stale Ref
// is confirmed.
func (t *Table) release(slot uint32) {
	s := &t.sessions[slot]
	s.Flags &= queued
	s.Template = t.freeList
	t.freeList = slot + 1
	t.wake[slot] = 0
}
