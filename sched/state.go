package sched

import (
	"slices"
	"sync"
	"sync/atomic"
)

// State is where a service's round robin stands. It outlives the pools; the zero value is the start.
type State struct {
	cursor atomic.Uint64 // a packed cursor, moved by the workers

	mu      sync.Mutex // guards what follows; control only
	kind    Kind
	servers []Server // of the pool that the cursor fits
}

// A cursor is rr's and wrr's position. Any value is safe in any pool: a worker may still pick from an older pool when
// the State has moved on to a newer one.
type cursor struct {
	last  uint32 // index in file order of the last pick + 1; 0 = the head of the list
	level int32  // wrr: real servers of at least this weight are picked now; 0 = the top
}

func unpack(word uint64) cursor { return cursor{last: uint32(word >> 32), level: int32(word)} }

func (c cursor) pack() uint64 { return uint64(c.last)<<32 | uint64(uint32(c.level)) }

// follow makes the cursor fit a pool that differs from the one before. Where nothing changed, nothing moves.
func (s *State) follow(kind Kind, p *Pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kind == kind && slices.Equal(s.servers, p.servers) {
		return
	}
	for {
		old := s.cursor.Load()
		if s.cursor.CompareAndSwap(old, s.moved(unpack(old), kind, p).pack()) {
			break
		}
	}
	s.kind, s.servers = kind, p.servers
}

// moved returns the cursor for a changed pool, by the rules of IPVS's add_dest, del_dest and upd_dest.
func (s *State) moved(c cursor, kind Kind, p *Pool) cursor {
	switch {
	case kind != s.kind:
		return cursor{level: p.top}
	case kind == RR:
		return cursor{last: s.survivor(c.last, p.servers)}
	case kind == WRR:
		return cursor{level: p.refit(c.level)}
	}
	return c
}

// survivor returns rr's position among the new servers: that of the last pick or, if it was removed, of the nearest one
// before it in the kernel's list, which is after it in the file.
func (s *State) survivor(last uint32, servers []Server) uint32 {
	if last == 0 {
		return 0
	}
	for old := int(last) - 1; old < len(s.servers); old++ {
		same := func(n Server) bool { return n.Load == s.servers[old].Load }
		if i := slices.IndexFunc(servers, same); i >= 0 {
			return uint32(i) + 1
		}
	}
	return 0
}
