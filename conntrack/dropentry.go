package conntrack

import "math/rand/v2"

// IPVS's drop_entry, as ip_vs_random_dropentry and todrop_entry in
// net/netfilter/ipvs/ip_vs_conn.c: each second it looks at a random 1/32 of the table, and ends
// half-open sessions, and some of those that have been silent after a few packets.

const (
	dropShare  = 32     // one of so many records is looked at
	dropPeriod = 1000   // in so many ms
	dropRest   = 60_000 // ms; sessions with a packet since then stay
	dropFew    = 8      // sessions with more packets of the client stay
	dropRun    = 32     // records in a row: their memory comes faster than that of single ones
	dropLooks  = 64     // records in one call
)

// dropPass is a slab's progress with drop_entry.
type dropPass struct {
	last uint32 // time of the last call, ms
	owed uint64 // records to look at, times dropShare and dropPeriod
}

// dropping is what drop_entry has done to both slabs.
type dropping struct {
	// left is how many silent sessions with so many packets are still to be met until one ends.
	left  [dropFew + 1]int8
	ended uint64
}

// DropEntries does what is due of IPVS's drop_entry for one family since the last call, but looks
// at a bounded number of records. The worker calls it once a turn while drop_entry is active, with
// the time in ms. random draws the records.
func (t *Table) DropEntries(six bool, now uint32, random *rand.Rand) {
	b := t.slabFor(six)
	for due := b.dropsDue(now); due > 0; {
		n := min(due, dropRun)
		record := random.Uint32N(b.used)
		for range n {
			t.dropEntry(b.first+record, now)
			record = b.after(record)
		}
		due -= n
	}
}

// dropsDue returns how many records to look at now. What one call leaves is due in the next, up to
// the share of a second, or one record in a small table.
func (b *slab) dropsDue(now uint32) uint32 {
	p, elapsed := &b.drops, min(now-b.drops.last, dropPeriod)
	p.last = now
	most := max(uint64(b.used), dropShare) * dropPeriod
	p.owed = min(p.owed+uint64(elapsed)*uint64(b.used), most)
	n := min(p.owed/(dropShare*dropPeriod), dropLooks)
	p.owed -= n * dropShare * dropPeriod
	return uint32(n)
}

func (t *Table) dropEntry(slot, now uint32) {
	if s := &t.sessions[slot]; s.Live() && t.dropping.takes(s, now) {
		t.dropping.ended++
		t.End(slot)
	}
}

// takes reports whether drop_entry ends a session that it looks at.
func (d *dropping) takes(s *Session, now uint32) bool {
	switch s.State {
	case SynRecv, SynAck, SCTPInit1, SCTPInit:
		return true
	case Established, SCTPEstablished, UDP, ICMP:
		return now-s.LastSeen >= dropRest && d.hasTurn(s.PacketsIn)
	}
	return false
}

// hasTurn reports whether a silent session ends: of those with n packets of the client, one of n
// does.
func (d *dropping) hasTurn(n uint32) bool {
	if n == 0 || n > dropFew {
		return false
	}
	if d.left[n]--; d.left[n] > 0 {
		return false
	}
	d.left[n] = int8(n)
	return true
}

// MayDrop reports whether drop_entry may end the session in a slot as it is. now is in ms.
func (t *Table) MayDrop(slot, now uint32) bool {
	d := dropping{} // whose turn it is does not matter
	return d.takes(&t.sessions[slot], now)
}

// Dropped returns how many sessions DropEntries has ended.
func (t *Table) Dropped() uint64 { return t.dropping.ended }
