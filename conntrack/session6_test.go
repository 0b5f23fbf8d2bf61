package conntrack

import (
	"testing"

	"fulcrum/packet"
)

var (
	testVIP6    = packet.Addr{Hi: 0x2001_0db8_0000_0001, Lo: 100}
	testServer6 = packet.Addr{Hi: 0x2001_0db8_0000_0002, Lo: 11}
)

// flows6Of returns the flows of the i-th of a sequence of IPv6 nat sessions.
func flows6Of(i int) (in, out Flow) {
	client, port := packet.Addr{Hi: 0x2001_0db8_ffff_0000, Lo: uint64(i / 50_000)},
		uint16(1024+i%50_000)
	return Flow{Src: client, Dst: testVIP6, SrcPort: port, DstPort: 80},
		Flow{Src: testServer6, Dst: client, SrcPort: 8080, DstPort: port}
}

// translated returns the outbound flow of the i-th IPv6 session if its real server has an IPv4
// address.
func translated(i int) Flow {
	f := Flow4{Src: testServer, Dst: 0x0a010032, SrcPort: 8080, DstPort: uint16(i)}
	return f.Wide()
}

func insert6(table *Table, in, out Flow, protocol uint8, twoWay bool, now uint32) (uint32, result) {
	return insertKey(table, in, out, protocol, twoWay, now)
}

// mustInsert6 inserts the i-th IPv6 session in both directions.
func mustInsert6(t testing.TB, table *Table, i int, now uint32) uint32 {
	t.Helper()
	in, out := flows6Of(i)
	slot, result := insert6(table, in, out, packet.ProtocolTCP, true, now)
	if result != inserted {
		t.Fatalf("session %d with %d in the table: result %d", i, table.Len(), result)
	}
	return slot
}

// find looks a flow up as a key of its own family.
func find(table *Table, f Flow, protocol uint8) (Ref, bool) {
	k := Key{Flow: f, Protocol: protocol}
	if f.Src.Is4() && f.Dst.Is4() {
		narrow := k.Narrow()
		return table.Lookup4(table.Hash4(&narrow), &narrow)
	}
	return table.Lookup(table.Hash(&k), &k)
}

// probe returns Probe's result for a flow of either family, and whether it is confirmed.
func probe(table *Table, f Flow, protocol uint8) (Ref, bool) {
	k := Key{Flow: f, Protocol: protocol}
	narrow := k.Narrow()
	is4 := f.Src.Is4() && f.Dst.Is4()
	hash, refs := table.Hash(&k), make([]Ref, 1)
	if is4 {
		hash = table.Hash4(&narrow)
	}
	table.Probe([]uint64{hash}, refs)
	if is4 {
		return refs[0], table.Confirm4(refs[0], &narrow)
	}
	return refs[0], table.Confirm(refs[0], &k)
}

func TestBothFlowsOfIPv6AreFound(t *testing.T) {
	table := newTable(t, Config{Max: 10, MaxV6: 10})
	in, out := flows6Of(1)
	for name, out := range map[string]Flow{"IPv6": out, "translated": translated(1)} {
		t.Run(name, func(t *testing.T) {
			slot, result := insert6(table, in, out, packet.ProtocolTCP, true, 7)
			if result != inserted || !table.Is6(slot) || table.Len() != 1 || table.LenV6() != 1 {
				t.Fatalf("result %d, slot %d, %d sessions", result, slot, table.Len())
			}
			for d, f := range []Flow{in, out} {
				if r, ok := find(table, f, packet.ProtocolTCP); !ok || r != makeRef(slot, Direction(d)) {
					t.Errorf("%v: %#x, %v", Direction(d), r, ok)
				}
			}
			if gotIn, gotOut := table.Flows(slot); gotIn != in || gotOut != out {
				t.Errorf("flows %v and %v", gotIn, gotOut)
			}
			table.End(slot)
			for _, f := range []Flow{in, out} {
				if _, ok := find(table, f, packet.ProtocolTCP); ok {
					t.Errorf("%v is found after the end", f)
				}
			}
		})
	}
}

// TestRecordHoldsTheAnswersOfTranslated: if the real server has an IPv4 address, the record holds
// its flow as IPv4.
func TestRecordHoldsTheAnswersOfTranslated(t *testing.T) {
	table := newTable(t, Config{Max: 1, MaxV6: 1})
	in, _ := flows6Of(1)
	out := translated(1)
	slot, _ := insert6(table, in, out, packet.ProtocolUDP, true, 0)
	s := table.At(slot)
	if s.Out != out.Narrow() || s.Flags&In6 == 0 || s.Flags&Out6 != 0 {
		t.Errorf("record %+v", *s)
	}
}

