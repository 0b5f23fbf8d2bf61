package sched_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"fulcrum/lvs"
	"fulcrum/sched"
)

// The real servers of a large pool change from several goroutines while pools replace each other.
// When all is quiet, the pick is that of a walk.
func TestTournamentAfterConcurrentChanges(t *testing.T) {
	for _, kind := range lvs.Schedulers() {
		servers := idle(make([]int, 200)...)
		for i := range servers {
			servers[i].Weight, servers[i].Upper = int32(i%7), int32(i%3*20)
		}
		var at atomic.Pointer[sched.Pool]
		publish(&at, kind, servers)
		var wait sync.WaitGroup
		for w := range 3 {
			wait.Go(func() { churn(uint64(w), servers) })
		}
		for n := range 50 {
			publish(&at, kind, append([]sched.Server(nil), servers[n%50:]...))
		}
		wait.Wait()
		// A pool that was not published has to walk; of the same kind, it has the same memory.
		same := sched.NewPool(sched.Rule{Kind: kind, Flags: lvs.AllSchedulerFlags}, servers[49:],
			at.Load())
		got, _ := at.Load().Peek(request)
		if want, _ := same.Peek(request); got != want {
			t.Errorf("%v: picked %d, a walk picks %d", kind, got, want)
		}
	}
}

// churn begins and ends sessions of its own, and leaves some.
func churn(seed uint64, servers []sched.Server) {
	r := rand.New(rand.NewPCG(seed, 1))
	for range 20_000 {
		l := servers[r.IntN(len(servers))].Load
		l.Begin()
		if r.IntN(3) == 0 {
			l.Activate()
			if r.IntN(4) == 0 {
				continue
			}
			l.Deactivate()
		}
		if r.IntN(50) > 0 {
			l.End(false)
		}
	}
}

// Workers pick by tournaments while pools replace each other.
func TestTournamentsWhilePublishing(t *testing.T) {
	sched.FromTheFirst(t)
	TestPickWhilePublishing(t)
}

// A real server that leaves a large pool no longer reports changes. Neither does one in a small
// pool.
func TestPoolThatShrinks(t *testing.T) {
	servers := idle(make([]int, 100)...)
	for i := range servers {
		servers[i].Weight = 1
	}
	var at atomic.Pointer[sched.Pool]
	publish(&at, sched.WLC, servers)
	publish(&at, sched.WLC, append([]sched.Server(nil), servers[:80]...))
	servers[90].Load.Begin()
	p := publish(&at, sched.WLC, append([]sched.Server(nil), servers[:3]...))
	if got := picks(p, servers, 7); got != "CBACBAC" {
		t.Errorf("picked %s", got)
	}
	publish(&at, sched.RR, append([]sched.Server(nil), servers...))
	p = publish(&at, sched.WLC, append([]sched.Server(nil), servers...))
	if i, _ := p.Pick(request); i != 99 {
		t.Errorf("picked %d of the large pool again, want the newest idle one", i)
	}
	servers[99].Load.Begin()
	for i := 98; i >= 4; i-- {
		want := i
		if i == 90 {
			continue // it has a session
		}
		if got, _ := p.Pick(request); got != want {
			t.Fatalf("picked %d, want %d", got, want)
		}
		servers[i].Load.Begin()
	}
}
