package conntrack

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"fulcrum/packet"
)

// displacedProblem counts for every bucket the entries that lie in their other bucket, and compares
// the number with the bucket's counter. The entries of a bucket must be its first ones.
func displacedProblem(table *Table) string {
	x := &table.index
	want := make([]uint16, len(x.buckets))
	entries := 0
	for b := range x.buckets {
		for i, tag := range x.buckets[b].tags {
			if isEntry := i < int(x.buckets[b].used); isEntry != (tag != 0) {
				return fmt.Sprintf("bucket %d has %d entries: %#x", b, x.buckets[b].used, x.buckets[b].tags)
			}
			if tag == 0 {
				continue
			}
			entries++
			if home := x.home(table.rehash(x.buckets[b].refs[i])); home != uint32(b) {
				want[home]++
			}
		}
	}
	for b := range x.buckets {
		if got := x.buckets[b].displaced; got != want[b] {
			return fmt.Sprintf("bucket %d counts %d displaced entries; there are %d", b, got, want[b])
		}
	}
	return entriesProblem(table, entries)
}

func entriesProblem(table *Table, entries int) string {
	want := 0
	for slot := range uint32(table.Cap()) {
		if s := table.At(slot); s.Live() {
			want++
			if s.Flags&TwoWay != 0 {
				want++
			}
		}
	}
	if entries != want {
		return fmt.Sprintf("%d entries in the index; want %d", entries, want)
	}
	return ""
}

// randomFlows returns the flows of a two-way session between random addresses.
func randomFlows(r *rand.Rand) (in, out Flow4) {
	client, port := r.Uint32(), uint16(r.Uint32())
	return Flow4{Src: client, Dst: testVIP, SrcPort: port, DstPort: 80},
		Flow4{Src: testServer + r.Uint32N(100), Dst: client, SrcPort: 8080, DstPort: port}
}

// TestIndexTakesMaxSessions fills tables with two-way sessions: none is refused below the maximum.
func TestIndexTakesMaxSessions(t *testing.T) {
	for _, c := range []struct{ max, tables int }{{1, 500}, {2, 500}, {3, 500}, {10, 1000},
		{30, 1000}, {100, 200}, {1000, 20}, {200_000, 1}} {
		t.Run(fmt.Sprint(c.max), func(t *testing.T) {
			for seed := range c.tables {
				fill(t, c.max, uint64(seed)+1)
			}
		})
	}
}

func fill(t *testing.T, max int, seed uint64) {
	table, err := New(Config{Max: max, Timeouts: DefaultTimeouts(), Ended: func(uint32, *Session) {},
		Seed: seed * 0xd1342543de82ef95})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	r := rand.New(rand.NewPCG(seed, uint64(max)))
	for i := range max {
		in, out := randomFlows(r)
		if seed%2 == 0 {
			in, out = flows(i)
		}
		if _, result := insert(table, in, out, packet.ProtocolTCP, true, 0); result != inserted {
			t.Fatalf("seed %d: result %d for session %d of %d", seed, result, i+1, max)
		}
	}
	checkFilled(t, table)
}

// checkFilled looks at every session of a full table, then ends all of them.
func checkFilled(t *testing.T, table *Table) {
	for slot := range uint32(table.Len()) {
		s := table.At(slot)
		for d, f := range []Flow4{s.In, s.Out} {
			if r, ok := lookup(table, f); !ok || r != makeRef(slot, Direction(d)) {
				t.Fatalf("slot %d %v found as %#x, %v", slot, Direction(d), r, ok)
			}
		}
	}
	if problem := displacedProblem(table); problem != "" {
		t.Fatal(problem)
	}
	table.EndAll()
	checkEmpty(t, table)
}

func checkEmpty(t *testing.T, table *Table) {
	t.Helper()
	if table.Len() != 0 {
		t.Fatalf("%d sessions after the end of all", table.Len())
	}
	for b := range table.index.buckets {
		bk := &table.index.buckets[b]
		if *bk != (bucket{kick: bk.kick}) {
			t.Fatalf("bucket %d of an empty table: %+v", b, *bk)
		}
	}
}

