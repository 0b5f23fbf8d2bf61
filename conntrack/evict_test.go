package conntrack

import (
	"testing"

	"fulcrum/packet"
)

// filled returns a full table whose sessions have the given states, one slot after another.
func filled(t *testing.T, ended func(uint32, *Session), states ...State) *Table {
	table := newTable(t, Config{Max: len(states), Ended: ended})
	for i, s := range states {
		table.SetState(mustInsert(t, table, i, 0), s, 0)
	}
	return table
}

func TestOldestHalfOpenGoesFirst(t *testing.T) {
	var ended []uint32
	table := filled(t, func(_ uint32, s *Session) { ended = append(ended, uint32(s.In.SrcPort)-1024) },
		Established, SynRecv, UDP, SynSent, FinWait, SynAck)
	for i := range 3 {
		mustInsert(t, table, 100+i, 0)
	}
	if len(ended) != 3 || ended[0] != 1 || ended[1] != 3 || ended[2] != 5 {
		t.Errorf("evicted %v; want 1, 3, 5", ended)
	}
	if table.Evicted() != 3 {
		t.Errorf("%d counted as evicted", table.Evicted())
	}
}

func TestNothingElseIsEvicted(t *testing.T) {
	var states []State
	for s := range NumStates {
		if !s.HalfOpen() {
			states = append(states, s)
		}
	}
	table := filled(t, func(_ uint32, s *Session) { t.Errorf("a session in %v is evicted", s.State) }, states...)
	in, out := flows(100)
	if _, result := insert(table, in, out, packet.ProtocolTCP, true, 0); result != tableFull {
		t.Errorf("result %d; want Full", result)
	}
	if table.Len() != len(states) || table.Evicted() != 0 {
		t.Errorf("%d sessions, %d evicted", table.Len(), table.Evicted())
	}
	if _, ok := lookup(table, in); ok {
		t.Error("the refused session is found")
	}
	table.ended = func(uint32, *Session) {}
}

// TestHandshakeSaves: a session that was half-open and queued, and is established now, is not
// evicted.
func TestHandshakeSaves(t *testing.T) {
	table := filled(t, func(_ uint32, s *Session) {
		if s.State != SynRecv {
			t.Errorf("a session in %v is evicted", s.State)
		}
	}, None, None, None)
	for slot := range uint32(3) {
		table.Track(slot, Input, EventSyn, 0)
	}
	table.Track(0, Input, EventAck, 0)
	table.Track(1, Input, EventAck, 0)
	mustInsert(t, table, 100, 0)
	in, out := flows(101)
	if _, result := insert(table, in, out, packet.ProtocolTCP, true, 0); result != tableFull {
		t.Errorf("result %d; want Full", result)
	}
	table.ended = func(uint32, *Session) {}
}

// TestHalfOpenAgain: a session that left the queue is queued again at its next handshake.
func TestHalfOpenAgain(t *testing.T) {
	table := filled(t, func(uint32, *Session) {}, SynRecv)
	table.SetState(0, Established, 0)
	in, out := flows(100)
	if _, result := insert(table, in, out, packet.ProtocolTCP, true, 0); result != tableFull {
		t.Fatalf("result %d; want Full", result)
	}
	table.SetState(0, SynRecv, 0)
	mustInsert(t, table, 100, 0)
}

// TestQueueNeverOverflows sends the slots of a small table through many handshakes: each is queued
// at most once.
func TestQueueNeverOverflows(t *testing.T) {
	table := newTable(t, Config{Max: 7})
	for i := range 10_000 {
		slot := mustInsert(t, table, i, 0)
		table.Track(slot, Input, EventSyn, 0)
		switch i % 5 {
		case 1, 2:
			table.Track(slot, Input, EventAck, 0)
			table.Track(slot, Input, EventRst, 0)
			table.Track(slot, Input, EventSyn, 0)
		case 3:
			table.End(slot)
		}
		checkQueue(t, table)
	}
}

func checkQueue(t *testing.T, table *Table) {
	seen := make(map[uint32]bool)
	for _, b := range []*slab{&table.four, &table.six} {
		for i := range b.halfOpen.n {
			slot := b.halfOpen.slots[(b.halfOpen.head+i)%len(b.halfOpen.slots)]
			if seen[slot] || table.At(slot).Flags&queued == 0 || table.slabOf(slot) != b {
				t.Fatalf("slot %d queued twice or elsewhere, or not marked as queued", slot)
			}
			seen[slot] = true
		}
	}
	for slot := range uint32(table.Cap()) {
		if s := table.At(slot); s.Live() && s.State.HalfOpen() && !seen[slot] {
			t.Fatalf("slot %d is half-open and not queued", slot)
		}
	}
}

// TestSynFlood: half-open sessions of a flood evict each other, and established ones stay.
func TestSynFlood(t *testing.T) {
	const established = 500
	table := newTable(t, Config{Max: 1000})
	for i := range established {
		table.SetState(mustInsert(t, table, i, 0), Established, 0)
	}
	for i := range 20_000 {
		table.Track(mustInsert(t, table, established+i, 0), InputOnly, EventSyn, 0)
	}
	for i := range established {
		in, _ := flows(i)
		if _, ok := lookup(table, in); !ok {
			t.Fatalf("established session %d is gone", i)
		}
	}
	if want := uint64(20_000 - 500); table.Evicted() != want {
		t.Errorf("%d evicted; want %d", table.Evicted(), want)
	}
}
