package sched

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// FullShare is the share of a real server whose slow start is about to end.
const FullShare = 10

// slow picks for a pool with real servers in slow start. They get their shares of the new sessions
// by turns: a scheduler that goes by load would give all new sessions to one that has none yet. All
// other sessions go to the other real servers, as the service's own scheduler says. It sees those
// in slow start with weight 0, and so keeps its place until they have finished.
type slow struct {
	*turns
	rest    *Pool // the same real servers, those in slow start with weight 0
	members []int // indices of those in slow start
	sums    []int64
	total   int64 // the last of sums and all others' shares
	measure func(*Server) cost
}

// turns is a place in a sequence of numbers that is as even as can be: the multiples of the golden
// ratio modulo 1 (D. E. Knuth, "The Art of Computer Programming", volume 3, 6.4, theorem S). It
// fills a cache line: workers write it for each new session.
type turns struct {
	state atomic.Uint64 // a binary fraction
	_     [56]byte
}

// isSlow reports whether a real server of a list is in slow start.
func isSlow(servers []Server) bool { return slices.ContainsFunc(servers, inSlowStart) }

func inSlowStart(s Server) bool { return s.Share > 0 && s.Weight > 0 }

// newSlow returns the picks of a pool some of whose real servers are in slow start.
func newSlow(p, before *Pool) *slow {
	s := &slow{turns: new(turns)}
	if before != nil {
		if was, ok := before.scheduler.(*slow); ok {
			s.turns = was.turns
		}
	}
	others := make([]Server, len(p.servers))
	for i, server := range p.servers {
		if inSlowStart(server) {
			s.members, s.sums = append(s.members, i), append(s.sums, s.total+p.shareOf(i))
			s.total += p.shareOf(i)
			server.Weight = 0
		}
		server.Share = 0
		others[i] = server
	}
	for i := range others {
		if others[i].Weight > 0 {
			s.total += p.shareOf(i)
		}
	}
	s.rest = bare(p.rule, others)
	s.rest.bind(before.plain())
	if kind := int(p.rule.Kind); kind < len(measures) {
		s.measure = measures[kind]
	}
	return s
}

// shareOf returns what a real server of weight above 0 gets of the sessions, in tenths of what one
// of weight 1 gets. Schedulers that ignore weights treat all alike.
func (p *Pool) shareOf(i int) int64 {
	s, weight, tenths := &p.servers[i], int64(1), int64(FullShare)
	if p.rule.Kind.Weighted() {
		weight = int64(s.Weight)
	}
	if s.Share > 0 {
		tenths = min(int64(s.Share), FullShare)
	}
	return weight * tenths
}

// golden64 is 2^64 divided by the golden ratio.
const golden64 = 0x9e3779b97f4a7c15

func (s *slow) pick(p *Pool, r Request) int {
	return s.choose(p, r, s.state.Add(golden64), scheduler.pick)
}

func (s *slow) peek(p *Pool, r Request) int {
	return s.choose(p, r, s.state.Load()+golden64, scheduler.peek)
}

// follow has nothing to do: Publish moves the place of the service's own scheduler.
func (*slow) follow(_, _ *Pool) {}

// choose returns the pick at a place of the sequence. A scheduler that goes by load passes over a
// real server in slow start that has more to do than another: a slow one must not pile up sessions.
func (s *slow) choose(
	p *Pool, r Request, place uint64, own func(scheduler, *Pool, Request) int,
) int {
	turn := s.turn(p, place)
	if turn >= 0 && s.measure == nil {
		return turn
	}
	other := own(s.rest.scheduler, s.rest, r)
	switch {
	case other < 0 && turn < 0:
		return s.available(p)
	case turn < 0, other >= 0 && s.isBusier(&p.servers[turn], &p.servers[other]):
		return other
	}
	return turn
}

// turn returns the available real server in slow start whose turn it is, or -1.
func (s *slow) turn(p *Pool, place uint64) int {
	high, _ := bits.Mul64(place, uint64(s.total))
	k, _ := slices.BinarySearch(s.sums, int64(high)+1)
	if k == len(s.members) || !p.servers[s.members[k]].available() {
		return -1
	}
	return s.members[k]
}

// available returns the first real server in slow start that is available, or -1.
func (s *slow) available(p *Pool) int {
	for k := len(s.members) - 1; k >= 0; k-- {
		if i := s.members[k]; p.servers[i].available() {
			return i
		}
	}
	return -1
}

func (s *slow) isBusier(one, other *Server) bool {
	a, b := s.measure(one), s.measure(other)
	return a.over*b.weight > b.over*a.weight
}

// plain returns the pool of the service's own scheduler: p, unless real servers of p are in slow
// start.
func (p *Pool) plain() *Pool {
	if p == nil {
		return nil
	}
	if s, ok := p.scheduler.(*slow); ok {
		return s.rest
	}
	return p
}

// SlowStart reports whether real servers of the pool are in slow start.
func (p *Pool) SlowStart() bool { return p.plain() != p }