// TestIndexUnderChurn replaces random sessions of a full table, so that displaced entries come and
// go.
func TestIndexUnderChurn(t *testing.T) {
	for _, max := range []int{10, 1000} {
		table := newTable(t, Config{Max: max})
		r := rand.New(rand.NewPCG(1, uint64(max)))
		for i := range max {
			mustInsert(t, table, i, 0)
		}
		for i := range 200_000 {
			table.End(r.Uint32N(uint32(max)))
			mustInsert(t, table, max+i, 0)
		}
		checkFilled(t, table)
	}
}

// TestOverfullIndexLosesNothing inserts entries into an index that is too small until one is
// refused. The accepted entries are still found, and the counters are still right.
func TestOverfullIndexLosesNothing(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		x := index{buckets: make([]bucket, 2+r.IntN(40))}
		hashes := []uint64{0} // by Ref
		rehash := func(ref Ref) uint64 { return hashes[ref] }
		for refused := 0; refused < 50; {
			hashes = append(hashes, r.Uint64())
			ref := Ref(len(hashes) - 1)
			if !x.insertHome(hashes[ref], ref) && !x.insertAway(hashes[ref], ref, rehash) {
				hashes = hashes[:ref]
				refused++
			}
		}
		checkAllFound(t, &x, hashes)
	}
}

func checkAllFound(t *testing.T, x *index, hashes []uint64) {
	t.Helper()
	for i, hash := range hashes[1:] {
		ref := Ref(i + 1)
		e, ok := x.find(hash, func(r Ref) bool { return r == ref })
		if !ok {
			t.Fatalf("%d buckets: entry %d of %d is lost", len(x.buckets), ref, len(hashes)-1)
		}
		x.remove(hash, e)
	}
	for b := range x.buckets {
		if bk := &x.buckets[b]; *bk != (bucket{kick: bk.kick}) {
			t.Fatalf("bucket %d of %d after the removal of all: %+v", b, len(x.buckets), x.buckets[b])
		}
	}
}

func TestOtherBucketIsAnInvolution(t *testing.T) {
	for _, n := range []int{2, 3, 4, 135, 26668} {
		x := index{buckets: make([]bucket, n)}
		for tag := 1; tag < 1<<16; tag += 7 {
			for _, b := range []uint32{0, 1, uint32(n / 2), uint32(n - 1)} {
				o := x.other(b, uint16(tag))
				if o >= uint32(n) || x.other(o, uint16(tag)) != b {
					t.Fatalf("%d buckets, tag %d: %d -> %d -> %d", n, tag, b, o, x.other(o, uint16(tag)))
				}
			}
		}
	}
}

// TestDisplacementIsRare: at the configured maximum a look-up seldom needs a second bucket.
func TestDisplacementIsRare(t *testing.T) {
	table := newTable(t, Config{Max: 200_000})
	for i := range table.Cap() {
		mustInsert(t, table, i, 0)
	}
	displaced := 0
	for b := range table.index.buckets {
		displaced += int(table.index.buckets[b].displaced)
	}
	share := float64(displaced) / float64(2*table.Cap())
	t.Logf("%.2f %% of the entries lie away from home", 100*share)
	if share > 0.08 {
		t.Errorf("%.1f %% of the entries are displaced", 100*share)
	}
}

// TestHaving compares having with a look at each tag, among tags that differ in few bits.
func TestHaving(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	choice := []uint16{0, 1, 2, 3, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff}
	for range 100_000 {
		b := bucket{displaced: uint16(r.Uint32()), kick: uint8(r.Uint32())}
		for i := range b.tags {
			b.tags[i] = choice[r.IntN(len(choice))]
		}
		for _, tag := range choice {
			checkHaving(t, &b, tag)
		}
	}
}

func checkHaving(t *testing.T, b *bucket, tag uint16) {
	t.Helper()
	want := uint32(0)
	for i := range b.tags {
		if b.tags[i] == tag {
			want |= 1 << i
		}
	}
	got := b.having(tag)
	if got&want != want || got&-got != want&-want || got>>bucketEntries != 0 {
		t.Fatalf("tag %#x among %#x: %010b; want %010b", tag, b.tags, got, want)
	}
}
