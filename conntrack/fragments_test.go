package conntrack

import (
	"slices"
	"testing"

	"fulcrum/packet"
)

// datagram4 and datagram6 return the datagram with an identification between two hosts.
func datagram4(id uint32) *Datagram {
	return &Datagram{Src: packet.AddrOf4(0xc0a80001), Dst: packet.AddrOf4(testVIP), ID: id,
		Protocol: packet.ProtocolUDP}
}

func datagram6(id uint32) *Datagram {
	return &Datagram{Src: packet.Addr{Hi: 1, Lo: 2}, Dst: testVIP6, ID: id}
}

var (
	testDecision = Decision{SrcPort: 1024, DstPort: 53, Note: 7, Protocol: packet.ProtocolUDP}

	// the three pieces of a datagram of 3000 bytes
	piece1 = Piece{0, 1480, true}
	piece2 = Piece{1480, 1480, true}
	piece3 = Piece{2960, 40, false}
)

func newFragments() *Fragments { return NewFragments(64, 0x5eed) }

func mustFirst(t *testing.T, f *Fragments, d *Datagram, p Piece, now uint32) []Place {
	t.Helper()
	released, verdict := f.First(d, p, testDecision, now, nil)
	if verdict != FragmentForwarded {
		t.Fatalf("first fragment: %v", verdict)
	}
	return released
}

func wantLater(
	t *testing.T, f *Fragments, d *Datagram, p Piece, now uint32, want FragmentVerdict,
) (Decision, Place) {
	t.Helper()
	v, hold, verdict := f.Later(d, p, now)
	if verdict != want {
		t.Fatalf("%+v of %+v: %v; want %v", p, *d, verdict, want)
	}
	return v, hold.Place
}

func TestLaterFragmentsFollowTheFirst(t *testing.T) {
	for name, d := range map[string]*Datagram{"IPv4": datagram4(1), "IPv6": datagram6(1)} {
		t.Run(name, func(t *testing.T) {
			f := newFragments()
			if released := mustFirst(t, f, d, piece1, 0); len(released) != 0 {
				t.Errorf("%v released", released)
			}
			for _, p := range []Piece{piece2, piece3} {
				if v, _ := wantLater(t, f, d, p, 10, FragmentForwarded); v != testDecision {
					t.Errorf("decision %+v", v)
				}
			}
			if f.Len() != 0 {
				t.Error("the complete datagram is still remembered")
			}
		})
	}
}

func TestReversedOrder(t *testing.T) {
	f, d := newFragments(), datagram4(1)
	_, third := wantLater(t, f, d, piece3, 0, FragmentHeld)
	_, second := wantLater(t, f, d, piece2, 1, FragmentHeld)
	if f.Waiting() != 2 {
		t.Errorf("%d wait", f.Waiting())
	}
	if released := mustFirst(t, f, d, piece1, 2); !slices.Equal(released, []Place{third, second}) {
		t.Errorf("%v released; want %v, %v", released, third, second)
	}
	if f.Len() != 0 || f.Waiting() != 0 {
		t.Errorf("%d datagrams, %d waiting", f.Len(), f.Waiting())
	}
}

// TestIdentificationComesAgain: an identification can be used again once its datagram is complete.
func TestIdentificationComesAgain(t *testing.T) {
	f, d := newFragments(), datagram4(1)
	for range 3 {
		mustFirst(t, f, d, piece1, 0)
		wantLater(t, f, d, piece3, 0, FragmentForwarded)
		wantLater(t, f, d, piece2, 0, FragmentForwarded)
	}
}

// TestDatagramsAreApart: each field distinguishes datagrams.
func TestDatagramsAreApart(t *testing.T) {
	f := newFragments()
	mustFirst(t, f, datagram4(1), piece1, 0)
	for _, change := range []func(*Datagram){
		func(d *Datagram) { d.Src.Lo++ }, func(d *Datagram) { d.Src.Hi++ },
		func(d *Datagram) { d.Dst.Lo++ }, func(d *Datagram) { d.Dst.Hi++ },
		func(d *Datagram) { d.ID++ }, func(d *Datagram) { d.ID += 1 << 16 },
		func(d *Datagram) { d.Protocol++ },
	} {
		d := *datagram4(1)
		change(&d)
		wantLater(t, f, &d, piece2, 0, FragmentHeld)
	}
}

