package persist

import (
	"math/rand/v2"
	"testing"
)

// TestDropEntry: drop_entry ends templates that are not confirmed and have no sessions, and about
// one of 32 in a second, whatever the size of the table and the number of templates.
func TestDropEntry(t *testing.T) {
	for _, c := range []struct{ max, kind, n int }{
		{100_000, 2000, 88}, {100_000, 30_000, 88}, {8000, 2000, 65}, {400, 100, 64}, {20_000, 3000, 8},
	} {
		table, random := newTable(t, c.max), rand.New(rand.NewPCG(1, 2))
		for client := range uint32(3 * c.kind) {
			r, _ := table.Begin(keyOf(client), Server{client % 3, 1}, 1<<30, 0)
			switch client % 3 { // and the real server of the same number has those of the kind
			case 1:
				table.End(r, true, 0)
			case 2:
				table.End(r, false, 0)
			}
		}
		const seconds = 64
		for ms := uint32(0); ms < 1000*seconds; ms += 10 {
			table.Sweep(c.n, ms, none, random)
		}
		if live, confirmed := table.Of(0), table.Of(1); live != c.kind || confirmed != c.kind {
			t.Errorf("%+v: %d with a session and %d confirmed ones are left", c, live, confirmed)
		}
		// (31/32)^64 is 0.131.
		left := table.Of(2)
		if share := float64(left) / float64(c.kind); share < 0.05 || share > 0.25 {
			t.Errorf("%+v: %.3f of the others are left; want 0.13", c, share)
		}
		if n := table.Stats(); n.Dropped != uint64(c.kind-left) || n.Templates != 2*c.kind+left {
			t.Errorf("%+v: %+v", c, n)
		}
	}
}

// TestDropEntryAfterAPause: a long time without templates does not count.
func TestDropEntryAfterAPause(t *testing.T) {
	table, random := newTable(t, 5000), rand.New(rand.NewPCG(1, 2))
	table.Sweep(10_000, 0, none, random)
	for client := range uint32(1000) {
		r, _ := table.Begin(keyOf(client), Server{1, 1}, 1<<30, 50_000_000)
		table.End(r, false, 50_000_000)
	}
	table.Sweep(10_000, 50_000_000, none, random)
	if n := table.Of(1); n < 900 {
		t.Errorf("%d of 1000 are left", n)
	}
}
