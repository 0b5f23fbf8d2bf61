package persist

import "math/rand/v2"

// grace is by how much the end of a template is put off while sessions live under it, in ms:
// ip_vs_conn_expire sets the timeout to 60 seconds.
const grace = 60_000

// ended reports whether a template's time is over. It never is while sessions live under it.
func (e *record) ended(now uint32) bool { return e.sessions == 0 && int32(now-e.deadline) >= 0 }

// putOff moves the end of a template whose sessions lived until now to where IPVS's timer would
// have put it off: the first multiple of 60 seconds that is still to come.
func (e *record) putOff(now uint32) {
	if late := int32(now - e.deadline); late >= 0 {
		e.deadline += (uint32(late)/grace + 1) * grace
	}
}

// looks is how many records reclaim looks at for one new template.
const looks = 8

// reclaim frees a template that has ended among the next records, and reports whether it found one.
func (t *Table) reclaim(s *shard, now uint32) bool {
	for range min(looks, s.used) {
		if s.hand++; s.hand >= s.used {
			s.hand = 0
		}
		if e := &s.records[s.hand]; e.live && e.ended(now) {
			t.discard(s, s.hand)
			return true
		}
	}
	return false
}

// position is a place in a pass over all records.
type position struct {
	shard  int
	record uint32
}

// sweptTogether is how many records Sweep looks at under one lock.
const sweptTogether = 64

// Sweep looks at the next n records or some more. It frees the templates that have ended and those
// whose real server is gone. With drop it also frees those that IPVS's drop_entry ends, see takes.
// It must see each template once in a few days at least, so that deadlines in the past do not look
// like future ones.
func (t *Table) Sweep(n int, now uint32, gone func(Server) bool, drop *rand.Rand) {
	t.pace.pass(now)
	for n > 0 {
		p := &t.sweep
		s := &t.shards[p.shard]
		looked := t.sweepShard(s, p.record, now, gone, drop)
		n -= max(int(looked), 1)
		if p.record += looked; looked < sweptTogether {
			*p = position{shard: (p.shard + 1) % len(t.shards)}
			if p.shard == 0 {
				t.pace.again()
			}
		}
	}
}

// sweepShard looks at records from one on, and returns at how many.
func (t *Table) sweepShard(
	s *shard, from, now uint32, gone func(Server) bool, drop *rand.Rand,
) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(sweptTogether, max(s.used, from)-from)
	for i := from; i < from+n; i++ {
		switch e := &s.records[i]; {
		case !e.live:
		case e.ended(now) || gone(e.server):
			t.discard(s, i)
		case e.sessions != 0:
			e.putOff(now)
		case drop != nil && !e.confirmed && t.pace.takes(drop):
			t.discard(s, i)
			s.dropped.Add(1)
		}
	}
	return n
}
