package conntrack

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"fulcrum/packet"
)

// Config describes a Table.
type Config struct {
	Max      int      // IPv4 sessions at the same time, 1 to MaxSessions
	MaxV6    int      // IPv6 sessions at the same time; Max + MaxV6 is at most MaxSessions
	Timeouts Timeouts // by state, in ms
	// Huge requests huge pages. Without free ones the table is on ordinary pages, and Notes says
	// so.
	Huge bool
	// Ended is called for each session that ends, with its slot, just before its record is freed.
	// Of the table it may call Flow and Flows only.
	Ended func(slot uint32, s *Session)
	// Service returns a number for the service of a session. Sessions of the service that has most
	// of those that may give way do so first. It must not call the table. If nil, all are of one.
	Service func(*Session) uint32
	// Own returns the timeouts that a session has instead of the table's: zero in states that have
	// the table's, nil if there are none. It must not call the table. See OwnTimeoutsChanged.
	Own func(*Session) *Timeouts
	// Seed makes hashing repeatable in tests; 0 draws a secret.
	Seed uint64
	// File is a new file for the sessions, which another process can read when this one has ended
	// (ReadKept). The index is not in it. Empty: none outlive the process.
	File string
}

// Validate returns an error for the first wrong field.
func (c *Config) Validate() error {
	if c.Max < 1 || c.Max > MaxSessions {
		return fmt.Errorf("session table: %d sessions; it can hold 1 to %d", c.Max, MaxSessions)
	}
	if most := MaxSessions - c.Max; c.MaxV6 < 0 || c.MaxV6 > most {
		return fmt.Errorf("session table: %d IPv6 sessions; beside %d of IPv4 it can hold 0 to %d",
			c.MaxV6, c.Max, most)
	}
	if c.Ended == nil {
		return errors.New("session table: Ended is not set")
	}
	return nil
}

// Table holds the sessions of one worker. Only that worker may call its methods.
type Table struct {
	sessions  []Session    // by slot, of both families
	addresses []Addresses6 // of the IPv6 sessions
	wake      []uint16     // tick at which the session is looked at; 0 for a free slot
	index     index
	hasher    packet.Hasher
	timeouts  Timeouts
	ended     func(slot uint32, s *Session)
	service   func(*Session) uint32
	own       func(*Session) *Timeouts
	asksOwn   bool // some sessions may have timeouts of their own

	four, six slab // the slots by family, one after the other
	evicted   uint64
	sweep     sweep
	dropping  dropping
	notes     []string
	memory    []byte // the mapping that the slices lie in, but for those of file
	file      []byte // the mapping of Config.File
}

// New returns an empty table with all of its memory mapped. Close unmaps it.
func New(cfg Config) (*Table, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t := &Table{
		timeouts: cfg.Timeouts, ended: cfg.Ended, service: cfg.Service, own: cfg.Own,
		hasher: newHasher(cfg.Seed),
	}
	if t.service == nil {
		t.service = func(*Session) uint32 { return 0 }
	}
	t.four.size = uint32(cfg.Max)
	t.six.first, t.six.size = uint32(cfg.Max), uint32(cfg.MaxV6)
	if err := t.mapMemory(&cfg); err != nil {
		return nil, fmt.Errorf("session table for %d sessions and %d of IPv6: %w; "+
			"lower session.max or session.max_v6", cfg.Max, cfg.MaxV6, errors.Join(err, t.Close()))
	}
	return t, nil
}

func newHasher(seed uint64) packet.Hasher {
	if seed == 0 {
		return packet.NewHasher(rand.Uint64(), rand.Uint64())
	}
	return packet.NewHasher(seed*0xd1342543de82ef95, seed*0x9e3779b97f4a7c15)
}

// Notes returns what New could not do, such as the use of huge pages, one sentence each.
func (t *Table) Notes() []string { return t.notes }

// Len returns how many sessions there are, of both families.
func (t *Table) Len() int { return t.four.count + t.six.count }

// LenV6 returns how many sessions of IPv6 clients there are.
func (t *Table) LenV6() int { return t.six.count }

// Cap returns the greatest number of sessions, of both families. Slots are the numbers below it.
func (t *Table) Cap() int { return len(t.sessions) }

// CapV6 returns the greatest number of sessions of IPv6 clients.
func (t *Table) CapV6() int { return int(t.six.size) }

// At returns the record in a slot. The pointer is valid until Close; Live tells whether the record
// holds a session.
func (t *Table) At(slot uint32) *Session { return &t.sessions[slot] }

// Hasher returns what Hash4 hashes with. It does not change.
func (t *Table) Hasher() *packet.Hasher { return &t.hasher }

// Hash4 returns the hash under which an IPv4 key is looked up.
func (t *Table) Hash4(k *Key4) uint64 { return t.hasher.Hash4(k) }

// Candidate returns the session that probably belongs to a hash, or zero. It reads only the home
// bucket. Confirm tells whether the session has the key.
func (t *Table) Candidate(hash uint64) Ref { return t.index.candidate(hash) }

// Confirm4 is Confirm for an IPv4 key.
func (t *Table) Confirm4(ref Ref, k *Key4) bool {
	return ref != 0 && t.sessions[ref.Slot()].matches(ref.Direction(), k)
}

