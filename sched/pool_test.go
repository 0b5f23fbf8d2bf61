package sched_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/sched"
)

// request is a first packet for schedulers that ignore it.
var request = firstOf(packet.AddrOf4(0x0a000001), packet.AddrOf4(0x0a010064))

// firstOf returns the first packet of a TCP connection from client to vip.
func firstOf(client, vip packet.Addr) sched.Request {
	k := packet.Key{Protocol: packet.ProtocolTCP}
	k.Src, k.SrcPort, k.Dst = client, 40000, vip
	return sched.Request{Key: &k}
}

// publish makes a pool that follows the one in at, and publishes it there. It has all flags.
func publish(at *atomic.Pointer[sched.Pool], kind sched.Kind, servers []sched.Server) *sched.Pool {
	return publishRule(at, sched.Rule{Kind: kind, Flags: lvs.AllSchedulerFlags}, servers)
}

// misses reports whether a scheduler may find no real server while one is available: dh looks at
// one alone. The others that hash have their fallback in these tests.
func misses(kind sched.Kind) bool { return kind == sched.DH }

func publishRule(
	at *atomic.Pointer[sched.Pool], rule sched.Rule, servers []sched.Server,
) *sched.Pool {
	p := sched.NewPool(rule, servers, at.Load())
	p.Publish(at)
	return p
}

// newPool returns the first pool of a service, with idle real servers in file order.
func newPool(kind sched.Kind, weights ...int) (*sched.Pool, []sched.Server) {
	servers := idle(weights...)
	return publish(new(atomic.Pointer[sched.Pool]), kind, servers), servers
}

// idle returns real servers without sessions, in file order.
func idle(weights ...int) []sched.Server {
	servers := make([]sched.Server, len(weights))
	for i, w := range weights {
		servers[i] = sched.Server{ID: uint32(i), Weight: int32(w), Load: new(sched.Load)}
	}
	return servers
}

// picks returns the names of n picks: the servers are A, B, C, ... in file order, and "-" is none.
// Each pick begins a session that stays.
func picks(p *sched.Pool, servers []sched.Server, n int) string {
	var b strings.Builder
	for range n {
		i, ok := p.Pick(request)
		if !ok {
			b.WriteByte('-')
			continue
		}
		servers[i].Load.Begin()
		b.WriteByte("ABCDEFGH"[i])
	}
	return b.String()
}

func TestPicksByHand(t *testing.T) {
	tests := []struct {
		kind    sched.Kind
		weights []int
		want    string
	}{
		{sched.RR, nil, "--"},
		{sched.RR, []int{1}, "AAA"},
		{sched.RR, []int{1, 1, 1}, "CBACBAC"}, // the last of the file is at the list's head
		{sched.RR, []int{1, 5, 2}, "CBACBAC"}, // rr ignores weights
		{sched.RR, []int{1, 0, 1}, "CACAC"},
		{sched.RR, []int{0, 0}, "--"},

		{sched.WRR, nil, "--"},
		{sched.WRR, []int{0, 0}, "--"},
		{sched.WRR, []int{1, 1, 1}, "CBACBA"},
		{sched.WRR, []int{1, 2, 3}, "CBACCBCBACCB"}, // level 1, then 3, 2, 1
		{sched.WRR, []int{3, 2, 1}, "CBAABACBAABA"},
		{sched.WRR, []int{3, 1, 2}, "CBAACACBAACA"},
		{sched.WRR, []int{2, 4}, "BABBAB"},       // gcd 2: levels 1, 3
		{sched.WRR, []int{100, 300}, "BABBBABB"}, // as 1 and 3
		{sched.WRR, []int{4, 0, 2}, "CAACAA"},
		{sched.WRR, []int{0, 0, 3, 6}, "DCDDCD"}, // level 1 of C alone, then 4, 1

		{sched.LC, nil, "--"},
		{sched.LC, []int{1, 1, 1}, "CBACBA"}, // ties: the first in the list
		{sched.LC, []int{1, 9, 0}, "BABA"},   // lc ignores weights but 0

		{sched.WLC, nil, "--"},
		{sched.WLC, []int{1, 1, 1}, "CBACBA"},
		{sched.WLC, []int{1, 2}, "BABBABBA"}, // 0:0 B, 0:1 A, then 1/1 against 1/2, 2/2 ...
		{sched.WLC, []int{0, 3}, "BBBB"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.kind, tt.weights), func(t *testing.T) {
			p, servers := newPool(tt.kind, tt.weights...)
			if got := picks(p, servers, len(tt.want)); got != tt.want {
				t.Errorf("picked %s, want %s", got, tt.want)
			}
		})
	}
}

