package persist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"fulcrum/packet"
)

// MaxTemplates is the greatest number of templates in one table.
const MaxTemplates = 1 << 24

// Config describes a Table.
type Config struct {
	Max     int // templates at the same time, 1 to MaxTemplates
	Servers int // real servers have numbers below it
	// Seed makes hashing repeatable in tests. Zero draws secrets.
	Seed uint64
}

// Validate reports the first error of the configuration.
func (c *Config) Validate() error {
	switch {
	case c.Max < 1 || c.Max > MaxTemplates:
		return fmt.Errorf("table of templates: %d templates; it can hold 1 to %d", c.Max, MaxTemplates)
	case c.Servers < 1:
		return errors.New("table of templates: no real servers")
	}
	return nil
}

// Key tells templates apart.
type Key struct {
	Network packet.Addr // of the clients: their address under the service's mask
	Service uint32      // its number, which no other service has
	Call    uint64      // HashCall of the Call-ID; 0 for services that do not go by it
}

// Server is a real server.
type Server struct {
	ID          uint32 // below Config.Servers
	Incarnation uint32 // differs between real servers that had the same ID
}

// Ref refers to a template from its sessions. Place 0 refers to none. It may outlive the template.
type Ref struct {
	Place uint32 // 1 to Config.Max
	Life  uint32 // counts the templates that were in that place
}

// Table holds the templates of a director.
type Table struct {
	shards []shard // a power of two
	bits   uint8   // of the shard's number in a hash and in a place
	hasher packet.Hasher
	calls  sipKey
	max    int
	counts []atomic.Int32 // templates by real server
	sweep  position
	pace   pace
	memory []byte // the mapping that records, index and counts lie in
}

// New returns an empty table. Close gives its memory back.
func New(cfg Config) (*Table, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a, b := secret(cfg.Seed)
	c, d := secret(cfg.Seed)
	t := &Table{max: cfg.Max, hasher: packet.NewHasher(a, b), calls: sipKey{c, d}}
	for t.bits < mostShardBits && cfg.Max>>(t.bits+1) >= leastInShard {
		t.bits++
	}
	t.shards = make([]shard, 1<<t.bits)
	if err := t.mapMemory(cfg.Servers); err != nil {
		return nil, fmt.Errorf("table of %d templates: %w; lower session.templates", cfg.Max, err)
	}
	return t, nil
}

// secret returns a secret of 128 bits.
func secret(seed uint64) (a, b uint64) {
	if seed == 0 {
		return rand.Uint64(), rand.Uint64()
	}
	return seed * 0x9e3779b97f4a7c15, seed * 0xd1342543de82ef95
}

// HashCall returns what stands for a Call-ID in a Key. Strangers choose Call-IDs: only who knows
// the table's secret could find two of the same hash.
func (t *Table) HashCall(id []byte) uint64 { return t.calls.siphash(id) }

// shardOf returns the shard of a key, and the key's hash within it.
func (t *Table) shardOf(k *Key) (*shard, uint32) {
	var full packet.Key
	full.Src, full.Dst.Lo, full.Dst.Hi = k.Network, uint64(k.Service), k.Call
	h := t.hasher.Hash(&full)
	return &t.shards[h&(1<<t.bits-1)], uint32(h >> 32)
}

// at returns the shard and the number of a template's record. ok is false for a Ref to none.
func (t *Table) at(r Ref) (s *shard, i uint32, ok bool) {
	if r.Place == 0 {
		return nil, 0, false
	}
	return &t.shards[(r.Place-1)&(1<<t.bits-1)], (r.Place - 1) >> t.bits, true
}

// place returns the place of a shard's record.
func (t *Table) place(s *shard, i uint32) uint32 { return i<<t.bits + s.number + 1 }

// Find returns the real server of a network's template. It changes nothing.
func (t *Table) Find(k *Key, now uint32) (Server, bool) {
	s, h := t.shardOf(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.find(k, h)
	if !known || s.records[i].ended(now) {
		return Server{}, false
	}
	return s.records[i].server, true
}

// Begin counts a new session of a network to a real server. It restarts the template for timeout
// ms, and makes it if there is none or it is for another real server. ok is false if the table is
// full of templates that do not give way.
func (t *Table) Begin(k *Key, to Server, timeout, now uint32) (r Ref, ok bool) {
	s, h := t.shardOf(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.find(k, h)
	if known && (s.records[i].ended(now) || s.records[i].server != to) {
		t.discard(s, i)
		known = false
	}
	if !known {
		if i, ok = t.add(s, k, h, to, now); !ok {
			s.refused.Add(1)
			return Ref{}, false
		}
	}
	e := &s.records[i]
	e.deadline = now + timeout
	e.sessions++
	return Ref{t.place(s, i), e.life}, true
}

// End counts the end of a session. confirmed says whether it has shown that its client was there.
func (t *Table) End(r Ref, confirmed bool, now uint32) {
	s, i, ok := t.at(r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &s.records[i]
	if !e.live || e.life != r.Life {
		return
	}
	if confirmed {
		s.confirm(i)
	}
	if e.sessions--; e.sessions == 0 {
		e.putOff(now)
	}
}

// Confirm notes that a session under a template has shown that its client was there.
func (t *Table) Confirm(r Ref) {
	s, i, ok := t.at(r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := &s.records[i]; e.live && e.life == r.Life {
		s.confirm(i)
	}
}

// Holds reports whether the template of a session is still there.
func (t *Table) Holds(r Ref) bool {
	s, i, ok := t.at(r)
	if !ok {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[i].live && s.records[i].life == r.Life
}

// Stats are figures of a table.
type Stats struct {
	Templates, Max int
	GaveWay        uint64 // templates that ended for new ones in a full table
	Refused        uint64 // sessions that went on without a template in a full table
	Dropped        uint64 // templates that ended by drop_entry
}

// Stats returns the figures. It takes no lock.
func (t *Table) Stats() Stats {
	n := Stats{Max: t.max}
	for i := range t.shards {
		s := &t.shards[i]
		n.Templates += int(s.count.Load())
		n.GaveWay += s.gaveWay.Load()
		n.Refused += s.refused.Load()
		n.Dropped += s.dropped.Load()
	}
	return n
}

// Of returns the number of templates for the real servers that had an ID; 0 after Close. It takes
// no lock.
func (t *Table) Of(id uint32) int {
	if t.counts == nil {
		return 0
	}
	return int(t.counts[id].Load())
}
