package engine

import (
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"fulcrum/packet"
)

// Services with max_rate_per_source or max_sessions_per_source share one table of their sources for
// the whole director, so that these limits are exact for all workers together. It is touched where
// a session of such a service begins, and where one that was counted ends. It has a place for every
// session of the director and as many more, so that invented sources, whose sessions the session
// table bounds, seldom fill a set.

// sourceTable holds what sources use of their limits. It does not grow. Any worker may call its
// methods.
type sourceTable struct {
	sets   []sourceSet
	hasher packet.Hasher // strangers choose their addresses, and must not know which set is theirs
}

const (
	sourceWays = 10
	// sourcesPerSession is the number of places for each session that the director may have. Even if
	// all sessions have different sources, 97 % of the sets have a free place.
	sourcesPerSession = 2
	// leastSources is for services with a rate only, whose sources need no session.
	leastSources = 65_536
)

// sourceSet holds the sources of one hash. It fills four cache lines.
type sourceSet struct {
	mu      sync.Mutex    // held to write; all else may be read without
	version atomic.Uint32 // odd while a source comes
	refused atomic.Uint32 // by place: its source was refused since its bucket was last full
	sources [sourceWays]source
}

// source is what one source uses of a service's limits. It has no place in the table any more once
// its bucket is full and it has no session.
type source struct {
	network  atomic.Uint64 // as in sourceKey
	full     atomic.Uint64 // when its bucket is full again, see gate
	service  atomic.Uint32 // 0 is a free place
	sessions atomic.Uint32 // that were counted and live
}

// sourceKey says which source of which service: its IPv4 address, or the upper half of its IPv6
// address. All clients of a service are of one family.
type sourceKey struct {
	network uint64
	service uint32 // number, which no other service ever has
}

func sourceKeyOf(service *liveService, client packet.Addr) sourceKey {
	if client.Is4() {
		return sourceKey{client.Lo, service.number}
	}
	return sourceKey{client.Hi, service.number}
}

// sourceLimits are a service's limits of each source.
type sourceLimits struct {
	step uint64 // see stepOf; 0 is no max_rate_per_source
	most uint32 // sessions, max_sessions_per_source; 0 is no limit
}

func (l sourceLimits) none() bool { return l == sourceLimits{} }

// sourceSets returns how many sets a table has for so many sessions.
func sourceSets(sessions int) int {
	return (max(sourcesPerSession*sessions, leastSources) + sourceWays - 1) / sourceWays
}

func newSourceTable(sessions int, random *rand.Rand) (*sourceTable, error) {
	sets, err := reserve[sourceSet](sourceSets(sessions), "sources of sessions")
	if err != nil {
		return nil, err
	}
	return &sourceTable{sets, packet.NewHasher(random.Uint64(), random.Uint64())}, nil
}

// close frees the table's memory. It does nothing for nil.
func (t *sourceTable) close() error {
	if t == nil {
		return nil
	}
	sets := t.sets
	t.sets = nil
	return giveBack(sets)
}

// grant is the answer to a source that wants to begin a session.
type grant struct {
	verdict   Verdict // Taken, DropSourceRate or DropSourceFull
	counted   bool    // the session counts until leave
	unlimited bool    // no place was free: the session passes, and is not counted
	forgot    bool    // another source, whose bucket was not full, gave way
}