func TestLeastConnectionWeighsActiveSessions(t *testing.T) {
	p, servers := newPool(sched.LC, 1, 1)
	servers[1].Load.Begin()
	servers[1].Load.Activate() // overhead 257 at B: A gets 257 inactive ones before the tie goes to B
	if got, want := picks(p, servers, 258), strings.Repeat("A", 257)+"B"; got != want {
		t.Errorf("picked %s, want 257 times A, then B", got)
	}
}

func TestUnavailableOnesAreNeverPicked(t *testing.T) {
	for _, kind := range lvs.Schedulers() {
		t.Run(kind.String(), func(t *testing.T) {
			servers := []sched.Server{
				{Weight: 1, Load: new(sched.Load)},
				{Weight: 60000, Upper: 3, Load: new(sched.Load)},
				{Weight: 0, Load: new(sched.Load)},
			}
			p := publish(new(atomic.Pointer[sched.Pool]), kind, servers)
			picks(p, servers, 200)
			b, c := servers[1].Load.Total(), servers[2].Load.Total()
			switch {
			case kind == sched.LBLC && b == 200 && c == 0: // it does not ask for the mark
			case misses(kind) && b <= 3 && c == 0:
			case b != 3 || c != 0:
				t.Errorf("%d sessions at the overloaded one and %d at the drained one, want 3 and 0", b, c)
			}
		})
	}
}

func TestReloadGoesOn(t *testing.T) {
	a, b, c, d := new(sched.Load), new(sched.Load), new(sched.Load), new(sched.Load)
	one := func(loads ...*sched.Load) []sched.Server {
		var servers []sched.Server
		for _, l := range loads {
			servers = append(servers, sched.Server{Weight: 1, Load: l})
		}
		return servers
	}
	tests := []struct {
		name          string
		kind          sched.Kind
		before, after []sched.Server
		n             int // picks before the reload
		want          string
	}{
		{"rr unchanged", sched.RR, one(a, b, c), one(a, b, c), 1, "BAC"},
		{"rr added", sched.RR, one(a, b, c), one(a, b, c, d), 2, "ADC"},
		{"rr last pick removed", sched.RR, one(a, b, c), one(a, c), 2, "ABA"},
		{"rr another removed", sched.RR, one(a, b, c), one(b, c), 2, "BAB"},
		{"rr all before it removed too", sched.RR, one(a, b, c), one(a), 2, "AA"},
		{"rr emptied", sched.RR, one(a, b, c), nil, 2, "-"},
		{"wrr unchanged", sched.WRR, one(a, b, c), one(a, b, c), 1, "BAC"},
		{"wrr added", sched.WRR, one(a, b), one(a, b, c), 1, "CBA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var at atomic.Pointer[sched.Pool]
			picks(publish(&at, tt.kind, tt.before), tt.before, tt.n)
			got := picks(publish(&at, tt.kind, tt.after), tt.after, len(tt.want))
			if got != tt.want {
				t.Errorf("picked %s after the reload, want %s", got, tt.want)
			}
		})
	}
}

