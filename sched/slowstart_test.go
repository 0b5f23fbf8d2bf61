package sched_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/lvs"
	"fulcrum/sched"
)

// slowly returns real servers with shares of a slow start; 0 is none.
func slowly(servers []sched.Server, shares ...uint8) []sched.Server {
	servers = slices.Clone(servers)
	for i, share := range shares {
		servers[i].Share = share
	}
	return servers
}

// spread makes n picks, each of which begins a session that stays. It returns the number of each
// real server.
func spread(p *sched.Pool, n int) []int {
	counts := make([]int, p.Len())
	for range n {
		i, _ := p.Pick(request)
		p.At(i).Load.Begin()
		p.At(i).Load.Activate()
		counts[i]++
	}
	return counts
}

var slowStarters = lvs.SchedulersWith(lvs.Scheduler.SlowStarts)

// fairShare returns what the i-th of some real servers gets of n sessions if all have all of their
// share, but for shares of slow starts.
func fairShare(kind sched.Kind, servers []sched.Server, i, n int) float64 {
	own, sum := 0.0, 0.0
	for j, s := range servers {
		part := 1.0
		if kind.Weighted() {
			part = float64(s.Weight)
		}
		if s.Share > 0 {
			part *= float64(s.Share) / sched.FullShare
		}
		if sum += part; j == i {
			own = part
		}
	}
	return own / sum * float64(n)
}

// TestSlowShares: in each step, a real server without sessions gets exactly its share of the new
// ones, however many the others have and by whatever scheduler.
func TestSlowShares(t *testing.T) {
	for _, kind := range slowStarters {
		for _, weights := range [][]int{{1, 1, 1, 1}, {3, 5, 2, 5}, {65535, 1, 65535, 65535}, {1, 1000, 1000, 7}} {
			for share := range uint8(sched.FullShare) {
				servers := slowly(idle(weights...), 0, 0, share+1)
				for range 20_000 { // more than the test brings
					for i := range servers {
						if i != 2 {
							servers[i].Load.Begin()
							servers[i].Load.Activate()
						}
					}
				}
				const n = 5_000
				got := spread(publish(new(atomic.Pointer[sched.Pool]), kind, servers), n)
				if want := fairShare(kind, servers, 2, n); float64(got[2]) < want-3 || float64(got[2]) > want+3 {
					t.Errorf("%v, weights %v, share %d: got %d of %d, want %.1f", kind, weights, share+1,
						got[2], n, want)
				}
			}
		}
	}
}

// TestSlowSharesOfSeveral: real servers in different steps have their shares at the same time.
func TestSlowSharesOfSeveral(t *testing.T) {
	for _, kind := range slowStarters {
		const n = 10_000
		servers := slowly(idle(2, 2, 2, 4, 2, 2), 1, 0, 5, 10, 2, 0)
		for range n {
			servers[1].Load.Begin()
			servers[5].Load.Begin()
		}
		got := spread(publish(new(atomic.Pointer[sched.Pool]), kind, servers), n)
		for _, i := range []int{0, 2, 3, 4} {
			want := fairShare(kind, servers, i, n)
			if float64(got[i]) < want-5 || float64(got[i]) > want+5 {
				t.Errorf("%v: real server %d got %d of %d, want %.0f", kind, i, got[i], n, want)
			}
		}
	}
}

// TestTurnsAreSpread: what a real server in slow start gets comes evenly, not in bursts.
func TestTurnsAreSpread(t *testing.T) {
	for _, share := range []uint8{1, 2, 5, 9} {
		servers := slowly(idle(1, 1, 1, 1, 1), 0, 0, share)
		p := publish(new(atomic.Pointer[sched.Pool]), sched.RR, servers)
		const n = 4000
		fair := n / fairShare(sched.RR, servers, 2, n)
		last, longest, shortest := -1, 0, n
		for i := range n {
			if got, _ := p.Pick(request); got == 2 {
				if last >= 0 {
					longest, shortest = max(longest, i-last), min(shortest, i-last)
				}
				last = i
			}
		}
		if float64(longest) > 2*fair || float64(shortest) < fair/2-1 {
			t.Errorf("share %d: from %d to %d picks apart, want about %.1f", share, shortest, longest, fair)
		}
	}
}

