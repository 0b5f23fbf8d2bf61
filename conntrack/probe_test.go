package conntrack

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"fulcrum/packet"
)

// mixedHashes returns the hashes of n keys; every third key has no session.
func mixedHashes(table *Table, n int) []uint64 {
	var hashes []uint64
	for i := range n {
		in, out := flows(i)
		k := Key4{Flow4: in, Protocol: packet.ProtocolTCP}
		if i%2 == 1 {
			k.Flow4 = out
		}
		if i%3 == 0 {
			k.Protocol = packet.ProtocolUDP
		}
		hashes = append(hashes, table.Hash4(&k))
	}
	return hashes
}

// TestProbeIsCandidate: Probe returns what Candidate does for bursts of every size, and writes no
// Ref beyond them.
func TestProbeIsCandidate(t *testing.T) {
	table := newTable(t, Config{Max: 1000})
	for i := range table.Cap() {
		mustInsert(t, table, i, 0)
	}
	const untouched = Ref(0xdead)
	for n := range MaxProbe + 1 {
		hashes := mixedHashes(table, n)
		refs := make([]Ref, n+1)
		for i := range refs {
			refs[i] = untouched
		}
		table.Probe(hashes, refs[:n])
		for i, h := range hashes {
			if want := table.Candidate(h); refs[i] != want {
				t.Errorf("%d hashes: %d is %#x; want %#x", n, i, refs[i], want)
			}
		}
		if refs[n] != untouched {
			t.Errorf("%d hashes: one reference too many", n)
		}
	}
}

func TestProbeOfEmptyTable(t *testing.T) {
	table := newTable(t, Config{Max: 1})
	refs := make([]Ref, MaxProbe)
	table.Probe(mixedHashes(table, MaxProbe), refs)
	for i, r := range refs {
		if r != 0 {
			t.Errorf("%d is %#x", i, r)
		}
	}
	table.Probe(nil, nil)
}

func TestProbeAllocatesNothing(t *testing.T) {
	table := newTable(t, Config{Max: 100})
	hashes, refs := mixedHashes(table, MaxProbe), make([]Ref, MaxProbe)
	if n := testing.AllocsPerRun(100, func() { table.Probe(hashes, refs) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkProbe looks up bursts of random sessions and confirms them. Its time is per session.
func BenchmarkProbe(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := newTable(b, Config{Max: n})
			for i := range n {
				mustInsert(b, table, i, 0)
			}
			r := rand.New(rand.NewPCG(1, 2))
			var keys [MaxProbe]Key4
			var hashes [MaxProbe]uint64
			var refs [MaxProbe]Ref
			for b.Loop() {
				for i := range keys {
					in, _ := flows(int(r.Uint32N(uint32(n))))
					keys[i] = Key4{Flow4: in, Protocol: packet.ProtocolTCP}
					hashes[i] = table.Hash4(&keys[i])
				}
				table.Probe(hashes[:], refs[:])
				for i := range keys {
					table.Confirm4(refs[i], &keys[i])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/MaxProbe, "ns/lookup")
		})
	}
}

// TestProbeOfBothFamilies: a mixed burst finds what each packet alone finds.
func TestProbeOfBothFamilies(t *testing.T) {
	table := newTable(t, Config{Max: 100, MaxV6: 100})
	var hashes []uint64
	for i := range 100 {
		mustInsert(t, table, i, 0)
		mustInsert6(t, table, i, 0)
		in, out := flows6Of(i)
		for _, f := range []Flow{in, out} {
			hashes = append(hashes, table.Hash(&Key{Flow: f, Protocol: packet.ProtocolTCP}))
		}
	}
	hashes = append(hashes, mixedHashes(table, 100)...)
	rand.Shuffle(len(hashes), func(i, j int) { hashes[i], hashes[j] = hashes[j], hashes[i] })
	refs := make([]Ref, MaxProbe)
	for first := 0; first+MaxProbe <= len(hashes); first += MaxProbe {
		table.Probe(hashes[first:first+MaxProbe], refs)
		for i, r := range refs {
			if want := table.Candidate(hashes[first+i]); r != want {
				t.Errorf("%#x; want %#x", r, want)
			}
		}
	}
}

// BenchmarkProbe6 is BenchmarkProbe for IPv6 sessions.
func BenchmarkProbe6(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table := newTable(b, Config{Max: 1, MaxV6: n})
			for i := range n {
				mustInsert6(b, table, i, 0)
			}
			r := rand.New(rand.NewPCG(1, 2))
			var keys [MaxProbe]Key
			var hashes [MaxProbe]uint64
			var refs [MaxProbe]Ref
			for b.Loop() {
				for i := range keys {
					in, _ := flows6Of(int(r.Uint32N(uint32(n))))
					keys[i] = Key{Flow: in, Protocol: packet.ProtocolTCP}
					hashes[i] = table.Hash(&keys[i])
				}
				table.Probe(hashes[:], refs[:])
				for i := range keys {
					table.Confirm(refs[i], &keys[i])
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/MaxProbe, "ns/lookup")
		})
	}
}
