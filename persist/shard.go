package persist

import (
	"sync"
	"sync/atomic"

	"fulcrum/packet"
)

const (
	mostShardBits = 6    // 64 shards
	leastInShard  = 1024 // templates, so that shards fill alike
)

// shard is a part of the table. mu guards all but the counts.
type shard struct {
	mu      sync.Mutex
	number  uint32
	records []record
	index   index
	used    uint32 // how many of the records, from the first, have ever been used
	free    uint32 // number + 1 of the first free used record; 0 is none
	// The list of templates that are not confirmed, by age: number + 1 of the first and the last.
	oldest, newest uint32
	hand           uint32 // the record at which reclaim continues

	count   atomic.Int32 // templates
	gaveWay atomic.Uint64
	refused atomic.Uint64
	dropped atomic.Uint64
	_       [64]byte // the next shard is another worker's at the moment
}

// record is a template. In a free one, newer is the next free record.
type record struct {
	network      packet.Addr
	service      uint32
	life         uint32
	server       Server
	deadline     uint32 // ms
	sessions     uint32 // that live under it
	older, newer uint32 // in the list of those that are not confirmed; number + 1, 0 is none
	call         uint64
	live         bool
	confirmed    bool
	_            [6]byte
}

func (e *record) key() Key { return Key{e.network, e.service, e.call} }

func (e *record) is(k *Key) bool {
	return e.network == k.Network && e.service == k.Service && e.call == k.Call
}

// add makes a template. It takes the place of one that gives way, if the shard is full.
func (t *Table) add(s *shard, k *Key, h uint32, to Server, now uint32) (i uint32, ok bool) {
	if i, ok = t.allocate(s, now); !ok {
		return 0, false
	}
	e := &s.records[i]
	e.network, e.service, e.call, e.server = k.Network, k.Service, k.Call, to
	e.live, e.confirmed, e.sessions = true, false, 0
	s.enlist(i)
	s.index.insert(h, i)
	s.count.Add(1)
	t.counts[to.ID].Add(1)
	return i, true
}

// allocate takes a free record, or frees one.
func (t *Table) allocate(s *shard, now uint32) (uint32, bool) {
	switch {
	case s.free != 0:
	case s.used < uint32(len(s.records)):
		s.used++
		return s.used - 1, true
	case s.oldest != 0:
		t.discard(s, s.oldest-1)
		s.gaveWay.Add(1)
	case !t.reclaim(s, now):
		return 0, false
	}
	i := s.free - 1
	s.free = s.records[i].newer
	return i, true
}

// discard ends a template.
func (t *Table) discard(s *shard, i uint32) {
	e := &s.records[i]
	if !e.confirmed {
		s.delist(i)
	}
	k := e.key()
	_, h := t.shardOf(&k)
	s.index.remove(h, i)
	s.count.Add(-1)
	t.counts[e.server.ID].Add(-1)
	e.live = false
	e.life++
	e.newer = s.free
	s.free = i + 1
}

// confirm takes a template off the list of those that give way.
func (s *shard) confirm(i uint32) {
	if e := &s.records[i]; !e.confirmed {
		s.delist(i)
		e.confirmed = true
	}
}

// enlist adds a template as the newest of those that give way.
func (s *shard) enlist(i uint32) {
	e := &s.records[i]
	e.older, e.newer = s.newest, 0
	if s.newest != 0 {
		s.records[s.newest-1].newer = i + 1
	} else {
		s.oldest = i + 1
	}
	s.newest = i + 1
}

func (s *shard) delist(i uint32) {
	e := &s.records[i]
	if e.older != 0 {
		s.records[e.older-1].newer = e.newer
	} else {
		s.oldest = e.newer
	}
	if e.newer != 0 {
		s.records[e.newer-1].older = e.older
	} else {
		s.newest = e.older
	}
}