// TestBusySlowServer: a real server in slow start that has more to do than another passes its turn,
// if the scheduler goes by load.
func TestBusySlowServer(t *testing.T) {
	for _, kind := range []sched.Kind{sched.LC, sched.WLC, sched.SED, sched.NQ} {
		servers := slowly(idle(1, 1, 1), 0, 5, 0)
		for range 100 {
			servers[1].Load.Begin()
			servers[1].Load.Activate()
		}
		p := publish(new(atomic.Pointer[sched.Pool]), kind, servers)
		if got := spread(p, 100); got[1] != 0 {
			t.Errorf("%v: %v", kind, got)
		}
	}
}

// TestSlowAmongUnavailable: a share is no limit where no other is available, and no claim of one
// that is overloaded.
func TestSlowAmongUnavailable(t *testing.T) {
	for _, kind := range slowStarters {
		for _, tt := range []struct {
			what           string
			weights, upper []int
			shares         []uint8
			want           []int
		}{
			{"others drained", []int{0, 3, 0}, []int{0, 0, 0}, []uint8{0, 1, 0}, []int{0, 100, 0}},
			{"others overloaded", []int{2, 3, 2}, []int{1, 0, 1}, []uint8{0, 1, 0}, []int{0, 100, 0}},
			{"overloaded", []int{0, 3, 2}, []int{0, 1, 0}, []uint8{0, 9, 0}, []int{0, 0, 100}},
			{"drained", []int{0, 0, 2}, []int{0, 0, 0}, []uint8{0, 9, 0}, []int{0, 0, 100}},
			{"one of two", []int{0, 1, 1}, []int{0, 1, 0}, []uint8{0, 9, 1}, []int{0, 0, 100}},
		} {
			servers := slowly(idle(tt.weights...), tt.shares...)
			for i := range servers {
				servers[i].Upper = int32(tt.upper[i])
			}
			p := publish(new(atomic.Pointer[sched.Pool]), kind, servers)
			for i := range servers {
				if servers[i].Upper > 0 {
					servers[i].Load.Begin()
				}
			}
			if got := spread(p, 100); !slices.Equal(got, tt.want) || !p.Available() {
				t.Errorf("%v, %s: %v", kind, tt.what, got)
			}
		}
	}
	none := slowly(idle(1, 1), 1, 0)
	none[0].Upper, none[1].Upper = 1, 1
	p := publish(new(atomic.Pointer[sched.Pool]), sched.WLC, none)
	none[0].Load.Begin()
	none[1].Load.Begin()
	if i, ok := p.Pick(request); ok || p.Available() {
		t.Errorf("picked %d of a pool without an available one", i)
	}
}

// TestRoundGoesOn: rr goes on where it was. The others' round is as if the real server in slow
// start were drained, and once it has finished the whole one begins from there.
func TestRoundGoesOn(t *testing.T) {
	var at atomic.Pointer[sched.Pool]
	servers := idle(1, 1, 0, 1)
	if got := picks(publish(&at, sched.RR, servers), servers, 4); got != "DBAD" {
		t.Fatal(got)
	}
	back := slices.Clone(servers)
	back[2].Weight = 1
	var others strings.Builder
	for share := range uint8(sched.FullShare) {
		others.WriteString(picks(publish(&at, sched.RR, slowly(back, 0, 0, share+1)), servers, 10))
	}
	left := strings.ReplaceAll(others.String(), "C", "")
	if want := strings.Repeat("BAD", 100)[:len(left)]; left != want {
		t.Errorf("the others' picks\n%s, want\n%s", left, want)
	}
	if n := others.Len() - len(left); n < 12 || n > 18 { // (0.1/3.1 + 0.2/3.2 + ... + 1/4) * 10
		t.Errorf("%d picks in slow start", n)
	}
	after := map[byte]string{'D': "CBAD", 'B': "ADCB", 'A': "DCBA"}
	got := picks(publish(&at, sched.RR, back), servers, 4)
	if want := after[left[len(left)-1]]; got != want {
		t.Errorf("after %s it goes on with %s, want %s", left, got, want)
	}
}

