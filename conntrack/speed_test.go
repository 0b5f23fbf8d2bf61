package conntrack

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"fulcrum/packet"
)

func TestNoAllocs(t *testing.T) {
	table := newTable(t, Config{Max: 1000, MaxV6: 1000})
	for i := range 990 { // close to the maximum, so that entries have to move
		mustInsert(t, table, i, 0)
		mustInsert6(t, table, i, 0)
	}
	now, next := uint32(0), 2000
	in, out := flows(5)
	in6, _ := flows6Of(5)
	k6 := Key{Flow: in6, Protocol: packet.ProtocolTCP}
	k, missing := Key4{Flow4: in, Protocol: packet.ProtocolTCP},
		Key4{Flow4: out, Protocol: packet.ProtocolUDP}
	for name, f := range map[string]func(){
		"Insert and End": func() {
			in, out := flows(next)
			next++
			slot, _ := insert(table, in, out, packet.ProtocolTCP, true, now)
			table.End(slot)
		},
		"Lookup": func() {
			table.Lookup4(table.Hash4(&k), &k)
			table.Lookup4(table.Hash4(&missing), &missing)
			table.Confirm4(table.Candidate(table.Hash4(&k)), &k)
		},
		"Track": func() {
			table.Track(5, Input, EventSyn, now)
			table.Track(5, Input, EventAck, now)
			table.SetState(5, None, now)
		},
		"Insert6 and End": func() {
			in, out := flows6Of(next)
			next++
			slot, _ := insert6(table, in, out, packet.ProtocolTCP, true, now)
			table.End(slot)
			slot, _ = insert6(table, in, translated(next), packet.ProtocolTCP, true, now)
			table.End(slot)
		},
		"Lookup6": func() {
			table.Lookup(table.Hash(&k6), &k6)
			table.Confirm(table.Candidate(table.Hash(&k6)), &k6)
			table.Flows(table.six.first)
		},
		"Expire": func() {
			now += 100
			table.Expire(now)
		},
	} {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestEvictionAllocatesNothing(t *testing.T) {
	table := newTable(t, Config{Max: 100})
	next := 0
	if n := testing.AllocsPerRun(1000, func() {
		in, out := flows(next)
		next++
		slot, _ := insert(table, in, out, packet.ProtocolTCP, true, 0)
		table.Track(slot, Input, EventSyn, 0)
	}); n != 0 || table.Evicted() == 0 {
		t.Errorf("%v allocations, %d evicted", n, table.Evicted())
	}
}

// BenchmarkLookup looks sessions up in random order, or keys without a session.
func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		table := newTable(b, Config{Max: n})
		for i := range n {
			mustInsert(b, table, i, 0)
		}
		for name, first := range map[string]int{"hit": 0, "miss": n} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				for b.Loop() {
					in, _ := flows(first + int(r.Uint32N(uint32(n))))
					k := Key4{Flow4: in, Protocol: packet.ProtocolTCP}
					table.Lookup4(table.Hash4(&k), &k)
				}
			})
		}
	}
}

// BenchmarkLookup6 looks IPv6 sessions up in random order.
func BenchmarkLookup6(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		table := newTable(b, Config{Max: 1, MaxV6: n})
		for i := range n {
			mustInsert6(b, table, i, 0)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				in, _ := flows6Of(int(r.Uint32N(uint32(n))))
				k := Key{Flow: in, Protocol: packet.ProtocolTCP}
				table.Lookup(table.Hash(&k), &k)
			}
		})
	}
}

func BenchmarkInsert6End(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := newTable(b, Config{Max: 1, MaxV6: n})
			for i := range n - 1 {
				mustInsert6(b, table, i, 0)
			}
			next := n
			for b.Loop() {
				table.End(mustInsert6(b, table, next, 0))
				next++
			}
		})
	}
}

func BenchmarkInsertEnd(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := newTable(b, Config{Max: n})
			for i := range n - 1 {
				mustInsert(b, table, i, 0)
			}
			next := n
			for b.Loop() {
				table.End(mustInsert(b, table, next, 0))
				next++
			}
		})
	}
}

// BenchmarkExpire passes over sessions that are not due. Its time is per slot.
func BenchmarkExpire(b *testing.B) {
	const n = 1_000_000
	table := newTable(b, Config{Max: n})
	for i := range n {
		table.SetState(mustInsert(b, table, i, 0), Established, 0)
	}
	for slot := range uint32(n) {
		table.arm(slot, 0) // later than the tick of state None
	}
	for b.Loop() {
		table.pass(maxSwept, 1000)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/maxSwept, "ns/slot")
}

// BenchmarkEvictBehindEstablished inserts into a table full of established sessions, all of them
// still in the queue of half-open ones. This is the longest single step.
func BenchmarkEvictBehindEstablished(b *testing.B) {
	const n = 1_000_000
	table := newTable(b, Config{Max: n})
	for i := range n {
		mustInsert(b, table, i, 0)
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	in, out := flows(n)
	for b.Loop() {
		b.StopTimer()
		for _, slot := range order {
			table.SetState(uint32(slot), SynRecv, 0)
			table.SetState(uint32(slot), Established, 0)
		}
		b.StartTimer()
		if _, result := insert(table, in, out, packet.ProtocolTCP, true, 0); result != tableFull {
			b.Fatal(result)
		}
	}
}
