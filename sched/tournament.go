package sched

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// treeFrom is the number of real servers from which a pool has a tournament. Below it a walk
// through all of them costs less than the tournament: every session changes its counts four times.
var treeFrom = 64

// cost is what a scheduler compares: the least over/weight wins, of equals the first in the list.
// The weight of a real server that must not be picked is 0, and its over is not.
type cost struct{ over, weight int64 }

var unusable = cost{over: 1}

// measures are the costs of schedulers that pick the least of all real servers.
var measures = [...]func(*Server) cost{
	LC:    func(s *Server) cost { return cost{s.Load.overhead(), 1} },
	WLC:   weightedOverhead,
	SED:   func(s *Server) cost { return cost{s.Load.delay(), int64(s.Weight)} },
	NQ:    idleFirst,
	FO:    heaviestFirst,
	OVF:   heaviestUnfilled,
	LBLC:  weightedOverhead,
	LBLCR: weightedOverhead,
}

func weightedOverhead(s *Server) cost { return cost{s.Load.overhead(), int64(s.Weight)} }

func idleFirst(s *Server) cost {
	if s.Load.Active() == 0 {
		return cost{0, 1}
	}
	return cost{s.Load.delay(), int64(s.Weight)}
}

func heaviestFirst(s *Server) cost { return cost{1<<16 - int64(s.Weight), 1} }

func heaviestUnfilled(s *Server) cost {
	if s.Load.Active() > s.Weight {
		return unusable
	}
	return heaviestFirst(s)
}

// tournament is a tree over the real servers of a pool in which the better of two goes on to the
// next round. So the pick is the winner of the last one, whatever their number, and a change of one
// real server's counts plays the rounds again that it had won or wins now: about two.
//
// The real servers' loads tell of their changes, after they have made them. A pick meanwhile may
// see the counts of before, as the kernel's walk may.
type tournament struct {
	servers []Server
	measure func(*Server) cost
	seats   []seat // by index of the real server

	// ready: best is kept up. A pool that is not published yet, or was replaced, has to walk.
	ready atomic.Bool
	best  atomic.Int32 // index of the pick, or -1

	mu      sync.Mutex // guards the fields below
	costs   []cost     // by place in the list, and unusable ones up to a power of two
	winners []uint32   // places: 1 is the last round, those of 2k and 2k+1 meet in k
}

// seat is where a real server's load tells of its changes.
type seat struct {
	tree  *tournament
	index int32 // of the real server
}

// newTournament returns the tournament of a pool, or nil if it has no use for one. It changes
// nothing that others see.
func newTournament(p *Pool) *tournament {
	kind, n := int(p.rule.Kind), len(p.servers)
	if n < treeFrom || kind >= len(measures) || measures[kind] == nil {
		return nil
	}
	size := 1 << bits.Len(uint(n-1))
	t := &tournament{
		servers: p.servers, measure: measures[kind], seats: make([]seat, n),
		costs: make([]cost, max(2, size)), winners: make([]uint32, 2*max(2, size)),
	}
	for i := range t.seats {
		t.seats[i] = seat{t, int32(i)}
	}
	return t
}

// leader returns the pick; ok is false if the caller has to walk. t may be nil.
func (t *tournament) leader() (index int, ok bool) {
	if t == nil || !t.ready.Load() {
		return 0, false
	}
	return int(t.best.Load()), true
}

// begin seats the real servers and plays all rounds. A change that it does not see comes after, and
// waits for the lock.
func (t *tournament) begin() {
	for i := range t.seats {
		t.servers[i].Load.seat.Store(&t.seats[i])
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	size := len(t.costs)
	for place := range t.costs {
		t.costs[place], t.winners[size+place] = t.costAt(place), uint32(place)
	}
	for k := size - 1; k > 0; k-- {
		t.winners[k] = t.better(t.winners[2*k], t.winners[2*k+1])
	}
	t.announce()
	t.ready.Store(true)
}

// end has picks of a replaced pool walk. The next pool's real servers are seated after it.
func (t *tournament) end() {
	if t != nil {
		t.ready.Store(false)
	}
}

// leave takes the real servers from their seats that have no other one by now.
func (t *tournament) leave() {
	if t == nil {
		return
	}
	for i := range t.seats {
		t.servers[i].Load.seat.CompareAndSwap(&t.seats[i], nil)
	}
}

// costAt returns the cost of the real server at a place of the list, which is the file backwards.
func (t *tournament) costAt(place int) cost {
	if place >= len(t.servers) {
		return unusable
	}
	s := &t.servers[len(t.servers)-1-place]
	if !s.available() {
		return unusable
	}
	return t.measure(s)
}

func (t *tournament) better(a, b uint32) uint32 {
	if x, y := t.costs[a], t.costs[b]; x.over*y.weight > y.over*x.weight {
		return b
	}
	return a
}

// update plays the rounds again that a real server's new cost may decide otherwise.
func (t *tournament) update(index int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	place := uint32(len(t.servers)) - 1 - uint32(index)
	now := t.costAt(int(place))
	if now == t.costs[place] {
		return
	}
	t.costs[place] = now
	for k := (uint32(len(t.costs)) + place) / 2; k > 0; k /= 2 {
		winner := t.better(t.winners[2*k], t.winners[2*k+1])
		if winner == t.winners[k] && winner != place {
			return // it neither was nor is the winner here
		}
		t.winners[k] = winner
	}
	t.announce()
}

func (t *tournament) announce() {
	best := int32(-1)
	if place := t.winners[1]; t.costs[place] != unusable {
		best = int32(len(t.servers)) - 1 - int32(place)
	}
	t.best.Store(best)
}