// TestLastWeightOutlivesSlowStart: a real server that is drained during its slow start has the same
// latest weight as without: mh gives it as many slots.
func TestLastWeightOutlivesSlowStart(t *testing.T) {
	var slow, plain atomic.Pointer[sched.Pool]
	servers := idle(3, 4, 0)
	for i := range servers {
		servers[i].Hashed = uint32(i) * 0x1234567
	}
	come := slices.Clone(servers)
	come[2].Weight = 5
	for at, share := range map[*atomic.Pointer[sched.Pool]]uint8{&slow: 4, &plain: 0} {
		publish(at, sched.LC, slices.Clone(servers))
		publish(at, sched.LC, slowly(come, 0, 0, share))
		publish(at, sched.LC, slices.Clone(servers))
		publishRule(at, sched.Rule{Kind: sched.MH, Flags: lvs.SchedPort}, slices.Clone(servers))
	}
	for port := range uint16(2000) {
		r := firstOf(request.Src, request.Dst)
		r.SrcPort = port
		one, _ := slow.Load().Pick(r)
		if other, _ := plain.Load().Pick(r); one != other {
			t.Fatalf("port %d: %d after a slow start, %d without", port, one, other)
		}
	}
}

// TestDrainedInSlowStart: a real server in slow start is not drained, and its weight is its own.
func TestDrainedInSlowStart(t *testing.T) {
	servers := slowly(idle(7, 0, 3), 1)
	p := publish(new(atomic.Pointer[sched.Pool]), sched.WRR, servers)
	if p.Drained(servers[0].Load) || !p.Drained(servers[1].Load) || p.At(0).Weight != 7 {
		t.Error("a real server in slow start counts as drained")
	}
	if next, ok := p.Next(0, 0); !ok || next != 2 || !p.SlowStart() {
		t.Error("it is not found beside others")
	}
	if i, ok := p.Next(2, 2); !ok || i != 0 {
		t.Error("nor as another one")
	}
}

// TestSharesOfOtherSchedulers: schedulers that know no shares pick as if there were none.
func TestSharesOfOtherSchedulers(t *testing.T) {
	for _, kind := range lvs.Schedulers() {
		p := publish(new(atomic.Pointer[sched.Pool]), kind, slowly(idle(1, 1, 1), 1, 0, 0))
		if p.SlowStart() != kind.SlowStarts() {
			t.Errorf("%v: slow start %v", kind, p.SlowStart())
		}
	}
}

// member is one real server in a pool with slow starts, and in the pool without those.
type member struct {
	weight, upper int32
	share         uint8
	load, twin    *sched.Load
}

// twins are a service with slow starts, and one that has its real servers in slow start drained.
type twins struct {
	kind          sched.Kind
	members       []*member
	slow, drained atomic.Pointer[sched.Pool]
	open          []*member
}

func (w *twins) publish() {
	var slow, drained []sched.Server
	for _, m := range w.members {
		s := sched.Server{Weight: m.weight, Upper: m.upper, Load: m.load, Share: m.share}
		slow = append(slow, s)
		if s.Load, s.Share = m.twin, 0; m.share > 0 {
			s.Weight = 0
		}
		drained = append(drained, s)
	}
	publish(&w.slow, w.kind, slow)
	publish(&w.drained, w.kind, drained)
}

func (w *twins) draw(t *rapid.T) *member {
	if len(w.members) == 0 {
		t.Skip("no real server")
	}
	return rapid.SampledFrom(w.members).Draw(t, "real server")
}

func (w *twins) add(t *rapid.T) {
	w.members = append(w.members, &member{
		weight: rapid.Int32Range(0, 9).Draw(t, "weight"), load: new(sched.Load), twin: new(sched.Load),
		upper: rapid.SampledFrom([]int32{0, 0, 3}).Draw(t, "upper"), share: drawShare(t),
	})
	w.publish()
}

func drawShare(t *rapid.T) uint8 {
	return rapid.SampledFrom([]uint8{0, 0, 1, 5, sched.FullShare}).Draw(t, "share")
}

