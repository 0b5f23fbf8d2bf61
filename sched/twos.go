package sched

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// twos follows net/netfilter/ipvs/ip_vs_twos.c. All pools of a service share its sequence of random
// numbers, so that peek can tell what pick will draw.
type twos struct {
	*draws
	// sums holds the weights from the head of the list up to each place; nil if thresholds may take
	// real servers out of the draw.
	sums []int64
}

// draws is a sequence of random numbers. It fills a cache line: workers write it for each new
// session.
type draws struct {
	state atomic.Uint64
	_     [56]byte
}

func newTwos(p, before *Pool) scheduler {
	s := twos{sums: sumsOf(p.servers)}
	if before != nil && before.rule.Kind == TWOS {
		s.draws = before.scheduler.(twos).draws
		return s
	}
	s.draws = new(draws)
	s.state.Store(p.rule.Seed)
	return s
}

func sumsOf(servers []Server) []int64 {
	sums, sum := make([]int64, len(servers)), int64(0)
	for place := range sums {
		s := &servers[len(servers)-1-place]
		if s.Upper > 0 {
			return nil
		}
		sum += int64(s.Weight)
		sums[place] = sum
	}
	return sums
}

// step and mix are the generator splitmix64 (G. L. Steele, D. Lea and C. H. Flood, "Fast splittable
// pseudorandom number generators"): a counter, and a hash of it.
const step = 0x9e3779b97f4a7c15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (s twos) pick(p *Pool, _ Request) int { return s.draw(p, mix(s.state.Add(step))) }

func (s twos) peek(p *Pool, _ Request) int { return s.draw(p, mix(s.state.Load()+step)) }

func (twos) follow(_, _ *Pool) {}

// draw draws two numbers from 0 to the sum of the weights, both included, and takes the real
// servers where the sums of weights reach them. So the first of the list has one chance more than
// its weight, as in the kernel. The second wins only if it has less load for its weight.
func (s twos) draw(p *Pool, random uint64) int {
	sum := s.sum(p)
	if sum == 0 {
		return -1
	}
	first := s.reaching(p, scale(random>>32, sum+1))
	second := s.reaching(p, scale(random&(1<<32-1), sum+1))
	if first < 0 || second < 0 {
		return max(first, second)
	}
	a, b := &p.servers[first], &p.servers[second]
	if int64(b.Weight)*a.Load.overhead() > int64(a.Weight)*b.Load.overhead() {
		return second
	}
	return first
}

// scale maps a random number of 32 bits to one below n.
func scale(random, n uint64) int64 {
	high, low := bits.Mul64(random, n)
	return int64(high<<32 | low>>32)
}

// sum returns the weights of all available real servers together.
func (s twos) sum(p *Pool) (sum uint64) {
	if n := len(s.sums); n > 0 {
		return uint64(s.sums[n-1])
	}
	for i := range p.servers {
		if s := &p.servers[i]; s.available() {
			sum += uint64(s.Weight)
		}
	}
	return sum
}

// reaching returns the first available real server of the list at which the sum of weights is n or
// more.
func (s twos) reaching(p *Pool, n int64) int {
	if len(s.sums) == 0 {
		return walkTo(p, n)
	}
	place, _ := slices.BinarySearch(s.sums, max(1, n)) // 0 is the first one's, as 1 is
	i := len(p.servers) - 1 - place
	if !p.servers[i].available() {
		return walkTo(p, n) // a threshold of the pool to come is in force
	}
	return i
}

// walkTo finds what reaching returns. Others may have become available or overloaded since the sum
// was taken: it then returns the last available one, or -1.
func walkTo(p *Pool, n int64) int {
	last := -1
	servers := p.servers
	for i := len(servers) - 1; i >= 0; i-- {
		s := &servers[i]
		if !s.available() {
			continue
		}
		last = i
		if n -= int64(s.Weight); n <= 0 {
			return i
		}
	}
	return last
}
