package sched

import (
	"slices"
	"sync/atomic"
	"testing"
)

// Next goes once round, from newest to oldest as the kernel's list goes, past what is not
// available.
func TestNext(t *testing.T) {
	loads := make([]Load, 6)
	servers := make([]Server, 6)
	for i := range servers {
		servers[i] = Server{Weight: 1, Load: &loads[i]}
	}
	servers[4].Weight = 0
	servers[1].Upper = 1
	p := published(servers)
	loads[1].Begin()
	for start, want := range [][]int{
		{5, 3, 2}, {0, 5, 3, 2}, {0, 5, 3}, {2, 0, 5}, {3, 2, 0, 5}, {3, 2, 0},
	} {
		var got []int
		for i, ok := p.Next(start, start); ok; i, ok = p.Next(i, start) {
			got = append(got, i)
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %d: %v, want %v", start, got, want)
		}
	}
	if i, ok := published(servers[:1]).Next(0, 0); ok || i != -1 {
		t.Errorf("another one than the only one: %d, %v", i, ok)
	}
}

// published is a pool in force.
func published(servers []Server) *Pool {
	p := NewPool(Rule{Kind: RR}, servers, nil)
	p.Publish(new(atomic.Pointer[Pool]))
	return p
}
