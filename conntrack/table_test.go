package conntrack

import (
	"strings"
	"testing"

	"fulcrum/packet"
)

const (
	testVIP    = 0x0a000064 // 10.0.0.100
	testServer = 0x0a01000b // 10.1.0.11
)

// newTable returns a table that the end of the test closes. It sets defaults where cfg has zeros.
func newTable(t testing.TB, cfg Config) *Table {
	t.Helper()
	if cfg.Timeouts == (Timeouts{}) {
		cfg.Timeouts = DefaultTimeouts()
	}
	if cfg.Ended == nil {
		cfg.Ended = func(uint32, *Session) {}
	}
	if cfg.Seed == 0 {
		cfg.Seed = 0x5eed
	}
	table, err := New(cfg)
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

// flows returns the flows of the i-th of a sequence of nat sessions, which differ in client address
// and port.
func flows(i int) (in, out Flow4) {
	client, port := 0xc0a80000+uint32(i/50_000), uint16(1024+i%50_000)
	return Flow4{Src: client, Dst: testVIP, SrcPort: port, DstPort: 80},
		Flow4{Src: testServer, Dst: client, SrcPort: 8080, DstPort: port}
}

// mustInsert inserts the i-th session in both directions.
func mustInsert(t testing.TB, table *Table, i int, now uint32) uint32 {
	t.Helper()
	in, out := flows(i)
	slot, result := insert(table, in, out, packet.ProtocolTCP, true, now)
	if result != inserted {
		t.Fatalf("session %d with %d in the table: result %d", i, table.Len(), result)
	}
	return slot
}

func lookup(table *Table, f Flow4) (Ref, bool) {
	k := Key4{Flow4: f, Protocol: packet.ProtocolTCP}
	return table.Lookup4(table.Hash4(&k), &k)
}

func TestConfigValidate(t *testing.T) {
	ended := func(uint32, *Session) {}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Max: 0, Ended: ended}, "0 sessions"},
		{Config{Max: -1, Ended: ended}, "-1 sessions"},
		{Config{Max: MaxSessions + 1, Ended: ended}, "it can hold 1 to"},
		{Config{Max: 1, MaxV6: -1, Ended: ended}, "-1 IPv6 sessions"},
		{Config{Max: 1, MaxV6: MaxSessions, Ended: ended}, "beside 1 of IPv4 it can hold 0 to"},
		{Config{Max: 1}, "Ended is not set"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v; want one with %q", err, c.want)
		}
	}
}

func TestTableWithoutMemory(t *testing.T) {
	// 2^30 records of 64 bytes exceed most address space limits and overcommit. Where they are
	// allowed, the test touches none of them.
	table, err := New(Config{Max: MaxSessions, Ended: func(uint32, *Session) {}})
	if err == nil {
		err = table.Close()
		t.Skipf("this system maps %d sessions (close: %v)", MaxSessions, err)
	}
	if !strings.Contains(err.Error(), "lower session.max") {
		t.Errorf("error %v; want one that says what to do", err)
	}
}

func TestHugePagesAreAWish(t *testing.T) {
	table := newTable(t, Config{Max: 100, Huge: true})
	mustInsert(t, table, 1, 0)
	for _, note := range table.Notes() {
		if !strings.Contains(note, "ordinary pages") {
			t.Errorf("note %q", note)
		}
	}
}

func TestRefs(t *testing.T) {
	for _, slot := range []uint32{0, 1, 1000, uint32(MaxSessions - 1)} {
		for _, d := range []Direction{Inbound, Outbound} {
			r := makeRef(slot, d)
			if r == 0 || r.Slot() != slot || r.Direction() != d {
				t.Errorf("reference %#x to slot %d %v reads as slot %d %v", r, slot, d, r.Slot(), r.Direction())
			}
		}
	}
	if Inbound.String() != "inbound" || Outbound.String() != "outbound" {
		t.Error("the directions have other names")
	}
}

func TestBothFlowsAreFound(t *testing.T) {
	table := newTable(t, Config{Max: 10})
	slot := mustInsert(t, table, 1, 7)
	in, out := flows(1)
	if r, ok := lookup(table, in); !ok || r.Slot() != slot || r.Direction() != Inbound {
		t.Errorf("inbound: %#x, %v", r, ok)
	}
	if r, ok := lookup(table, out); !ok || r.Slot() != slot || r.Direction() != Outbound {
		t.Errorf("outbound: %#x, %v", r, ok)
	}
	s := table.At(slot)
	if s.State != None || s.LastSeen != 7 || s.Flags&TwoWay == 0 || !s.Live() || s.In != in ||
		s.Out != out {
		t.Errorf("new session %+v", *s)
	}
}

func TestOneWaySessionIsNotFoundByItsAnswers(t *testing.T) {
	table := newTable(t, Config{Max: 10})
	in, _ := flows(1)
	out := Flow4{Src: testServer, SrcPort: 80}
	if _, result := insert(table, in, out, packet.ProtocolTCP, false, 0); result != inserted {
		t.Fatalf("result %d", result)
	}
	if _, ok := lookup(table, in); !ok {
		t.Error("inbound flow not found")
	}
	if _, ok := lookup(table, out); ok {
		t.Error("outbound flow found")
	}
}