// When all are overloaded, wrr keeps its place if it was on the lowest level. Else it goes back to
// the top.
func TestWRRAfterNoneWasAvailable(t *testing.T) {
	tests := []struct {
		n    int // picks before
		want string
	}{
		{1, "ABB"}, // B was picked on level 1: A's turn is still to come
		{3, "BBA"}, // B was picked on level 2: the next would be B on level 1
	}
	for _, tt := range tests {
		servers := []sched.Server{
			{Weight: 1, Upper: 3, Load: new(sched.Load)},
			{Weight: 2, Upper: 3, Load: new(sched.Load)},
		}
		p := publish(new(atomic.Pointer[sched.Pool]), sched.WRR, servers)
		picks(p, servers, tt.n)
		fill(servers)
		if i, ok := p.Pick(request); ok {
			t.Fatalf("picked %d, want none", i)
		}
		empty(servers)
		if got := picks(p, servers, len(tt.want)); got != tt.want {
			t.Errorf("after %d picks and a time without any: %s, want %s", tt.n, got, tt.want)
		}
	}
}

// A pick that skips an overloaded heavy server ends on the level where the kernel's walks end. A
// later edit shows it.
func TestWRRLevelBelowAnOverloadedOne(t *testing.T) {
	servers := []sched.Server{
		{Weight: 6, Load: new(sched.Load)},
		{Weight: 8, Upper: 1, Load: new(sched.Load)},
	}
	var at atomic.Pointer[sched.Pool]
	p := publish(&at, sched.WRR, servers)
	servers[1].Load.Begin()
	picks(p, servers, 2) // A on level 1, then on level 5 of 7, 5, 3, 1
	edited := append(servers[:2:2], sched.Server{Weight: 5, Load: new(sched.Load)})
	if got := picks(publish(&at, sched.WRR, edited), edited, 2); got != "CA" {
		t.Errorf("picked %s, want CA: C's weight 5 is on the level", got)
	}
}

func fill(servers []sched.Server) {
	for _, s := range servers {
		for !s.Load.Overloaded() {
			s.Load.Begin()
		}
	}
}

func empty(servers []sched.Server) {
	for _, s := range servers {
		for s.Load.Total() > 0 {
			s.Load.End(false)
		}
	}
}

// A worker with the older, larger or smaller pool shares the cursor with a worker that has the new
// one.
func TestOlderPoolStaysSafe(t *testing.T) {
	for _, kind := range lvs.Schedulers() {
		var at atomic.Pointer[sched.Pool]
		servers := make([]sched.Server, 8)
		for i := range servers {
			servers[i] = sched.Server{Weight: int32(i), Load: new(sched.Load)}
		}
		older := publish(&at, kind, servers)
		newer := publish(&at, kind, servers[:3])
		for range 100 {
			i, ok := older.Pick(request)
			j, too := newer.Pick(request)
			if misses(kind) && (!ok || !too) {
				continue
			}
			if !ok || !too || servers[i].Weight == 0 || j < 1 || j > 2 {
				t.Fatalf("%v: picked %d of 8 and %d of 3", kind, i, j)
			}
		}
	}
}

// A live service that changes to wrr gives it all real servers at once: it starts at the top. The
// real servers that come with the change are added after it.
func TestWRRAfterAnotherScheduler(t *testing.T) {
	servers := idle(3, 1, 2)
	tests := []struct {
		name   string
		before []sched.Server
		want   string
	}{
		{"all of them before", servers, "ACACBAACACBA"},
		{"the first before", servers[:1], "CBAACACBAACA"},
		{"the first two before", servers[:2], "ACACBAACACBA"},
		{"none before", nil, "CBAACACBAACA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var at atomic.Pointer[sched.Pool]
			publish(&at, sched.RR, tt.before)
			p := publish(&at, sched.WRR, servers)
			if got := picks(p, servers, len(tt.want)); got != tt.want {
				t.Errorf("picked %s, want %s", got, tt.want)
			}
		})
	}
}

// However a new service gets its real servers, wrr is in the same place: by one file, into a pool
// that had none, or one by one.
func TestWRRPhaseOfANewService(t *testing.T) {
	servers := idle(3, 1, 2)
	for name, steps := range map[string][]int{
		"one file": {3}, "empty first": {0, 3}, "one by one": {0, 1, 2, 3}, "in two": {2, 3},
	} {
		var at atomic.Pointer[sched.Pool]
		for _, n := range steps {
			publish(&at, sched.WRR, servers[:n])
		}
		if got, want := picks(at.Load(), servers, 12), "CBAACACBAACA"; got != want {
			t.Errorf("%s: picked %s, the kernel picks %s", name, got, want)
		}
	}
}

