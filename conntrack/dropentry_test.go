package conntrack

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

// kernelDrops are the states of ip_vs_random_dropentry: those that end at once, and those for which
// it asks todrop_entry. Linux tells TCP and SCTP, and all other protocols have no states there.
var kernelDrops = map[State]bool{
	SynRecv: true, SynAck: true, SCTPInit1: true, SCTPInit: true,
	Established: false, SCTPEstablished: false, UDP: false, ICMP: false,
}

// TestDropEntryRules: what drop_entry takes, by state, rest and packets. It follows
// ip_vs_random_dropentry and todrop_entry of the kernel.
func TestDropEntryRules(t *testing.T) {
	for state := range NumStates {
		for _, rest := range []uint32{0, 59_999, 60_000, 899_999} {
			for packets := range uint32(11) {
				s := Session{State: state, LastSeen: 1<<32 - 30_000, PacketsIn: packets}
				silent := rest >= 60_000 && packets >= 1 && packets <= 8
				atOnce, known := kernelDrops[state]
				want := known && (atOnce || silent)
				d := dropping{}
				if got := d.takes(&s, s.LastSeen+rest); got != want {
					t.Errorf("%v, %d packets, the last before %d ms: %v", state, packets, rest, got)
				}
			}
		}
	}
	d := dropping{}
	if d.takes(&Session{State: Established, PacketsIn: 1<<32 - 1}, 100_000) {
		t.Error("a session of many packets is taken")
	}
}

// TestDropEntryOdds: of silent sessions with n packets the first ends, and then each n-th. Each
// number counts for itself.
func TestDropEntryOdds(t *testing.T) {
	var d dropping
	for i := range 24 {
		for n := uint32(1); n <= 8; n++ {
			s := Session{State: Established, PacketsIn: n}
			if got, want := d.takes(&s, 60_000), uint32(i)%n == 0; got != want {
				t.Errorf("session %d with %d packets: %v", i, n, got)
			}
		}
	}
}

// TestDropEntryPace: about 1/32 of the sessions end in a second, in tables of any size and of both
// families, and those of no such state stay.
func TestDropEntryPace(t *testing.T) {
	for _, n := range []int{3, 31, 200, 5000} {
		for _, six := range []bool{false, true} {
			ended := 0
			table := newTable(t, Config{Max: n, MaxV6: n, Ended: func(uint32, *Session) { ended++ }})
			for i := range n {
				for _, slot := range []uint32{mustInsert(t, table, i, 0), mustInsert6(t, table, i, 0)} {
					table.SetState(slot, []State{SynRecv, SynSent}[i%2], 0)
				}
			}
			half := (n + 1) / 2
			random := rand.New(rand.NewPCG(uint64(n), 1))
			table.DropEntries(six, 1_000_000, random)
			for ms := uint32(0); ms <= 96_000; ms++ {
				table.DropEntries(six, 1_000_000+ms, random)
			}
			// (31/32)^96 is 0.047.
			if left := half - ended; left > half/8+1 || ended > half || uint64(ended) != table.Dropped() {
				t.Errorf("of %d, IPv6 %v: %d ended, %d counted", half, six, ended, table.Dropped())
			}
			if got := table.LenV6(); got != n && !six || six && got != n-ended {
				t.Errorf("of %d, IPv6 %v: %d sessions of IPv6 are left", n, six, got)
			}
			table.ended = func(uint32, *Session) {}
		}
	}
}

// TestDropEntryIsBounded: one call looks at few records, however long ago the last was, and one
// second never brings more than its share.
func TestDropEntryIsBounded(t *testing.T) {
	const n = 20_000
	table := newTable(t, Config{Max: n})
	for i := range n {
		table.SetState(mustInsert(t, table, i, 0), SynRecv, 0)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for now := range uint32(3) {
		before := table.Dropped()
		if table.DropEntries(false, 1<<31+now, random); table.Dropped()-before > dropLooks {
			t.Errorf("%d ended in one call", table.Dropped()-before)
		}
	}
	for range 1000 {
		table.DropEntries(false, 1<<31+2, random)
	}
	if d := table.Dropped(); d < n/64 || d > n/dropShare+dropLooks {
		t.Errorf("%d of %d ended in a second", d, n)
	}
	for range 1000 {
		table.DropEntries(true, 1<<31+2, random) // there are none, and no places
	}
}

// TestDropEntryAllocatesNothing keeps it out of the collector's work.
func TestDropEntryAllocatesNothing(t *testing.T) {
	table, now := newTable(t, Config{Max: 100_000}), uint32(0)
	for i := range 100_000 {
		table.SetState(mustInsert(t, table, i, 0), SynRecv, 0)
	}
	random := rand.New(rand.NewPCG(1, 1))
	if n := testing.AllocsPerRun(1000, func() {
		now += 20
		table.DropEntries(false, now, random)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// dropEntries has drop_entry look at a family for some seconds, and the model check what ends.
func (m *model) dropEntries(t *rapid.T) {
	six := rapid.Bool().Draw(t, "six")
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "random"), 0))
	m.ending, m.ended = ending{t: t, reasons: "drop"}, nil
	if six {
		m.ending.family = 1
	}
	before := m.table.Dropped()
	for range 20 {
		m.clock += 500
		m.table.DropEntries(six, m.now(), random)
	}
	if n := m.table.Dropped() - before; n != uint64(len(m.ended)) {
		t.Fatalf("%d counted, %d ended", n, len(m.ended))
	}
}

// droppable reports whether drop_entry may end a session.
func (m *model) droppable(s *modelSession) bool {
	atOnce, known := kernelDrops[s.state]
	n := s.packets[Inbound]
	return known && (atOnce || m.clock-s.lastSeen >= 60_000 && n >= 1 && n <= 8)
}

// BenchmarkDropEntry measures a call that looks at as many records as it may, in a table of
// established sessions.
func BenchmarkDropEntry(b *testing.B) {
	const n = 1_000_000
	table := newTable(b, Config{Max: n})
	for i := range n {
		in, out := flows(i)
		slot, _ := insert(table, in, out, packet.ProtocolTCP, true, 0)
		table.SetState(slot, Established, 0)
	}
	random, now := rand.New(rand.NewPCG(1, 1)), uint32(0)
	for b.Loop() {
		now += 1000
		table.DropEntries(false, now, random)
	}
}
