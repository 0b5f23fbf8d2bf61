package persist

import (
	"sync"
	"testing"

	"fulcrum/packet"
)

func newTable(t testing.TB, max int) *Table {
	t.Helper()
	table, err := New(Config{Max: max, Servers: 16, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return table
}

func keyOf(client uint32) *Key { return &Key{Network: packet.AddrOf4(client), Service: 1} }

func none(Server) bool { return false }

// TestLifeOfATemplate follows IPVS: new sessions restart a template, and its end is put off by 60 s
// again and again while sessions live.
func TestLifeOfATemplate(t *testing.T) {
	for _, test := range []struct {
		what  string
		began []uint32 // ms
		ended []uint32
		end   uint32 // of the template
	}{
		{"one short session", []uint32{0}, []uint32{10}, 300_000},
		{"a second one restarts it", []uint32{0, 200_000}, []uint32{10, 200_010}, 500_000},
		{"ended at the last moment", []uint32{0}, []uint32{299_999}, 300_000},
		{"put off once", []uint32{0}, []uint32{300_000}, 360_000},
		{"put off twice", []uint32{0}, []uint32{365_000}, 420_000},
		{"one of two goes on", []uint32{0, 0}, []uint32{10, 600_001}, 660_000},
	} {
		for _, start := range []uint32{5, 1<<32 - 100_000} { // the clock wraps
			table := newTable(t, 4)
			var refs []Ref
			for _, at := range test.began {
				r, ok := table.Begin(keyOf(1), Server{3, 1}, 300_000, start+at)
				if !ok {
					t.Fatalf("%s: no template", test.what)
				}
				refs = append(refs, r)
			}
			for i, at := range test.ended {
				table.End(refs[i], false, start+at)
			}
			_, before := table.Find(keyOf(1), start+test.end-1)
			_, after := table.Find(keyOf(1), start+test.end)
			if !before || after {
				t.Errorf("%s: there before %d ms: %v, and then: %v", test.what, test.end, before, after)
			}
		}
	}
}

// TestFloodSparesConfirmed: sessions of invented sources cannot end the templates of clients that
// have shown that they are there.
func TestFloodSparesConfirmed(t *testing.T) {
	const max = 5000
	table := newTable(t, max)
	for client := range uint32(max / 4) {
		r, _ := table.Begin(keyOf(client), Server{client % 8, 1}, 300_000, 0)
		table.Confirm(r)
	}
	for source := range uint32(10 * max) {
		if _, ok := table.Begin(keyOf(1<<20+source), Server{1, 1}, 300_000, 1); !ok {
			t.Fatal("a session without a template, though others give way")
		}
	}
	for client := range uint32(max / 4) {
		if got, ok := table.Find(keyOf(client), 2); !ok || got.ID != client%8 {
			t.Fatalf("client %d lost its template", client)
		}
	}
	if n := table.Stats(); n.Templates > max || n.GaveWay == 0 || n.Refused != 0 {
		t.Errorf("%+v", n)
	}
}

// TestFullOfConfirmed: if no template gives way, there is no new one until one ends.
func TestFullOfConfirmed(t *testing.T) {
	table := newTable(t, 3)
	for client := range uint32(3) {
		r, _ := table.Begin(keyOf(client), Server{1, 1}, 1000+client, 0)
		table.End(r, true, 1)
	}
	if _, ok := table.Begin(keyOf(9), Server{1, 1}, 1000, 2); ok {
		t.Error("a confirmed template gave way")
	}
	if _, ok := table.Begin(keyOf(9), Server{1, 1}, 1000, 1000); !ok {
		t.Error("the place of a template that has ended was not found")
	}
	if n := table.Stats(); n.Refused != 1 || n.GaveWay != 0 || n.Templates != 3 {
		t.Errorf("%+v", n)
	}
}

// TestOldRefs: a session whose template is gone changes nothing of the next in that place.
func TestOldRefs(t *testing.T) {
	table := newTable(t, 1)
	old, _ := table.Begin(keyOf(1), Server{1, 1}, 1000, 0)
	if _, ok := table.Begin(keyOf(2), Server{2, 1}, 1000, 0); !ok {
		t.Fatal("the first did not give way")
	}
	table.Confirm(old)
	table.End(old, true, 5)
	var list [2]Template
	n, _ := table.List(0, 5, list[:])
	if n != 1 || list[0].Sessions != 1 || list[0].Confirmed || table.Holds(old) {
		t.Errorf("%+v", list[:n])
	}
	table.End(Ref{}, true, 5)
	table.Confirm(Ref{})
}

func TestSweepFreesWhatIsGone(t *testing.T) {
	table := newTable(t, 10_000)
	for client := range uint32(2000) {
		table.Begin(keyOf(client), Server{client % 2, 1}, 1000, 0)
	}
	table.Sweep(20_000, 10, func(s Server) bool { return s.ID == 1 }, nil)
	if n := table.Stats(); n.Templates != 1000 || table.Of(0) != 1000 || table.Of(1) != 0 {
		t.Errorf("%d templates, %d and %d of the real servers", n.Templates, table.Of(0), table.Of(1))
	}
}

// TestLongSession: a template outlives half the clock's range if the table is swept.
func TestLongSession(t *testing.T) {
	table := newTable(t, 1)
	r, _ := table.Begin(keyOf(1), Server{1, 1}, 1000, 0)
	now := uint32(0)
	for range 60 {
		now += 24 * 3600 * 1000
		table.Sweep(1, now, none, nil)
		if _, ok := table.Find(keyOf(1), now); !ok {
			t.Fatalf("gone after %d ms", now)
		}
	}
	table.End(r, true, now)
	if _, ok := table.Find(keyOf(1), now+grace); ok {
		t.Error("it never ends")
	}
}

// TestCalls: a client has a template for each call, and each ends for itself.
func TestCalls(t *testing.T) {
	table := newTable(t, 100)
	for call := range uint64(50) {
		k := Key{Service: 1, Call: call}
		r, _ := table.Begin(&k, Server{uint32(call % 16), 1}, 1000, uint32(call))
		table.End(r, true, uint32(call))
	}
	for call := range uint64(50) {
		k := Key{Service: 1, Call: call}
		got, ok := table.Find(&k, 999+uint32(call))
		_, late := table.Find(&k, 1000+uint32(call))
		if !ok || got.ID != uint32(call%16) || late {
			t.Errorf("call %d: %v, %v; after its end %v", call, got, ok, late)
		}
	}
	table.Sweep(100, 1025, none, nil)
	if n := table.Stats().Templates; n != 24 {
		t.Errorf("%d templates; want 24", n)
	}
}

// TestCallsAreSecret: without a seed, each table hashes Call-IDs in a way of its own.
func TestCallsAreSecret(t *testing.T) {
	seen := map[uint64]bool{}
	for range 3 {
		table, err := New(Config{Max: 1, Servers: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer table.Close()
		a, b := table.HashCall([]byte("a@b")), table.HashCall([]byte("a@c"))
		seen[a], seen[b] = true, true
		if a != table.HashCall([]byte("a@b")) {
			t.Error("a call's hash changes")
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d hashes; want 6", len(seen))
	}
}

// TestTogether has several workers use the table at the same time; go test -race watches.
func TestTogether(t *testing.T) {
	table := newTable(t, 3000)
	var all sync.WaitGroup
	for worker := range uint32(4) {
		all.Go(func() { useTable(table, worker) })
	}
	all.Go(func() {
		for now := range uint32(2000) {
			table.Sweep(100, now, func(s Server) bool { return s.Incarnation == 2 }, nil)
			var list [8]Template
			table.List(now%table.end(), now, list[:])
			table.Stats()
		}
	})
	all.Wait()
	table.Sweep(10_000, 1<<30, none, nil)
	if n := table.Stats(); n.Templates != 0 {
		t.Errorf("%d templates are left", n.Templates)
	}
	for id := range uint32(16) {
		if n := table.Of(id); n != 0 {
			t.Errorf("%d templates of real server %d are left", n, id)
		}
	}
}

func useTable(table *Table, worker uint32) {
	var refs []Ref
	for i := range uint32(20_000) {
		k := keyOf(i * 7 % 5000)
		to, ok := table.Find(k, i)
		if !ok {
			to = Server{(i + worker) % 16, 1 + i%2}
		}
		if r, ok := table.Begin(k, to, 1+i%500, i); ok {
			refs = append(refs, r)
		}
		if len(refs) > 100 {
			table.Confirm(refs[50])
			table.End(refs[0], i%3 == 0, i)
			refs = refs[1:]
		}
	}
	for _, r := range refs {
		table.Holds(r)
		table.End(r, false, 20_000)
	}
}

func TestAllocations(t *testing.T) {
	table := newTable(t, 5000)
	client := uint32(0)
	if n := testing.AllocsPerRun(20_000, func() {
		client++
		k := keyOf(client)
		table.Find(k, client)
		r, _ := table.Begin(k, Server{1, 1}, 1000, client)
		table.End(r, client%2 == 0, client)
		table.HashCall([]byte("a84b4c76e66710@pc33.atlanta.com"))
		table.Sweep(1, client, none, nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestValidate(t *testing.T) {
	for _, cfg := range []Config{{}, {Max: MaxTemplates + 1, Servers: 1}, {Max: 1}} {
		if table, err := New(cfg); err == nil {
			t.Errorf("New(%+v) returns no error", cfg)
			table.Close()
		}
	}
}