func TestAnotherSchedulerStartsAnew(t *testing.T) {
	_, servers := newPool(sched.RR, 1, 1, 1)
	var at atomic.Pointer[sched.Pool]
	picks(publish(&at, sched.RR, servers), servers, 1)
	if got := picks(publish(&at, sched.WRR, servers), servers, 3); got != "CBA" {
		t.Errorf("picked %s, want CBA", got)
	}
}

// However many workers pick, together they get the sequence that a single worker would get.
func TestConcurrentPicksKeepTheSequence(t *testing.T) {
	const workers, each = 4, 2500
	for _, kind := range []sched.Kind{sched.RR, sched.WRR} {
		weights := []int{3, 1, 7, 0, 5, 2}
		alone, _ := newPool(kind, weights...)
		want := tally(alone, workers*each, len(weights))

		shared, _ := newPool(kind, weights...)
		tallies := make([][]int, workers)
		var wait sync.WaitGroup
		for w := range workers {
			wait.Go(func() { tallies[w] = tally(shared, each, len(weights)) })
		}
		wait.Wait()
		got := make([]int, len(weights))
		for _, one := range tallies {
			for i, n := range one {
				got[i] += n
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: picks of one worker (-) and of %d (+):\n%s", kind, workers, diff)
		}
	}
}

func tally(p *sched.Pool, picks, servers int) []int {
	counts := make([]int, servers)
	for range picks {
		if i, ok := p.Pick(request); ok {
			counts[i]++
		}
	}
	return counts
}

func TestNoAllocs(t *testing.T) {
	for _, kind := range lvs.Schedulers() {
		p, servers := newPool(kind, 3, 0, 2, 1)
		allocs := testing.AllocsPerRun(1000, func() {
			p.Peek(request)
			p.Available()
			i, ok := p.Pick(request)
			if !ok && misses(kind) {
				return
			}
			servers[i].Load.Begin()
			servers[i].Load.Activate()
			servers[i].Load.End(true)
		})
		if allocs != 0 {
			t.Errorf("%v: %v allocations a pick", kind, allocs)
		}
	}
}

// BenchmarkPickTogether picks from one pool with as many goroutines as CPUs, as workers do for new
// sessions.
func BenchmarkPickTogether(b *testing.B) {
	for _, kind := range lvs.Schedulers() {
		b.Run(kind.String(), func(b *testing.B) {
			weights := make([]int, 10)
			for i := range weights {
				weights[i] = 1 + i%10
			}
			p, servers := newPool(kind, weights...)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i, _ := p.Pick(request)
					servers[i].Load.Begin()
				}
			})
		})
	}
}

func BenchmarkPick(b *testing.B) {
	for _, kind := range lvs.Schedulers() {
		for _, n := range []int{3, 10, 63, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%v/servers=%d", kind, n), func(b *testing.B) {
				weights := make([]int, n)
				for i := range weights {
					weights[i] = 1 + i%10
				}
				p, servers := newPool(kind, weights...)
				b.ReportAllocs()
				for b.Loop() {
					if i, ok := p.Pick(request); ok {
						servers[i].Load.Begin()
					}
				}
			})
		}
	}
}

// BenchmarkSession is what a TCP session costs its real server's counts and the pick.
func BenchmarkSession(b *testing.B) {
	for _, n := range []int{3, 63, 64, 10000} {
		b.Run(fmt.Sprintf("wlc/servers=%d", n), func(b *testing.B) {
			p, servers := newPool(sched.WLC, slices.Repeat([]int{1}, n)...)
			for b.Loop() {
				i, _ := p.Pick(request)
				l := servers[i].Load
				l.Begin()
				l.Activate()
				l.Deactivate()
				l.End(false)
			}
		})
	}
}