func (w *twins) step(t *rapid.T) { w.draw(t).share = drawShare(t); w.publish() }

func (w *twins) reweigh(t *rapid.T) {
	w.draw(t).weight = rapid.Int32Range(0, 9).Draw(t, "weight")
	w.publish()
}

func (w *twins) remove(t *rapid.T) {
	m := w.draw(t)
	w.members = slices.DeleteFunc(slices.Clone(w.members), func(o *member) bool { return o == m })
	w.publish()
}

// pick expects a real server in slow start, or the same as of the twin.
func (w *twins) pick(t *rapid.T) {
	pool := w.slow.Load()
	peeked, _ := pool.Peek(request)
	i, ok := pool.Pick(request)
	if peeked != i {
		t.Fatalf("picked %d, a peek before it said %d", i, peeked)
	}
	if !ok && pool.Available() {
		t.Fatal("no pick, although one is available")
	}
	// twos draws a number also where no other is available: the twins' numbers differ from then on.
	if w.kind != sched.TWOS && (!ok || w.members[i].share == 0) {
		if want, _ := w.drained.Load().Pick(request); want != i {
			t.Fatalf("picked %d, want %d or one in slow start", i, want)
		}
	}
	if !ok {
		return
	}
	m := w.members[i]
	if m.weight == 0 || m.load.Overloaded() {
		t.Fatalf("picked %d, which is not available", i)
	}
	m.load.Begin()
	m.twin.Begin()
	w.open = append(w.open, m)
}

func (w *twins) end(t *rapid.T) {
	if len(w.open) == 0 {
		t.Skip("no session")
	}
	i := rapid.IntRange(0, len(w.open)-1).Draw(t, "session")
	w.open[i].load.End(false)
	w.open[i].twin.End(false)
	w.open = slices.Delete(w.open, i, i+1)
}

// TestSlowStartLeavesTheOthersAlone: whatever changes and steps come, the scheduler picks among the
// others as if those in slow start were drained, and as always once there are none.
func TestSlowStartLeavesTheOthersAlone(t *testing.T) {
	for _, kind := range slowStarters {
		t.Run(kind.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := &twins{kind: kind}
				for range rapid.IntRange(0, 5).Draw(t, "real servers") {
					w.add(t)
				}
				w.publish()
				t.Repeat(map[string]func(*rapid.T){
					"pick": w.pick, "pick+": w.pick, "pick++": w.pick, "end": w.end, "add": w.add,
					"step": w.step, "step+": w.step, "weight": w.reweigh, "remove": w.remove,
				})
			})
		})
	}
}

// TestTournamentsInSlowStart: large pools do so too.
func TestTournamentsInSlowStart(t *testing.T) {
	sched.FromTheFirst(t)
	TestSlowStartLeavesTheOthersAlone(t)
	TestSlowShares(t)
}

// TestStepsWhilePicking: workers pick while steps come and go.
func TestStepsWhilePicking(t *testing.T) {
	for _, kind := range slowStarters {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			var at atomic.Pointer[sched.Pool]
			servers := idle(1, 2, 3, 4)
			publish(&at, kind, slices.Clone(servers))
			var done atomic.Bool
			var workers sync.WaitGroup
			for range 2 {
				workers.Go(func() {
					for !done.Load() {
						p := at.Load()
						i, ok := p.Pick(request)
						if !ok {
							t.Error("no pick")
							return
						}
						p.At(i).Load.Begin()
						p.At(i).Load.End(false)
					}
				})
			}
			for i := range 300 {
				publish(&at, kind, slowly(servers, 0, uint8(i%11), uint8(i/11%11)))
			}
			done.Store(true)
			workers.Wait()
		})
	}
}

func TestSlowStartAllocatesNothing(t *testing.T) {
	for _, kind := range slowStarters {
		p := publish(new(atomic.Pointer[sched.Pool]), kind, slowly(idle(1, 2, 3), 0, 5, 0))
		if n := testing.AllocsPerRun(100, func() { p.Pick(request); p.Peek(request) }); n != 0 {
			t.Errorf("%v: %.0f allocations", kind, n)
		}
	}
}
