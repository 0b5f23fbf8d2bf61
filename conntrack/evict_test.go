package conntrack

import (
	"testing"

	"fulcrum/packet"
)

// filled returns a full table whose sessions have the given states, one slot after another. All
// have had two packets from either side.
func filled(t *testing.T, ended func(uint32, *Session), states ...State) *Table {
	table := newTable(t, Config{Max: len(states), Ended: ended})
	for i, s := range states {
		slot := mustInsert(t, table, i, 0)
		table.SetState(slot, s, 0)
		table.At(slot).PacketsIn, table.At(slot).PacketsOut = 2, 2
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

// TestClasses: what a session has shown, by its state, its mode and its counts.
func TestClasses(t *testing.T) {
	const oneWay, twoWay = Flags(0), TwoWay
	for _, c := range []struct {
		state   State
		flags   Flags
		in, out uint32
		want    class
	}{
		{None, oneWay, 0, 0, opening},
		{SynRecv, oneWay, 9, 0, opening},
		{SynSent, twoWay, 0, 9, opening},
		{SynAck, twoWay, 1, 1, opening},
		{Listen, twoWay, 1, 1, opening},
		{Established, oneWay, 2, 0, handshaken},
		{Established, oneWay, 3, 0, confirmed},
		{Established, twoWay, 9, 0, handshaken},
		{Established, twoWay, 2, 1, confirmed},
		{UDP, oneWay, 1, 0, onePacket},
		{UDP, oneWay, 2, 0, confirmed},
		{UDP, twoWay, 1, 0, onePacket},
		{UDP, twoWay, 1, 1, exchanged},
		{UDP, twoWay, 1, 2, confirmed},
		{UDP, twoWay, 2, 0, confirmed},
		{ICMP, twoWay, 1, 1, exchanged},
		{ICMP, oneWay, 2, 0, confirmed},
		{FinWait, oneWay, 9, 0, confirmed},
		{CloseWait, twoWay, 9, 9, confirmed},
		{TimeWait, twoWay, 9, 9, closed},
		{Close, oneWay, 9, 0, closed},
		{LastAck, twoWay, 9, 9, closed},
		{SCTPInit1, twoWay, 1, 1, opening},
		{SCTPCookieReplied, oneWay, 2, 0, opening},
		{SCTPEstablished, oneWay, 2, 0, handshaken},
		{SCTPEstablished, twoWay, 2, 2, confirmed},
		{SCTPShutdownSent, twoWay, 9, 9, confirmed},
		{SCTPShutdownAckSent, twoWay, 9, 9, closed},
		{SCTPRejected, twoWay, 1, 1, closed},
		{SCTPClosed, oneWay, 9, 0, closed},
	} {
		s := Session{State: c.state, Flags: c.flags, PacketsIn: c.in, PacketsOut: c.out}
		if got := s.class(closingRest - 1); got != c.want {
			t.Errorf("%v, two-way %v, %d packets in and %d out: class %d; want %d",
				c.state, c.flags != 0, c.in, c.out, got, c.want)
		}
		if stages[c.state] == stageClosing && s.class(closingRest) != closing {
			t.Errorf("%v without a packet for %d ms does not give way", c.state, closingRest)
		}
	}
}

// TestConfirmedStay: sessions that have shown more than an invented source can do not give way.
func TestConfirmedStay(t *testing.T) {
	states := []State{Established, UDP, ICMP, FinWait, CloseWait, SCTPEstablished, SCTPShutdownSent}
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

// TestHandshakeSaves: a session that was half-open, and is established and answered now, is not
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
	table.Track(mustInsert(t, table, 100, 0), Input, EventSyn, 0)
	table.Track(2, Input, EventAck, 0)
	table.At(2).PacketsOut = 1
	in, out := flows(101)
	if _, result := insert(table, in, out, packet.ProtocolTCP, true, 0); result != tableFull {
		t.Errorf("result %d; want Full", result)
	}
	table.ended = func(uint32, *Session) {}
}

// TestHalfOpenAgain: a session that was confirmed gives way once it is half-open again.
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

// TestYoungStay: of the class that gives way, the older half does. A client that connects during a
// flood has time to answer.
func TestYoungStay(t *testing.T) {
	const size = 1000
	var youngest uint32 = 1 << 31
	now := uint32(1)
	table := newTable(t, Config{Max: size, Ended: func(_ uint32, s *Session) {
		youngest = min(youngest, now-s.LastSeen)
	}})
	for i := range 10 * size {
		now++
		table.Track(mustInsert(t, table, i, now), InputOnly, EventSyn, now)
	}
	if youngest < size/3 {
		t.Errorf("a session gave way %d ms after it began; the table takes a new one each ms, "+
			"and holds %d", youngest, size)
	}
}

// serviceFlood fills a table with the sessions of a flood of service 1, and returns how many of 100
// clients of other services, each with an ACK after its SYN, stay until they send data.
func serviceFlood(t *testing.T, flood func(table *Table, i int)) (served int) {
	table := newTable(t, Config{Max: 2000, Service: func(s *Session) uint32 { return s.Server }})
	for i := range 10_000 {
		flood(table, i)
	}
	var slots []uint32
	for i := range 100 {
		slot := mustInsert(t, table, 100_000+i, 0)
		table.At(slot).Server = uint32(2 + i%5)
		table.Track(slot, InputOnly, EventSyn, 0)
		table.At(slot).PacketsIn++
		slots = append(slots, slot)
		for j := range 1000 {
			flood(table, 10_000+i*1000+j)
		}
	}
	for i, slot := range slots {
		if s := table.At(slot); s.Live() && s.In.SrcPort == uint16(1024+(100_000+i)%50_000) &&
			s.Server == uint32(2+i%5) {
			served++
		}
	}
	return served
}

// TestFloodOfOneService: a flood of one service, of any kind, ends no new session of another, even
// if that needs many times as long to open as the table takes to fill.
func TestFloodOfOneService(t *testing.T) {
	begin := func(table *Table, i int) uint32 {
		in, out := flows(i)
		in.Dst, out.Src = in.Dst+1, out.Src+1
		slot, result := insert(table, in, out, packet.ProtocolTCP, false, 0)
		if result != inserted {
			t.Fatalf("session %d of the flood: result %d", i, result)
		}
		table.At(slot).Server = 1
		return slot
	}
	for name, flood := range map[string]func(*Table, int){
		"SYN": func(table *Table, i int) { table.Track(begin(table, i), InputOnly, EventSyn, 0) },
		"SYN and ACK": func(table *Table, i int) {
			slot := begin(table, i)
			table.Track(slot, InputOnly, EventSyn, 0)
			table.Track(slot, InputOnly, EventAck, 0)
			table.At(slot).PacketsIn = 2
		},
		"datagram": func(table *Table, i int) {
			slot := begin(table, i)
			table.SetState(slot, UDP, 0)
			table.At(slot).PacketsIn = 1
		},
		"SYN and FIN": func(table *Table, i int) {
			slot := begin(table, i)
			table.Track(slot, InputOnly, EventSyn, 0)
			table.Track(slot, InputOnly, EventFin, 0)
		},
	} {
		if served := serviceFlood(t, flood); served != 100 {
			t.Errorf("%s: %d of 100 sessions of other services stay", name, served)
		}
	}
}

// TestBarren: a table of confirmed sessions costs a refused session few looks, and still finds the
// one that no longer is.
func TestBarren(t *testing.T) {
	const size = 10_000
	table := newTable(t, Config{Max: size})
	for i := range size {
		slot := mustInsert(t, table, i, 0)
		table.SetState(slot, Established, 0)
		table.At(slot).PacketsOut = 1
	}
	refused := func() bool {
		in, out := flows(size)
		_, result := insert(table, in, out, packet.ProtocolTCP, true, 0)
		return result == tableFull
	}
	for range size/(maxSamples*sampled) + 2 {
		if !refused() {
			t.Fatal("a confirmed session gave way")
		}
	}
	if n := table.four.hand.looks(&table.four); n != barrenLooks {
		t.Errorf("%d looks; want %d", n, barrenLooks)
	}
	table.SetState(1234, Close, 0)
	tries := 1
	for refused() {
		if tries++; tries > size/barrenLooks+1 {
			t.Fatal("the session that gives way is not found in a round")
		}
	}
	if n := table.four.hand.looks(&table.four); n != maxSamples*sampled {
		t.Errorf("%d looks after one that gave way; want %d", n, maxSamples*sampled)
	}
}

// TestEvictOf: of one service, the session that gives way most readily ends, and no other's.
func TestEvictOf(t *testing.T) {
	table := newTable(t, Config{Max: 100, Service: func(s *Session) uint32 { return s.Server }})
	add := func(i int, service uint32, s State, seen uint32) uint32 {
		slot := mustInsert(t, table, i, seen)
		table.At(slot).Server, table.At(slot).PacketsIn = service, 1
		table.SetState(slot, s, seen)
		return slot
	}
	add(0, 1, SynRecv, 0)
	add(1, 2, Established, 0)
	young, old := add(2, 2, SynRecv, 50), add(3, 2, SynRecv, 40)
	confirmed := add(4, 2, FinWait, 30)
	for _, want := range []uint32{old, young, 1} {
		if !table.CouldEvictOf(2, false, 100) || !table.At(want).Live() {
			t.Fatalf("slot %d is to give way next", want)
		}
		if !table.EvictOf(2, false, 100) || table.At(want).Live() {
			t.Fatalf("slot %d did not give way", want)
		}
	}
	if table.CouldEvictOf(2, false, 100) || table.EvictOf(2, false, 100) ||
		table.EvictOf(1, true, 100) || !table.At(confirmed).Live() || table.Len() != 2 {
		t.Errorf("%d sessions; want the confirmed one and that of service 1", table.Len())
	}
}

// TestSynFlood: half-open sessions of a flood evict each other, and established ones stay.
func TestSynFlood(t *testing.T) {
	const established = 500
	table := newTable(t, Config{Max: 1000})
	for i := range established {
		slot := mustInsert(t, table, i, 0)
		table.SetState(slot, Established, 0)
		table.At(slot).PacketsOut = 1
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