// OfClient4 returns the session of ref if it has the key of a client's packet, and otherwise nil.
// It is Confirm4 and At in one, for Inbound alone.
func (t *Table) OfClient4(ref Ref, k *Key4) *Session {
	slot := uint32(ref) - 1 // no record's if ref is zero or Outbound
	if uint64(slot) >= uint64(len(t.sessions)) {
		return nil
	}
	s := &t.sessions[slot]
	if !s.In.Is(&k.Flow4) || s.Protocol != k.Protocol || s.Flags&(live|In6) != live {
		return nil
	}
	return s
}

// Lookup4 is Lookup for an IPv4 key.
func (t *Table) Lookup4(hash uint64, k *Key4) (Ref, bool) {
	if t.index.lacks(hash) {
		return 0, false
	}
	e, ok := t.index.find(hash, func(r Ref) bool { return t.Confirm4(r, k) })
	if !ok {
		return 0, false
	}
	return t.index.buckets[e.bucket].refs[e.i], true
}

// Hashes are the hashes of a session's two keys. Out has no meaning where answers do not pass the
// director.
type Hashes struct {
	In, Out uint64 // of the keys with the flows Session.In and Session.Out
}

// Insert adds a session in state None, whose packets from the client have the key in, of either
// family. If twoWay, the answers with the flow out pass the director too, and the index has both. h
// are the hashes of both keys, now is in ms. No session may have the key in, and no other session
// the flow out. When all slots of the client's family are taken, Insert ends a session of that
// family that is not confirmed. ok is false if it finds none.
func (t *Table) Insert(
	in *Key, h Hashes, out *Flow, twoWay bool, now uint32,
) (slot uint32, ok bool) {
	b := t.slabFor(!in.Src.Is4())
	if slot, ok = t.allocate(b, now); !ok {
		return 0, false
	}
	s, flags := &t.sessions[slot], Flags(0)
	if b == &t.four {
		s.write4(in, out)
	} else {
		flags = t.write6(slot, in, out)
	}
	if twoWay {
		flags |= TwoWay
	}
	s.begin(in.Protocol, flags, now)
	if !t.enter(slot, h, twoWay) {
		t.release(slot)
		return 0, false
	}
	b.count++
	// By the table's own timeouts: the caller has yet to set the session's real server.
	t.wake[slot] = tickAfter(now+t.timeouts[None], now)
	return slot, true
}

// enter adds the flows of a new session to the index, or none of them if one has no place.
func (t *Table) enter(slot uint32, h Hashes, twoWay bool) bool {
	if in := makeRef(slot, Inbound); !t.index.insertHome(h.In, in) &&
		!t.index.insertAway(h.In, in, t.rehash) {
		return false
	}
	if out := makeRef(slot, Outbound); twoWay && !t.index.insertHome(h.Out, out) &&
		!t.index.insertAway(h.Out, out, t.rehash) {
		t.unindex(h.In, makeRef(slot, Inbound))
		return false
	}
	return true
}

// End ends the session in a slot and calls Config.Ended.
func (t *Table) End(slot uint32) { t.end(slot, t.hashesOf(slot)) }

func (t *Table) hashesOf(slot uint32) (h Hashes) {
	h.In = t.rehash(makeRef(slot, Inbound))
	if t.sessions[slot].Flags&TwoWay != 0 {
		h.Out = t.rehash(makeRef(slot, Outbound))
	}
	return h
}

// end is End with the hashes already computed.
func (t *Table) end(slot uint32, h Hashes) {
	s := &t.sessions[slot]
	t.unindex(h.In, makeRef(slot, Inbound))
	if s.Flags&TwoWay != 0 {
		t.unindex(h.Out, makeRef(slot, Outbound))
	}
	t.ended(slot, s)
	t.slabOf(slot).count--
	t.release(slot)
}

// EndAll ends every session. It goes through the records in the order of memory and clears the
// whole index: ending a hundred million sessions one by one would take half a minute.
func (t *Table) EndAll() {
	t.endSlab(&t.four)
	t.endSlab(&t.six)
	clear(t.index.buckets)
	t.sweep.next = 0
}

func (t *Table) endSlab(b *slab) {
	for slot := b.first; slot < b.end(); slot++ {
		s := &t.sessions[slot]
		if s.Live() {
			t.ended(slot, s)
		}
		s.Flags = 0
	}
	clear(t.wake[b.first:b.end()])
	b.empty()
}

// rehash returns the hash of the flow that an index entry refers to.
func (t *Table) rehash(r Ref) uint64 {
	if t.sessions[r.Slot()].has6(r.Direction()) {
		return t.rehash6(r)
	}
	s := &t.sessions[r.Slot()]
	k := Key4{Flow4: *s.flow(r.Direction()), Protocol: s.Protocol}
	return t.Hash4(&k)
}

// unindex removes the entry with the Ref. It compares Refs, so it reads no other session.
func (t *Table) unindex(hash uint64, ref Ref) {
	if e, ok := t.index.find(hash, func(r Ref) bool { return r == ref }); ok {
		t.index.remove(hash, e)
	}
}
