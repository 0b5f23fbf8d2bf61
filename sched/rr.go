package sched

import (
	"slices"
	"sync/atomic"
)

// rr follows net/netfilter/ipvs/ip_vs_rr.c. All pools of a service share one rr, which holds only
// the place. It fills a cache line: workers write it for each new session.
type rr struct {
	last atomic.Uint32 // index in file order of the last pick + 1; 0 = the head of the list
	_    [60]byte
}

func newRR(_, before *Pool) scheduler {
	if before != nil && before.rule.Kind == RR {
		return before.scheduler
	}
	return new(rr)
}

func (s *rr) pick(p *Pool, _ Request) int {
	for {
		last := s.last.Load()
		i := s.next(p, last)
		if i < 0 || s.last.CompareAndSwap(last, uint32(i)+1) {
			return i
		}
	}
}

func (s *rr) peek(p *Pool, _ Request) int { return s.next(p, s.last.Load()) }

// next returns the first available real server after the last pick in the list, else the first of
// the whole list, or -1.
func (s *rr) next(p *Pool, last uint32) int {
	if i := p.first(p.after(last), 1); i >= 0 {
		return i
	}
	return p.first(len(p.servers), 1)
}

// follow keeps the place, as IPVS's rr does when a real server is added, removed or edited.
func (s *rr) follow(p, before *Pool) {
	for {
		last := s.last.Load()
		moved := survivor(last, before.servers, p.servers)
		if moved == last || s.last.CompareAndSwap(last, moved) {
			return
		}
	}
}

// survivor returns the last pick's place among the other servers. If the last pick was removed, it
// returns the place of the nearest remaining one before it in the kernel's list, that is after it
// in the file. It costs O(servers), however many were removed.
func survivor(last uint32, servers, others []Server) uint32 {
	if last == 0 || int(last) > len(servers) {
		return 0
	}
	servers = servers[last-1:]
	same := func(o Server) bool { return o.Load == servers[0].Load }
	if i := slices.IndexFunc(others, same); i >= 0 {
		return uint32(i) + 1
	}
	places := make(map[*Load]uint32, len(others))
	for i := range others {
		places[others[i].Load] = uint32(i) + 1
	}
	for i := range servers {
		if place := places[servers[i].Load]; place > 0 {
			return place
		}
	}
	return 0
}
