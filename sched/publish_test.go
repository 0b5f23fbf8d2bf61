package sched_test

import (
	"fmt"
	"fulcrum/lvs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"fulcrum/sched"
)

func TestPoolTellsWhatItWasMadeOf(t *testing.T) {
	servers := idle(3, 0, 1)
	servers[1].ID = 77
	p := sched.NewPool(sched.Rule{Kind: sched.WRR}, servers, nil)
	if p.Kind() != sched.WRR || p.Len() != 3 || p.ID(1) != 77 || *p.At(2) != servers[2] {
		t.Errorf("kind %v, %d real servers, id %d at 1, %+v at 2",
			p.Kind(), p.Len(), p.ID(1), *p.At(2))
	}
}

// A pool that is built and thrown away leaves no trace, whatever its servers.
func TestBuildingChangesNothing(t *testing.T) {
	for _, kind := range lvs.Schedulers() {
		for _, other := range lvs.Schedulers() {
			t.Run(fmt.Sprintf("%v before %v", kind, other), func(t *testing.T) {
				var at atomic.Pointer[sched.Pool]
				p := publish(&at, kind, idle(1, 2, 3))
				same, _ := newPool(kind, 1, 2, 3)
				for range 4 {
					p.Pick(request)
					same.Pick(request)
				}
				changed := []sched.Server{{Weight: 9, Upper: 1, Load: p.At(1).Load}}
				changed[0].Load.Begin()
				sched.NewPool(sched.Rule{Kind: other}, changed, p)
				if changed[0].Load.Overloaded() {
					t.Error("a threshold is in force before it was published")
				}
				changed[0].Load.End(false)
				want, _ := same.Pick(request)
				if got, _ := p.Pick(request); got != want || at.Load() != p {
					t.Errorf("picked %d, want %d", got, want)
				}
			})
		}
	}
}

func TestPublishStores(t *testing.T) {
	var at atomic.Pointer[sched.Pool]
	first := publish(&at, sched.RR, idle(1))
	if at.Load() != first {
		t.Error("the first pool was not stored")
	}
	if second := publish(&at, sched.LC, idle(1)); at.Load() != second {
		t.Error("the second pool was not stored")
	}
}

// A pool of the same kind and real servers continues exactly where the previous one was, even when
// it is published twice.
func TestEqualPoolMovesNothing(t *testing.T) {
	for _, kind := range lvs.Schedulers() {
		for n := range 7 {
			servers := idle(1, 2, 3)
			var at atomic.Pointer[sched.Pool]
			p := publish(&at, kind, servers)
			same, others := newPool(kind, 1, 2, 3)
			picks(p, servers, n)
			picks(same, others, n)
			p = publish(&at, kind, slices.Clone(servers))
			p.Publish(&at)
			if got, want := picks(p, servers, 6), picks(same, others, 6); got != want {
				t.Errorf("%v after %d picks: %s, want %s", kind, n, got, want)
			}
		}
	}
}

// A real server that comes back to the pool has the thresholds of its return.
func TestThresholdsOfAReturnedServer(t *testing.T) {
	servers := idle(1, 1)
	servers[1].Upper = 5
	var at atomic.Pointer[sched.Pool]
	publish(&at, sched.RR, servers)
	publish(&at, sched.RR, servers[:1])
	returned := slices.Clone(servers)
	returned[1].Upper = 2
	publish(&at, sched.RR, returned)
	fill(returned[1:])
	if got := returned[1].Load.Total(); got != 2 {
		t.Errorf("overloaded with %d sessions, want 2", got)
	}
}

// A real server that was removed with sessions and comes back has its mark of before. Its new
// threshold counts from the next session, as with one that the kernel takes from its trash.
func TestReturnedServerAboveItsThreshold(t *testing.T) {
	servers := idle(1, 1)
	var at atomic.Pointer[sched.Pool]
	p := publish(&at, sched.RR, servers)
	picks(p, servers, 8)
	publish(&at, sched.RR, servers[:1])
	returned := slices.Clone(servers)
	returned[1].Upper = 4
	p = publish(&at, sched.RR, returned)
	if got, want := picks(p, returned, 4), "BAAA"; got != want {
		t.Errorf("picked %s, want %s: one more session of B, and then none", got, want)
	}
	publish(&at, sched.RR, servers[:1])
	if p = publish(&at, sched.RR, slices.Clone(returned)); !returned[1].Load.Overloaded() {
		t.Errorf("removed and added again, and its mark is gone; it gets %s", picks(p, returned, 2))
	}
}

// A real server that takes another one's position in the file, with the same thresholds, gets them
// too.
func TestThresholdsOfAReplacement(t *testing.T) {
	servers := idle(1)
	servers[0].Upper = 2
	var at atomic.Pointer[sched.Pool]
	publish(&at, sched.RR, servers)
	servers = slices.Clone(servers)
	servers[0].Load = new(sched.Load)
	publish(&at, sched.RR, servers)
	servers[0].Load.Begin()
	if servers[0].Load.Begin(); !servers[0].Load.Overloaded() {
		t.Error("not overloaded with 2 sessions")
	}
}