// TestFamiliesAreApart: no key of one family is confirmed for a session of the other, whatever its
// addresses. A Key with mapped addresses is an IPv4 key; the parser accepts none from the wire
// (bad_ipv6_address).
func TestFamiliesAreApart(t *testing.T) {
	table := newTable(t, Config{Max: 2, MaxV6: 2})
	in, out := flows6Of(1)
	slot6 := mustInsert6(t, table, 1, 0)
	slot4 := mustInsert(t, table, 1, 0)
	for d, f := range []Flow{in, out} {
		zero := Key4{Flow4: portsOf(&f), Protocol: packet.ProtocolTCP}
		if table.Confirm4(makeRef(slot6, Direction(d)), &zero) {
			t.Errorf("IPv6 session confirmed %v for 0.0.0.0", Direction(d))
		}
	}
	in4, out4 := flows(1)
	for d, f := range []Flow4{in4, out4} {
		wide := Key{Flow: f.Wide(), Protocol: packet.ProtocolTCP}
		if !table.Confirm(makeRef(slot4, Direction(d)), &wide) {
			t.Errorf("IPv4 session not confirmed %v for its own key", Direction(d))
		}
		if ref, found := table.Lookup(table.Hash(&wide), &wide); !found ||
			ref != makeRef(slot4, Direction(d)) {
			t.Errorf("IPv4 session not found %v by its own key", Direction(d))
		}
		if table.Confirm(makeRef(slot6, Direction(d)), &wide) {
			t.Errorf("IPv6 session confirmed %v for another key", Direction(d))
		}
	}
	if table.Confirm(0, &Key{}) {
		t.Error("nothing confirmed")
	}
}

// TestZeroAddressesOfTranslated: the IPv4 flow of a translated session has no addresses in the
// second line. A key with the unspecified address must not find it.
func TestZeroAddressesOfTranslated(t *testing.T) {
	table := newTable(t, Config{Max: 1, MaxV6: 1})
	in, _ := flows6Of(1)
	out := Flow{Src: packet.AddrOf4(0), Dst: packet.AddrOf4(0), SrcPort: 1, DstPort: 2}
	slot, _ := insert6(table, in, out, packet.ProtocolTCP, true, 0)
	if table.Confirm(makeRef(slot, Outbound),
		&Key{Flow: Flow{SrcPort: 1, DstPort: 2}, Protocol: packet.ProtocolTCP}) {
		t.Error("confirmed")
	}
}

// TestAnswersAreTakenAcrossFamilies: an IPv4 client's session and a translated one may not have the
// same answers.
func TestAnswersAreTakenAcrossFamilies(t *testing.T) {
	table := newTable(t, Config{Max: 2, MaxV6: 2})
	mustInsert(t, table, 1, 0)
	in, _ := flows6Of(1)
	_, taken := flows(1)
	_, result := insert6(table, in, taken.Wide(), packet.ProtocolTCP, true, 0)
	if result != flowTaken {
		t.Errorf("translated: result %d; want flowTaken", result)
	}
	mustInsert6(t, table, 1, 0)
	in, _ = flows6Of(2)
	_, taken6 := flows6Of(1)
	_, result = insert6(table, in, taken6, packet.ProtocolTCP, true, 0)
	if result != flowTaken || table.Len() != 2 {
		t.Errorf("IPv6: result %d, %d sessions; want flowTaken", result, table.Len())
	}
}

func TestOneWayIPv6IsNotFoundByItsAnswers(t *testing.T) {
	table := newTable(t, Config{Max: 1, MaxV6: 1})
	in, _ := flows6Of(1)
	out := Flow{Src: testServer6, SrcPort: 80}
	slot, _ := insert6(table, in, out, packet.ProtocolTCP, false, 0)
	if _, ok := find(table, in, packet.ProtocolTCP); !ok {
		t.Error("inbound flow not found")
	}
	if _, ok := find(table, out, packet.ProtocolTCP); ok {
		t.Error("outbound flow found")
	}
	if table.Confirm(makeRef(slot, Outbound), &Key{Flow: out, Protocol: packet.ProtocolTCP}) {
		t.Error("outbound flow confirmed")
	}
}

