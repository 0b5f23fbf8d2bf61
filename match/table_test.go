package match

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// drawMatch draws a match within few addresses and ports, so that matches overlap.
func drawMatch(t *rapid.T) lvs.Match {
	base := netip.MustParseAddr("10.0.0.1")
	if rapid.Bool().Draw(t, "IPv6") {
		base = netip.MustParseAddr("fd00::fffe")
	}
	first := rapid.IntRange(0, 12).Draw(t, "first")
	last := rapid.IntRange(first, 12).Draw(t, "last")
	from := rapid.IntRange(1, 9).Draw(t, "from")
	to := rapid.IntRange(from, 9).Draw(t, "to")
	m := lvs.Match{
		Protocol: rapid.SampledFrom(lvs.Protocols()).Draw(t, "protocol"),
		First:    plus(base, first), Last: plus(base, last),
		Ports: lvs.Ports{First: uint16(from), Last: uint16(to)},
	}
	if rapid.Bool().Draw(t, "all ports") {
		m.Ports = lvs.AllPorts
	}
	return m
}

func plus(a netip.Addr, n int) netip.Addr {
	for range n {
		a = a.Next()
	}
	return a
}

func holds(m lvs.Match, p lvs.Protocol, a netip.Addr, port uint16) bool {
	return m.Protocol == p && m.Has(a) && m.Ports.First <= port && port <= m.Ports.Last
}

// TestFindIsTheNarrowest compares the table with a look at every match.
func TestFindIsTheNarrowest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		distinct := map[lvs.Match]bool{}
		for _, m := range rapid.SliceOfN(rapid.Custom(drawMatch), 0, 40).Draw(t, "matches") {
			distinct[m] = true
		}
		var entries []Entry[lvs.Match]
		for m := range distinct {
			entries = append(entries, Entry[lvs.Match]{m, m})
		}
		table := New(entries)
		for range 50 {
			a := drawMatch(t)
			want, found := narrowest(entries, a.Protocol, a.First, a.Ports.First)
			got, ok := table.Find(packet.AddrOf(a.First), a.Ports.First, uint8(a.Protocol))
			if got != want || ok != found {
				t.Fatalf("%s: got %s (%t), want %s (%t)", a, got, ok, want, found)
			}
			checkCovering(t, table, entries, a.First)
		}
	})
}

func narrowest(
	all []Entry[lvs.Match], p lvs.Protocol, a netip.Addr, port uint16,
) (best lvs.Match, found bool) {
	for _, e := range all {
		if holds(e.Match, p, a, port) && (!found || e.Narrower(best) < 0) {
			best, found = e.Match, true
		}
	}
	return best, found
}

func checkCovering(
	t *rapid.T, table *Table[lvs.Match], entries []Entry[lvs.Match], a netip.Addr,
) {
	want, got, all := map[lvs.Match]bool{}, map[lvs.Match]bool{}, []lvs.Match{}
	for _, e := range entries {
		if all = append(all, e.Match); e.Has(a) {
			want[e.Match] = true
		}
	}
	table.Covering(packet.AddrOf(a), func(m lvs.Match) bool { got[m] = true; return true })
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s is covered by %v, want %v", a, got, want)
	}
	if has := SpansOf(all).Has(packet.AddrOf(a)); has != (len(want) > 0) {
		t.Fatalf("the spans have %s: %t", a, has)
	}
}

// TestPrefixesAreTheRange adds up the prefixes of ranges.
func TestPrefixesAreTheRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, at := drawMatch(t), netip.Addr{}
		all := Prefixes(m)
		for i, p := range all {
			if want := m.First; i == 0 && p.Addr() != want || i > 0 && p.Addr() != at {
				t.Fatalf("%s: prefix %d is %s", m, i, p)
			}
			at = lvs.LastOf(p).Next()
		}
		if at != m.Last.Next() || len(all) > 2*m.First.BitLen() {
			t.Fatalf("%s: %v", m, all)
		}
	})
	m, _ := lvs.ParseMatch("udp 10.0.0.1-10.0.0.10:53")
	want := "[10.0.0.1/32 10.0.0.2/31 10.0.0.4/30 10.0.0.8/31 10.0.0.10/32]"
	if got := fmt.Sprint(Prefixes(m)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// overlapping returns n matches, each within the one before.
func overlapping(n int) (all []Entry[int]) {
	first, last := netip.MustParseAddr("10.0.0.0"), packet.AddrFrom4(10<<24+uint32(2*n))
	for i := range n {
		all = append(all, Entry[int]{lvs.Match{
			Protocol: lvs.TCP, First: first, Last: last,
			Ports: lvs.Ports{First: uint16(i%60000 + 1), Last: uint16(i%60000 + 2)},
		}, i})
		first, last = first.Next(), last.Prev()
	}
	return all
}

// TestOverlapsNeedLittleMemory holds the size of a table of matches that all overlap.
func TestOverlapsNeedLittleMemory(t *testing.T) {
	const n = 10_000
	table := New(overlapping(n))
	if most := 2 * n * 15; len(table.listed) > most || len(table.starts) > 2*most {
		t.Errorf("%d matches are at %d nodes, with %d segments", n, len(table.listed), len(table.starts))
	}
}

// disjoint returns n prefixes of IPv4 and IPv6 in turn.
func disjoint(n int) (all []Entry[int]) {
	for i := range n {
		text := fmt.Sprintf("tcp 10.%d.%d.0/28:80-90", i>>8, i&255)
		if i%2 == 1 {
			text = fmt.Sprintf("tcp [fd00:%x::/64]:*", i)
		}
		m, err := lvs.ParseMatch(text)
		if err != nil {
			panic(err)
		}
		all = append(all, Entry[int]{m, i})
	}
	return all
}

func BenchmarkFind(b *testing.B) {
	shapes := []struct {
		name string
		make func(int) []Entry[int]
	}{{"disjoint", disjoint}, {"nested", overlapping}}
	for _, shape := range shapes {
		for _, n := range []int{1, 10, 100, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				findAll(b, shape.make(n))
			})
		}
	}
}

func findAll(b *testing.B, entries []Entry[int]) {
	table := New(entries)
	random := rand.New(rand.NewPCG(1, 2))
	questions := make([]lvs.Match, 1<<12)
	for i := range questions {
		questions[i] = entries[random.IntN(len(entries))].Match
	}
	addresses := make([]packet.Addr, len(questions))
	for i := range questions {
		addresses[i] = packet.AddrOf(questions[i].First)
	}
	b.ResetTimer()
	for i := range b.N {
		q := i & (len(questions) - 1)
		if _, ok := table.Find(addresses[q], questions[q].Ports.First, 6); !ok {
			b.Fatal("not found: ", questions[q])
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		entries := slices.Clone(disjoint(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				New(entries)
			}
		})
	}
}