// rr finds its place however many real servers before it are removed at once.
func TestRRPlaceAmongManyRemoved(t *testing.T) {
	servers := idle(slices.Repeat([]int{1}, 1000)...)
	var at atomic.Pointer[sched.Pool]
	p := publish(&at, sched.RR, servers)
	for range 900 {
		p.Pick(request) // the last is 100
	}
	kept := []sched.Server{servers[50], servers[99], servers[998], servers[999]}
	if i, _ := publish(&at, sched.RR, kept).Pick(request); i != 1 {
		t.Errorf("picked %d, want 1: 998 is the nearest one before 100 in the kernel's list", i)
	}
}

func TestAvailable(t *testing.T) {
	servers := idle(0, 1, 1)
	servers[1].Upper, servers[2].Upper = 1, 1
	var at atomic.Pointer[sched.Pool]
	p := publish(&at, sched.WLC, servers)
	is := func(want bool, when string) {
		t.Helper()
		if got := p.Available(); got != want {
			t.Errorf("%s: available %v, want %v", when, got, want)
		}
	}
	is(true, "idle")
	servers[2].Load.Begin()
	is(true, "the one found last is overloaded")
	servers[1].Load.Begin()
	is(false, "both are overloaded")
	servers[2].Load.End(false)
	is(true, "one is free again")
	p = publish(&at, sched.WLC, servers[:1])
	is(false, "only one of weight 0 is left")
	p = publish(&at, sched.WLC, nil)
	is(false, "none is left")
}

// Workers pick while pools replace each other. One always uses the latest pool, and one an older
// pool.
func TestPickWhilePublishing(t *testing.T) {
	for _, kind := range lvs.Schedulers() {
		t.Run(kind.String(), func(t *testing.T) {
			servers := idle(1, 2, 3, 4, 5, 6, 7, 8)
			var at atomic.Pointer[sched.Pool]
			publish(&at, kind, servers)
			var done atomic.Bool
			var wait sync.WaitGroup
			for _, every := range []int{1, 64} { // picks from one pool
				wait.Go(func() { pickUntil(t, &done, &at, every) })
			}
			for n := range 10000 {
				publish(&at, kind, variant(servers, n))
			}
			done.Store(true)
			wait.Wait()
		})
	}
}

// variant returns some of the real servers, with other weights and thresholds for each n. At least
// one can be picked.
func variant(servers []sched.Server, n int) []sched.Server {
	v := slices.Clone(servers[n%3 : 4+n%5])
	for i := range v {
		v[i].Weight = int32((n + i) % 9)
		v[i].Upper = int32(n % 2 * 1000000)
	}
	v[len(v)-1].Weight = 1
	return v
}

func pickUntil(t *testing.T, done *atomic.Bool, at *atomic.Pointer[sched.Pool], every int) {
	for !done.Load() {
		p := at.Load()
		for range every {
			i, ok := p.Pick(request)
			if !ok && misses(p.Kind()) {
				continue
			}
			if !ok || i >= p.Len() || p.At(i).Weight == 0 || !p.Available() {
				t.Errorf("picked %d of %d", i, p.Len())
				return
			}
			p.At(i).Load.Begin()
			p.At(i).Load.End(false)
		}
	}
}

// An edit allocates only the real servers, the pool and the scheduler's tables, of which mh has two
// and a tournament four.
func TestPublishAllocations(t *testing.T) {
	for _, kind := range lvs.Schedulers() {
		edit := editor(kind, 100)
		if allocs := testing.AllocsPerRun(100, edit); allocs > 6 {
			t.Errorf("%v: %v allocations an edit, want at most 6", kind, allocs)
		}
	}
}

// editor returns a function that publishes a pool in which one weight differs from the one before.
func editor(kind sched.Kind, n int) func() {
	servers := idle(make([]int, n)...)
	for i := range servers {
		servers[i].Weight, servers[i].Upper = int32(1+i%10), 1000
	}
	at, turn := new(atomic.Pointer[sched.Pool]), 0
	p := publish(at, kind, servers)
	for range n / 2 {
		p.Pick(request)
	}
	return func() {
		servers = slices.Clone(servers)
		turn++
		servers[turn%n].Weight = int32(1 + turn%100)
		publish(at, kind, servers)
	}
}

// BenchmarkPublish edits one weight: it copies the real servers, builds the pool and publishes it.
func BenchmarkPublish(b *testing.B) {
	for _, kind := range lvs.Schedulers() {
		for _, n := range []int{10, 1000, 10000} {
			b.Run(fmt.Sprintf("%v/servers=%d", kind, n), func(b *testing.B) {
				edit := editor(kind, n)
				b.ReportAllocs()
				for b.Loop() {
					edit()
				}
			})
		}
	}
}

// BenchmarkAvailable measures the cost of an echo request to a VIP.
func BenchmarkAvailable(b *testing.B) {
	servers := idle(slices.Repeat([]int{1}, 1000)...)
	p := publish(new(atomic.Pointer[sched.Pool]), sched.RR, servers)
	for b.Loop() {
		p.Available()
	}
}