func TestNoIPv6WithoutRoomForIt(t *testing.T) {
	table := newTable(t, Config{Max: 10})
	in, out := flows6Of(1)
	if _, result := insert6(table, in, out, packet.ProtocolTCP, true, 0); result != tableFull {
		t.Errorf("result %d; want Full", result)
	}
	if _, ok := find(table, in, packet.ProtocolTCP); ok || table.CapV6() != 0 || table.Cap() != 10 {
		t.Errorf("found %v, room for %d of %d", ok, table.CapV6(), table.Cap())
	}
}

// TestFloodOfOneFamily: a flood leaves the half-open sessions of the other family alone.
func TestFloodOfOneFamily(t *testing.T) {
	begin := map[string]func(*Table, int) uint32{
		"IPv4": func(table *Table, i int) uint32 { return mustInsert(t, table, i, 0) },
		"IPv6": func(table *Table, i int) uint32 { return mustInsert6(t, table, i, 0) },
	}
	for flood, victim := range map[string]string{"IPv4": "IPv6", "IPv6": "IPv4"} {
		table := newTable(t, Config{Max: 50, MaxV6: 50})
		slot := begin[victim](table, 1)
		table.Track(slot, InputOnly, EventSyn, 0)
		for i := range 1000 {
			table.Track(begin[flood](table, i), InputOnly, EventSyn, 0)
		}
		if s := table.At(slot); !s.Live() || s.Generation != 1 || table.Len() != 51 ||
			table.Evicted() != 950 {
			t.Errorf("a flood of %s: %s session live %v, %d sessions, %d evicted", flood, victim,
				s.Live(), table.Len(), table.Evicted())
		}
	}
}

// TestSweepOfBothSlabs: sessions of either slab end in time, also when the other was never used.
func TestSweepOfBothSlabs(t *testing.T) {
	for _, c := range []struct{ max, max6, four, six int }{
		{5, 0, 5, 0}, {5, 5, 5, 0}, {5, 5, 0, 5}, {5, 5, 3, 2}, {5, 5, 5, 5}, {1, 1, 1, 1},
		{1000, 10, 7, 10}, {1, 1000, 1, 1000},
	} {
		table, now := newTable(t, Config{Max: c.max, MaxV6: c.max6}), uint32(1)
		for range 3 {
			for i := range c.four {
				mustInsert(t, table, i, now)
			}
			for i := range c.six {
				mustInsert6(t, table, i, now)
			}
			run(table, &now, 1900)
			if table.Len() != c.four+c.six {
				t.Errorf("%+v: %d sessions before the timeout", c, table.Len())
			}
			run(table, &now, 100+lateness)
			if table.Len() != 0 || table.LenV6() != 0 {
				t.Errorf("%+v: %d sessions after it", c, table.Len())
			}
		}
	}
}

func TestEndAllOfBothFamilies(t *testing.T) {
	ended := 0
	table := newTable(t, Config{Max: 20, MaxV6: 20, Ended: func(uint32, *Session) { ended++ }})
	for round := range 3 {
		for i := range 20 {
			mustInsert(t, table, i, 0)
			mustInsert6(t, table, i, 0)
		}
		table.EndAll()
		checkEmpty(t, table)
		if want := 40 * (round + 1); ended != want || table.LenV6() != 0 {
			t.Errorf("%d ended; want %d", ended, want)
		}
	}
}

// TestIndexTakesMaxOfBothFamilies: nothing is refused below the maximum, in either order of the
// families.
func TestIndexTakesMaxOfBothFamilies(t *testing.T) {
	for _, n := range []int{1, 2, 10, 1000, 50_000} {
		table := newTable(t, Config{Max: n, MaxV6: n})
		for i := range n {
			mustInsert6(t, table, i, 0)
		}
		for i := range n {
			mustInsert(t, table, i, 0)
		}
		for i := range n {
			in, out := flows6Of(i)
			for _, f := range []Flow{in, out} {
				if _, ok := find(table, f, packet.ProtocolTCP); !ok {
					t.Fatalf("%d of each family: %v is lost", n, f)
				}
			}
		}
		if problem := displacedProblem(table); problem != "" {
			t.Fatal(problem)
		}
		checkFilledSlots(t, table)
	}
}

// checkFilledSlots ends every session of a full table one by one.
func checkFilledSlots(t *testing.T, table *Table) {
	t.Helper()
	for slot := range uint32(table.Cap()) {
		table.End(slot)
	}
	checkEmpty(t, table)
}
