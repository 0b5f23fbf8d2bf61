package sched

import (
	"sync"

	"fulcrum/packet"
)

// The numbers of net/netfilter/ipvs/ip_vs_lblc.c and ip_vs_lblcr.c; times in ms.
const (
	localityBits   = 10                  // of the number of buckets
	localityMost   = 16 << localityBits  // destinations above which idle ones are dropped early
	localityTick   = 60 * 1000           // between two looks
	localityIdle   = 6 * 60 * 1000       // idle time of those dropped early
	localityStale  = 24 * 60 * 60 * 1000 // idle time of those dropped in a full sweep
	fullSweepAfter = 30                  // looks with nothing to drop early before a full sweep
	localityLimit  = 2 * localityMost    // destinations; the kernel's have no limit
	memberLimit    = 2 * localityLimit   // real servers of all destinations together
	fewMembers     = 16                  // destinations that need only one bucket
	chunk          = 64                  // destinations or members that are allocated at once
)

// locality is the memory of lblc and lblcr: the real servers of each destination, which is the VIP
// of the first packet. All pools of a service share it. Control may read it at the same time.
//
// The kernel bounds it by dropping idle destinations, not by their number. Here a new destination
// is not remembered when localityLimit are, and is scheduled each time, as the kernel does when it
// gets no memory. So a flood of destinations cannot drive out those in use.
type locality struct {
	mu      sync.Mutex // guards all fields; workers hold it for one pick
	buckets []*destination
	entries int
	members int
	rover   int    // the bucket where the last sweep ended
	looks   int    // since the last full sweep, plus 1
	looked  uint32 // the time of the last look; valid if there was a request

	freeEntries *destination
	freeMembers *member
	begun       bool
}

// destination is what is remembered of one VIP.
type destination struct {
	next           *destination // in its bucket, or the next free one
	address        packet.Addr
	used, modified uint32 // times in ms: of the last request, of the last change of members
	size           int
	members        *member // the newest first
}

// member is a real server of a destination.
type member struct {
	next   *member
	load   *Load
	weight int32  // as last seen in a pool
	place  int32  // index in the pool of the serial, or -1
	serial uint64 // of the pool to which place belongs
}

func newLocality() *locality { return &locality{buckets: make([]*destination, 1), looks: 1} }

// age returns the time in ms from then to now. Workers' clocks may differ by seconds, so a time
// that seems to be in the future is now.
func age(now, then uint32) uint32 {
	const apart = 10_000
	if d := now - then; d <= 1<<32-1-apart {
		return d
	}
	return 0
}

// look does what the kernel's timer did since the last request. Nothing but requests changes the
// table in between, so it is the same whenever it is done.
func (t *locality) look(now uint32) {
	if !t.begun {
		t.begun, t.looked = true, now
	}
	for age(now, t.looked) >= localityTick {
		t.looked += localityTick
		t.expire(t.looked)
	}
}

// expire is one run of the kernel's timer (ip_vs_lblc_check_expire).
func (t *locality) expire(now uint32) {
	switch over := t.entries - localityMost; {
	case t.looks == fullSweepAfter:
		t.looks = 1
		t.sweep(now, localityStale, t.entries+1) // all buckets
	case over <= 0:
		t.looks++
	default:
		t.sweep(now, localityIdle, min(over*4/3, localityMost/2))
	}
}

// sweep goes once round the buckets, from where the last sweep ended, and drops destinations that
// were idle for so long. It ends with the bucket in which it has dropped as many as goal.
func (t *locality) sweep(now, idle uint32, goal int) {
	for range t.buckets {
		if goal <= 0 {
			return
		}
		t.rover = (t.rover + 1) % len(t.buckets)
		for at := &t.buckets[t.rover]; *at != nil; {
			if e := *at; age(now, e.used) >= idle {
				*at = e.next
				t.drop(e)
				goal--
				continue
			}
			at = &(*at).next
		}
	}
}

// drop gives a destination back that is in no bucket any more.
func (t *locality) drop(e *destination) {
	for e.members != nil {
		t.dismiss(e, &e.members, 0)
	}
	e.next, t.freeEntries = t.freeEntries, e
	t.entries--
}

func (t *locality) bucket(a packet.Addr) **destination {
	if len(t.buckets) == 1 {
		return &t.buckets[0]
	}
	return &t.buckets[goldenHash(fold(a), localityBits)]
}

// find returns a destination, or nil.
func (t *locality) find(a packet.Addr) *destination {
	e := *t.bucket(a)
	for e != nil && e.address != a {
		e = e.next
	}
	return e
}

// add remembers a destination without members. It returns nil if there are too many.
func (t *locality) add(a packet.Addr, now uint32) *destination {
	if t.entries >= localityLimit || t.members >= memberLimit {
		return nil
	}
	if t.entries == fewMembers && len(t.buckets) == 1 {
		t.spread()
	}
	if t.freeEntries == nil {
		fresh := make([]destination, chunk)
		for i := range fresh {
			fresh[i].next, t.freeEntries = t.freeEntries, &fresh[i]
		}
	}
	e, at := t.freeEntries, t.bucket(a)
	t.freeEntries = e.next
	*e = destination{next: *at, address: a, used: now}
	*at = e
	t.entries++
	return e
}

// spread replaces the one bucket of a small table.
func (t *locality) spread() {
	e := t.buckets[0]
	t.buckets = make([]*destination, 1<<localityBits)
	for e != nil {
		at, next := t.bucket(e.address), e.next
		e.next, *at = *at, e
		e = next
	}
}

// admit puts a real server of a pool before the members of a destination, unless there are too many
// members in all.
func (t *locality) admit(e *destination, p *Pool, place int, now uint32) {
	if t.members >= memberLimit {
		return
	}
	if t.freeMembers == nil {
		fresh := make([]member, chunk)
		for i := range fresh {
			fresh[i].next, t.freeMembers = t.freeMembers, &fresh[i]
		}
	}
	m, s := t.freeMembers, &p.servers[place]
	t.freeMembers = m.next
	*m = member{
		next: e.members, load: s.Load, weight: s.Weight, place: int32(place), serial: p.serial,
	}
	e.members = m
	e.size, e.modified = e.size+1, now
	t.members++
}

// dismiss takes the member to which at points from a destination.
func (t *locality) dismiss(e *destination, at **member, now uint32) {
	m := *at
	*at = m.next
	*m = member{next: t.freeMembers}
	t.freeMembers = m
	e.size, e.modified = e.size-1, now
	t.members--
}

// in returns the member's index in a pool, or -1 if it is not a real server of the service now.
func (m *member) in(p *Pool) int {
	if m.serial != p.serial {
		m.serial, m.place = p.serial, -1
		for i := range p.servers {
			if p.servers[i].Load == m.load {
				m.place = int32(i)
			}
		}
	}
	if m.place >= 0 {
		m.weight = p.servers[m.place].Weight
	}
	return int(m.place)
}

// crowded reports whether a real server has more active sessions than its weight while another of
// the pool has less than half of its own weight.
func (p *Pool) crowded(i int) bool {
	if s := &p.servers[i]; s.Load.Active() <= s.Weight {
		return false
	}
	for i := range p.servers {
		if s := &p.servers[i]; int64(s.Load.Active())*2 < int64(s.Weight) {
			return true
		}
	}
	return false
}