// TestAtomicFragment: a first fragment that is also the last is a whole datagram (RFC 6946),
// whatever other fragments have its identification.
func TestAtomicFragment(t *testing.T) {
	f, d := newFragments(), datagram6(1)
	wantLater(t, f, d, piece2, 0, FragmentHeld)
	if released := mustFirst(t, f, d, Piece{0, 13, false}, 0); len(released) != 0 || f.Len() != 1 {
		t.Errorf("%v released, %d datagrams", released, f.Len())
	}
}

func TestPiecesWithFaults(t *testing.T) {
	f, d := newFragments(), datagram4(1)
	for _, c := range []struct {
		p    Piece
		want FragmentVerdict
	}{
		{Piece{0, 0, true}, FragmentMalformed},
		{Piece{0, 7, true}, FragmentMalformed},
		{Piece{8, 0, false}, FragmentMalformed},
		{Piece{9, 8, true}, FragmentMalformed},
		{Piece{65528, 8, false}, FragmentTooLong},
		{Piece{65528, 1480, true}, FragmentTooLong},
		{Piece{8, 65528, true}, FragmentTooLong},
	} {
		_, verdict := f.First(d, c.p, testDecision, 0, nil)
		if _, _, later := f.Later(d, c.p, 0); verdict != c.want || later != c.want {
			t.Errorf("%+v: %v and %v; want %v", c.p, verdict, later, c.want)
		}
	}
	if f.Len() != 0 {
		t.Errorf("%d datagrams", f.Len())
	}
	wantLater(t, f, d, Piece{65528, 7, false}, 0, FragmentHeld)
}