func TestProtocolsAreApart(t *testing.T) {
	table := newTable(t, Config{Max: 10})
	mustInsert(t, table, 1, 0)
	in, _ := flows(1)
	k := Key4{Flow4: in, Protocol: packet.ProtocolUDP}
	if _, ok := table.Lookup4(table.Hash4(&k), &k); ok {
		t.Error("a UDP packet found a TCP session")
	}
	if r, _ := lookup(table, in); table.Confirm4(r, &k) {
		t.Error("a TCP session was confirmed for a UDP packet")
	}
}

func TestFlowTaken(t *testing.T) {
	table := newTable(t, Config{Max: 2})
	mustInsert(t, table, 1, 0)
	in, _ := flows(2)
	_, taken := flows(1)
	if _, result := insert(table, in, taken, packet.ProtocolTCP, true, 0); result != flowTaken {
		t.Errorf("result %d; want flowTaken", result)
	}
	if _, ok := lookup(table, in); ok || table.Len() != 1 {
		t.Errorf("found %v, %d sessions; want nothing left behind", ok, table.Len())
	}
	mustInsert(t, table, 2, 0)
}

func TestGenerationCountsSessionsOfASlot(t *testing.T) {
	table := newTable(t, Config{Max: 1})
	for i := range 3 {
		slot := mustInsert(t, table, i, 0)
		if got := table.At(slot).Generation; got != uint16(i+1) {
			t.Errorf("generation %d; want %d", got, i+1)
		}
		table.End(slot)
	}
}

func TestStaleRefIsNotConfirmed(t *testing.T) {
	table := newTable(t, Config{Max: 1})
	slot := mustInsert(t, table, 1, 0)
	in, _ := flows(1)
	k := Key4{Flow4: in, Protocol: packet.ProtocolTCP}
	stale := table.Candidate(table.Hash4(&k))
	if !table.Confirm4(stale, &k) {
		t.Fatal("the candidate of a live session is not confirmed")
	}
	table.End(slot)
	if table.Confirm4(stale, &k) {
		t.Error("confirmed after the end")
	}
	mustInsert(t, table, 2, 0) // the same slot
	if table.Confirm4(stale, &k) {
		t.Error("confirmed after another session took the slot")
	}
	if table.Confirm4(0, &k) {
		t.Error("nothing confirmed")
	}
}

// TestStaleRefToOneWaySession: packets never match the outbound flow of a one-way session.
func TestStaleRefToOneWaySession(t *testing.T) {
	table := newTable(t, Config{Max: 1})
	table.End(mustInsert(t, table, 1, 0))
	in, _ := flows(2)
	out := Flow4{Src: testServer, SrcPort: 80}
	slot, _ := insert(table, in, out, packet.ProtocolTCP, false, 0)
	if table.Confirm4(makeRef(slot, Outbound), &Key4{Flow4: out, Protocol: packet.ProtocolTCP}) {
		t.Error("confirmed")
	}
}

func TestEndedSeesTheWholeSession(t *testing.T) {
	var seen []Session
	table := newTable(t, Config{Max: 4, Ended: func(_ uint32, s *Session) { seen = append(seen, *s) }})
	for i := range 3 {
		s := table.At(mustInsert(t, table, i, 0))
		s.Server, s.PacketsIn = uint32(i), 5
	}
	table.EndAll()
	if table.Len() != 0 || len(seen) != 3 {
		t.Fatalf("%d sessions left, %d ended", table.Len(), len(seen))
	}
	for i, s := range seen {
		in, out := flows(i)
		if s.In != in || s.Out != out || s.Server != uint32(i) || s.PacketsIn != 5 || !s.Live() {
			t.Errorf("ended session %+v", s)
		}
	}
}

// TestEndAllLeavesAnEmptyTable: no old flow is found, and the same number of sessions fits again.
func TestEndAllLeavesAnEmptyTable(t *testing.T) {
	table := newTable(t, Config{Max: 50})
	for range 3 {
		for i := range table.Cap() {
			mustInsert(t, table, i, 0)
		}
		table.EndAll()
		for i := range table.Cap() {
			in, out := flows(i)
			for _, f := range []Flow4{in, out} {
				k := Key4{Flow4: f, Protocol: packet.ProtocolTCP}
				if _, found := table.Lookup4(table.Hash4(&k), &k); found {
					t.Fatalf("flow %d is still there", i)
				}
			}
		}
	}
}

func TestCloseTwice(t *testing.T) {
	table := newTable(t, Config{Max: 4}) // newTable's cleanup closes it again
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
}

// result is the outcome of an insertion.
type result uint8

const (
	inserted  result = iota
	tableFull        // no slot, and no half-open session to evict
	flowTaken        // another session already has the outbound flow
)

// insert is insertKey for IPv4 flows.
func insert(table *Table, in, out Flow4, protocol uint8, twoWay bool, now uint32) (uint32, result) {
	return insertKey(table, in.Wide(), out.Wide(), protocol, twoWay, now)
}

// insertKey inserts a session if the outbound flow is free, as the engine does.
func insertKey(
	table *Table, in, out Flow, protocol uint8, twoWay bool, now uint32,
) (uint32, result) {
	k, answers := Key{Flow: in, Protocol: protocol}, Key{Flow: out, Protocol: protocol}
	h := Hashes{In: table.Hash(&k)}
	if twoWay {
		h.Out = table.Hash(&answers)
		if _, found := table.Lookup(h.Out, &answers); found {
			return 0, flowTaken
		}
	}
	slot, ok := table.Insert(&k, h, &out, twoWay, now)
	if !ok {
		return 0, tableFull
	}
	return slot, inserted
}