// admit takes a token of a source and counts its session, if its limits allow that.
func (t *sourceTable) admit(k sourceKey, l sourceLimits, now uint32) grant {
	s := t.setOf(k)
	if v := s.glance(k, l, now); v != Taken {
		return grant{verdict: v}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.find(k)
	if known {
		return s.admit(i, l, now)
	}
	i, weight := s.lightest(now)
	if weight == busy {
		return grant{verdict: Taken, unlimited: true}
	}
	s.come(i, k)
	a := s.admit(i, l, now)
	a.forgot = weight != 0
	return a
}

// withdraw takes back what admit did for a session that does not begin.
func (t *sourceTable) withdraw(k sourceKey, l sourceLimits, counted bool) {
	s := t.setOf(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.find(k)
	if !known {
		return // it gave way
	}
	e := &s.sources[i]
	e.full.Store(e.full.Load() - l.step)
	if counted {
		e.sessions.Store(e.sessions.Load() - 1)
	}
}

// resume counts a session that an earlier process has admitted, whatever its limits say. It returns
// false if no place is free.
func (t *sourceTable) resume(k sourceKey, now uint32) (counted bool) {
	s := t.setOf(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.find(k)
	if !known {
		var weight uint64
		if i, weight = s.lightest(now); weight == busy {
			return false
		}
		s.come(i, k)
	}
	e := &s.sources[i]
	e.sessions.Store(e.sessions.Load() + 1)
	return true
}

// leave ends a session that was counted. Its source has not given way meanwhile.
func (t *sourceTable) leave(k sourceKey) {
	s := t.setOf(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, known := s.find(k); known {
		e := &s.sources[i]
		e.sessions.Store(e.sessions.Load() - 1)
	}
}

// verdict returns what admit would say once so many sessions of the source have ended. It changes
// nothing.
func (t *sourceTable) verdict(k sourceKey, l sourceLimits, ended, now uint32) Verdict {
	s := t.setOf(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.find(k)
	if !known {
		return Taken
	}
	_, v := s.sources[i].judge(l, ended, now)
	return v
}

func (t *sourceTable) setOf(k sourceKey) *sourceSet {
	h := t.hasher.Hash(&packet.Key{Flow: packet.Flow{
		Src: packet.Addr{Hi: k.network}, Dst: packet.Addr{Lo: uint64(k.service)},
	}})
	i, _ := bits.Mul64(h, uint64(len(t.sets)))
	return &t.sets[i]
}

// find returns the place of a source.
func (s *sourceSet) find(k sourceKey) (i int, known bool) {
	for i := range s.sources {
		e := &s.sources[i]
		if e.network.Load() == k.network && e.service.Load() == k.service {
			return i, true
		}
	}
	return 0, false
}

// glance returns the verdict about a source that is beyond its limits and was refused before. It
// only reads, so that workers do not wait for each other in a flood from one source. For any other
// it returns Taken, and the caller looks again with the lock.
func (s *sourceSet) glance(k sourceKey, l sourceLimits, now uint32) Verdict {
	version := s.version.Load()
	i, known := s.find(k)
	if !known {
		return Taken
	}
	_, v := s.sources[i].judge(l, 0, now)
	if v == DropSourceRate && s.refused.Load()>>i&1 == 0 ||
		version%2 != 0 || s.version.Load() != version {
		return Taken
	}
	return v
}

// come gives a place to a source that has used nothing.
func (s *sourceSet) come(i int, k sourceKey) {
	s.version.Add(1)
	e := &s.sources[i]
	e.network.Store(k.network)
	e.service.Store(k.service)
	e.full.Store(0)
	e.sessions.Store(0)
	s.version.Add(1)
}

// The weights of places. Between them are those whose bucket is not full, by what it lacks; the
// sources that were refused weigh more than all others.
const (
	refusedSource uint64 = 1 << 63
	busy          uint64 = 1<<64 - 1 // has sessions, and never gives way
)

// lightest returns the place that gives way first, and its weight.
func (s *sourceSet) lightest(now uint32) (i int, weight uint64) {
	i, weight = 0, busy
	for j := 0; j < len(s.sources) && weight != 0; j++ {
		if w := s.weight(j, now); w < weight {
			i, weight = j, w
		}
	}
	return i, weight
}

func (s *sourceSet) weight(i int, now uint32) uint64 {
	e := &s.sources[i]
	if e.sessions.Load() != 0 {
		return busy
	}
	lacks := lacking(e.full.Load(), now)
	if lacks != 0 && s.refused.Load()>>i&1 != 0 {
		return refusedSource | lacks
	}
	return lacks
}

// admit is sourceTable.admit for the source in a place.
func (s *sourceSet) admit(i int, l sourceLimits, now uint32) grant {
	e := &s.sources[i]
	if s.refused.Load()>>i&1 != 0 && lacking(e.full.Load(), now) == 0 {
		s.refused.And(^(1 << i))
	}
	full, v := e.judge(l, 0, now)
	if v == DropSourceRate {
		s.refused.Or(1 << i)
	}
	if v != Taken {
		return grant{verdict: v}
	}
	e.full.Store(full)
	if l.most != 0 {
		e.sessions.Store(e.sessions.Load() + 1)
	}
	return grant{verdict: Taken, counted: l.most != 0}
}

// judge returns whether a source may begin a session, and when its bucket is full again afterwards.
// So many of its sessions do not count.
func (e *source) judge(l sourceLimits, ended, now uint32) (full uint64, v Verdict) {
	full = e.full.Load()
	if l.step != 0 {
		after, has := afterOne(full, l.step, now)
		if !has {
			return full, DropSourceRate
		}
		full = after
	}
	if l.most != 0 && e.sessions.Load()-ended >= l.most {
		return full, DropSourceFull
	}
	return full, Taken
}