func TestOverlaps(t *testing.T) {
	for name, c := range map[string]struct {
		first Piece
		later []Piece // the last one overlaps
	}{
		"into the first":              {piece1, []Piece{{1472, 16, true}}},
		"into the next":               {piece1, []Piece{piece3, {1480, 1488, true}}},
		"around another":              {piece1, []Piece{{1600, 8, true}, {1592, 24, true}}},
		"over a gap":                  {piece1, []Piece{{1600, 8, true}, {1480, 240, true}}},
		"two ends":                    {piece1, []Piece{piece3, {3000, 8, false}}},
		"an earlier end":              {piece1, []Piece{{2000, 8, true}, {1480, 8, false}}},
		"past the end":                {piece1, []Piece{{2000, 8, false}, {2008, 8, true}}},
		"a shorter end within itself": {piece1, []Piece{{1600, 100, false}, {1600, 200, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			f, d := newFragments(), datagram6(1)
			mustFirst(t, f, d, c.first, 0)
			last := len(c.later) - 1
			for _, p := range c.later[:last] {
				wantLater(t, f, d, p, 0, FragmentForwarded)
			}
			wantLater(t, f, d, c.later[last], 0, FragmentOverlap)
			wantLater(t, f, d, Piece{8000, 8, true}, 0, FragmentOverlap)
			if _, verdict := f.First(d, piece1, testDecision, 0, nil); verdict != FragmentOverlap {
				t.Errorf("first fragment again: %v", verdict)
			}
		})
	}
}

// TestOverlapWhileWaiting: fragments that wait are dropped too, for the same reason.
func TestOverlapWhileWaiting(t *testing.T) {
	f, d := newFragments(), datagram6(1)
	_, at := wantLater(t, f, d, piece2, 0, FragmentHeld)
	_, verdict := f.First(d, Piece{0, 1488, true}, testDecision, 0, nil)
	if verdict != FragmentOverlap {
		t.Errorf("%v; want overlap", verdict)
	}
	if dropped := f.Expire(1, nil); !slices.Equal(dropped, []Dropped{{at, FragmentOverlap}}) ||
		f.Waiting() != 0 {
		t.Errorf("dropped %v", dropped)
	}
}

func TestDuplicates(t *testing.T) {
	f, d := newFragments(), datagram4(1)
	mustFirst(t, f, d, piece1, 0)
	wantLater(t, f, d, piece3, 0, FragmentForwarded)
	for _, p := range []Piece{piece3, {8, 8, true}, {2968, 32, false}} {
		wantLater(t, f, d, p, 0, FragmentDuplicate)
	}
	if _, verdict := f.First(d, piece1, testDecision, 0, nil); verdict != FragmentDuplicate {
		t.Errorf("first again: %v", verdict)
	}
	wantLater(t, f, d, piece2, 0, FragmentForwarded)
}

// TestScattered: the number of tracked gaps is bounded, and a fragment that fills one is accepted.
func TestScattered(t *testing.T) {
	f, d := newFragments(), datagram4(1)
	mustFirst(t, f, d, Piece{0, 8, true}, 0)
	for i := 1; i < maxSpans; i++ {
		wantLater(t, f, d, Piece{uint16(16 * i), 8, true}, 0, FragmentForwarded)
	}
	wantLater(t, f, d, Piece{16 * maxSpans, 8, true}, 0, FragmentScattered)
	wantLater(t, f, d, Piece{8, 8, true}, 0, FragmentForwarded)
	wantLater(t, f, d, Piece{16 * maxSpans, 8, false}, 0, FragmentForwarded)
}

// TestAnyOrderIsComplete: whole datagrams of 45 fragments in the usual orders, and none is refused.
func TestAnyOrderIsComplete(t *testing.T) {
	order := func(less func(a, b int) int) []int {
		var o []int
		for i := range 44 {
			o = append(o, i+1)
		}
		slices.SortStableFunc(o, less)
		return o
	}
	for name, o := range map[string][]int{
		"in order":   order(func(a, b int) int { return a - b }),
		"reversed":   order(func(a, b int) int { return b - a }),
		"in threes":  order(func(a, b int) int { return a%3 - b%3 }),
		"two halves": order(func(a, b int) int { return (a+22)%45 - (b+22)%45 }),
	} {
		f, d := newFragments(), datagram4(1)
		mustFirst(t, f, d, piece1, 0)
		for _, i := range o {
			p := Piece{uint16(1456 * i), 1456, i < 44}
			if i == 1 {
				p.Offset, p.Length = 1480, 1432
			}
			if _, _, verdict := f.Later(d, p, 0); verdict != FragmentForwarded {
				t.Fatalf("%s: fragment %d: %v", name, i, verdict)
			}
		}
		if f.Len() != 0 {
			t.Errorf("%s: not complete", name)
		}
	}
}

func TestQueuesAreBounded(t *testing.T) {
	f := newFragments()
	for i := range MaxQueued {
		wantLater(t, f, datagram4(0), Piece{uint16(8 + 8*i), 8, true}, 0, FragmentHeld)
	}
	wantLater(t, f, datagram4(0), Piece{8 + 8*MaxQueued, 8, true}, 0, FragmentQueueFull)
	for id := uint32(1); f.Waiting() < MaxWaiting; id++ {
		for i := range MaxQueued {
			_, _, verdict := f.Later(datagram6(id), Piece{uint16(8 + 8*i), 8, true}, 0)
			if verdict != FragmentHeld {
				t.Fatalf("datagram %d: %v with %d waiting", id, verdict, f.Waiting())
			}
		}
	}
	// The source that holds most gives way, with its oldest.
	_, hold, _ := f.Later(datagram6(1000), piece2, 0)
	if hold.Displaced != FragmentQueueFull || f.Waiting() != MaxWaiting {
		t.Errorf("%+v with %d waiting", hold, f.Waiting())
	}
	if released := mustFirst(t, f, datagram4(0), Piece{0, 8, true}, 0); len(released) != MaxQueued {
		t.Errorf("%d released", len(released))
	}
	if released := mustFirst(t, f, datagram6(1), Piece{0, 8, true}, 0); len(released) != MaxQueued-1 {
		t.Errorf("%d released of the datagram that gave way", len(released))
	}
}

func TestWaitingEnds(t *testing.T) {
	for _, start := range clocks {
		f, d := newFragments(), datagram4(1)
		_, a := wantLater(t, f, d, piece3, start, FragmentHeld)
		_, b := wantLater(t, f, d, piece2, start+500, FragmentHeld)
		if dropped := f.Expire(start+holdTimeout-1, nil); len(dropped) != 0 {
			t.Errorf("dropped early: %v", dropped)
		}
		dropped := f.Expire(start+holdTimeout, nil)
		if !slices.Equal(dropped, []Dropped{{a, FragmentTimeout}}) {
			t.Errorf("dropped %v; want %v", dropped, a)
		}
		released := mustFirst(t, f, d, piece1, start+holdTimeout)
		if !slices.Equal(released, []Place{b}) {
			t.Errorf("released %v; want %v", released, b)
		}
	}
}

// TestDatagramsAreForgotten: after their family's timeout, with or without a look-up.
func TestDatagramsAreForgotten(t *testing.T) {
	for timeout, d := range map[uint32]*Datagram{
		fragmentTimeout4: datagram4(1), fragmentTimeout6: datagram6(1),
	} {
		for _, start := range clocks {
			f := newFragments()
			mustFirst(t, f, d, piece1, start)
			wantLater(t, f, d, Piece{1480, 8, true}, start+timeout-1, FragmentForwarded)
			wantLater(t, f, d, Piece{1488, 8, true}, start+timeout, FragmentHeld)
			now := start + timeout
			for range 64 + timeout {
				now++
				f.Expire(now, nil)
			}
			if f.Len() != 0 || f.Evicted() != 0 {
				t.Errorf("%d datagrams after the timeout, %d evicted", f.Len(), f.Evicted())
			}
		}
	}
}

// TestFloodOfFirsts: the oldest datagram is evicted, and its waiting fragments are dropped for that
// reason.
func TestFloodOfFirsts(t *testing.T) {
	f := NewFragments(setSize, 1)
	_, at := wantLater(t, f, datagram4(0), piece2, 0, FragmentHeld)
	for id := uint32(1); id <= setSize; id++ {
		mustFirst(t, f, datagram4(id), piece1, id)
	}
	if f.Evicted() != 1 || f.Len() != setSize {
		t.Errorf("%d evicted, %d datagrams", f.Evicted(), f.Len())
	}
	if dropped := f.Expire(20, nil); !slices.Equal(dropped, []Dropped{{at, FragmentEvicted}}) {
		t.Errorf("dropped %v", dropped)
	}
	for id := uint32(1); id <= setSize; id++ {
		wantLater(t, f, datagram4(id), piece2, 20, FragmentForwarded)
	}
}

func TestFragmentVerdictNames(t *testing.T) {
	seen := map[string]bool{}
	for v := range numFragmentVerdicts {
		if v.String() == "" || seen[v.String()] {
			t.Errorf("verdict %d is called %q", v, v.String())
		}
		seen[v.String()] = true
	}
	if got := numFragmentVerdicts.String(); got != "fragment verdict 10" {
		t.Errorf("an unknown verdict is called %q", got)
	}
}

func TestFragmentsAllocateNothing(t *testing.T) {
	f, now, id := NewFragments(setSize, 1), uint32(0), uint32(0)
	released, dropped := make([]Place, 0, MaxQueued), make([]Dropped, 0, MaxWaiting)
	if n := testing.AllocsPerRun(2000, func() {
		id++
		now += 5
		d := datagram4(id)
		f.Later(d, piece3, now)
		if id%3 != 0 {
			released, _ = f.First(d, piece1, testDecision, now, released[:0])
		}
		if id%2 == 0 {
			f.Later(d, piece2, now)
		}
		f.Later(d, Piece{1480, 1488, true}, now)
		dropped = f.Expire(now, dropped[:0])
	}); n != 0 || f.Evicted() == 0 {
		t.Errorf("%v allocations, %d evicted", n, f.Evicted())
	}
}

// BenchmarkFragments follows datagrams of three fragments, many at a time.
func BenchmarkFragments(b *testing.B) {
	f, id := NewFragments(4096, 1), uint32(0)
	for b.Loop() {
		id++
		f.First(datagram4(id), piece1, testDecision, id>>10, nil)
		f.Later(datagram4(id), piece2, id>>10)
		f.Later(datagram4(id-1000), piece3, id>>10)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/3, "ns/fragment")
}

// TestDecideAnew: a decision can be replaced while fragments are missing, and at no other time.
func TestDecideAnew(t *testing.T) {
	other := testDecision
	other.Note = 8
	for name, d := range map[string]*Datagram{"IPv4": datagram4(1), "IPv6": datagram6(1)} {
		f := newFragments()
		f.Decide(d, other, 0) // of a datagram that is not known
		wantLater(t, f, d, piece2, 0, FragmentHeld)
		f.Decide(d, other, 0) // of one whose first fragment has not come
		if f.Len() != 1 || len(mustFirst(t, f, d, piece1, 0)) != 1 {
			t.Fatalf("%s: the datagram is not as before", name)
		}
		f.Decide(d, other, 0)
		if v, _ := wantLater(t, f, d, piece3, 0, FragmentForwarded); v != other {
			t.Errorf("%s: decision %+v", name, v)
		}
		f.Decide(d, other, 0) // of a complete one
		if f.Len() != 0 {
			t.Errorf("%s: %d datagrams", name, f.Len())
		}
	}
}
