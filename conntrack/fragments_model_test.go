package conntrack

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

// fragmentModel is the expected behaviour of Fragments with a single set, byte by byte, with a
// clock that does not wrap.
type fragmentModel struct {
	f         *Fragments
	clock     uint64
	datagrams []*modelDatagram // the oldest first
	held      map[Place]*modelDatagram
	abandoned map[Place]FragmentVerdict
	proofs    map[uint16]modelProof // by group of sources
	evicted   uint64
}

type modelProof struct {
	source uint32
	at     uint64
}

type modelDatagram struct {
	Datagram
	since   uint64
	seen    map[int]bool // by 8 bytes
	end     int          // 0 is unknown; in 8 bytes
	bad     bool
	decided *Decision
	queue   []modelWait
	source  uint32
	proven  bool
}

type modelWait struct {
	at    Place
	since uint64
}

func (m *fragmentModel) now() uint32 { return uint32(m.clock) }

func (d *modelDatagram) timeout() uint64 {
	if d.Src.Is4() {
		return fragmentTimeout4
	}
	return fragmentTimeout6
}

func drawDatagram(t *rapid.T) *Datagram {
	id := rapid.Uint32Range(0, 6).Draw(t, "id")
	if rapid.Bool().Draw(t, "IPv6") {
		return &Datagram{Src: packet.Addr{Hi: 5 + uint64(id/3)}, Dst: packet.Addr{Lo: 6}, ID: id}
	}
	return &Datagram{Src: packet.AddrOf4(5 + id/3), Dst: packet.AddrOf4(6), ID: id,
		Protocol: packet.ProtocolUDP}
}

// find drops the datagram if its timeout has passed.
func (m *fragmentModel) find(k *Datagram) *modelDatagram {
	for i, d := range m.datagrams {
		if d.Datagram != *k {
			continue
		}
		if m.clock-d.since >= d.timeout() {
			m.forget(i, FragmentTimeout)
			return nil
		}
		return d
	}
	return nil
}

func (m *fragmentModel) forget(i int, reason FragmentVerdict) {
	m.abandon(m.datagrams[i], reason)
	m.datagrams = append(m.datagrams[:i:i], m.datagrams[i+1:]...)
}

func (m *fragmentModel) abandon(d *modelDatagram, reason FragmentVerdict) {
	for _, w := range d.queue {
		m.abandoned[w.at] = reason
	}
	d.queue = nil
}

// insert takes a free entry first, then that of the victim.
func (m *fragmentModel) insert(k *Datagram) *modelDatagram {
	if len(m.datagrams) == setSize {
		i, reason := m.victim(), FragmentEvicted
		if m.expired(m.datagrams[i]) {
			reason = FragmentTimeout
		} else {
			m.evicted++
		}
		m.forget(i, reason)
	}
	d := &modelDatagram{
		Datagram: *k, since: m.clock, seen: map[int]bool{}, source: m.f.sourceOf(k),
	}
	proof := m.proofs[groupOf(d.source)]
	d.proven = proof.source == d.source && m.clock-proof.at < proofTime
	m.datagrams = append(m.datagrams, d)
	return d
}

func (m *fragmentModel) expired(d *modelDatagram) bool { return m.clock-d.since >= d.timeout() }

// victim returns the oldest of the datagrams that give way first.
func (m *fragmentModel) victim() int {
	count, proven, most := map[uint32]int{}, 0, setShare
	for _, d := range m.datagrams {
		if count[d.source]++; count[d.source] > most {
			most = count[d.source]
		}
		if d.proven {
			proven++
		}
	}
	for _, first := range []func(d *modelDatagram) bool{
		m.expired,
		func(d *modelDatagram) bool {
			return count[d.source] > setShare && count[d.source] == most &&
				d.proven == (proven > setSize/2)
		},
		func(d *modelDatagram) bool { return count[d.source] > setShare && count[d.source] == most },
		func(d *modelDatagram) bool { return d.proven == (proven > setSize/2) },
	} {
		if i := slices.IndexFunc(m.datagrams, first); i >= 0 {
			return i
		}
	}
	return -1
}

// see returns the expected verdict for the pieces from first up to end, in units of 8 bytes.
func (m *fragmentModel) see(d *modelDatagram, first, end int, more bool) FragmentVerdict {
	if d.bad {
		return FragmentOverlap
	}
	old, highest := 0, 0
	for i := range d.seen {
		if i >= first && i < end {
			old++
		}
		highest = max(highest, i+1)
	}
	switch {
	case old == end-first:
		return FragmentDuplicate
	case old > 0, d.end != 0 && (end > d.end || !more), !more && highest > end:
		d.bad, d.proven = true, false
		m.abandon(d, FragmentOverlap)
		return FragmentOverlap
	case d.stretches(first, end) > maxSpans:
		return FragmentScattered
	}
	for i := first; i < end; i++ {
		d.seen[i] = true
	}
	if !more {
		d.end = end
	}
	return FragmentForwarded
}

// stretches returns the number of contiguous stretches once the pieces from first up to end are
// seen.
func (d *modelDatagram) stretches(first, end int) (n int) {
	before := false
	for i := range 100 {
		there := d.seen[i] || i >= first && i < end
		if there && !before {
			n++
		}
		before = there
	}
	return n
}

func (m *fragmentModel) forgetComplete(d *modelDatagram) {
	if d.bad || d.end == 0 || len(d.seen) != d.end {
		return
	}
	for i := range m.datagrams {
		if m.datagrams[i] == d {
			g := groupOf(d.source)
			old, known := m.proofs[g]
			if !known || old.source == d.source || m.clock-old.at >= proofTime {
				m.proofs[g] = modelProof{d.source, m.clock}
			}
			m.forget(i, FragmentForwarded)
			return
		}
	}
}

func (m *fragmentModel) first(t *rapid.T) {
	m.clock++ // no two datagrams have the same age
	k, end := drawDatagram(t), rapid.IntRange(1, 8).Draw(t, "end")
	v := Decision{Note: rapid.Uint32().Draw(t, "note")}
	d := m.find(k)
	if d == nil {
		d = m.insert(k)
	}
	want := m.see(d, 0, end, true)
	released, verdict := m.f.First(k, Piece{0, uint16(8 * end), true}, v, m.now(), nil)
	if verdict != want {
		t.Fatalf("%v; want %v", verdict, want)
	}
	if want != FragmentForwarded {
		if len(released) != 0 {
			t.Fatalf("%v released", released)
		}
		return
	}
	if len(released) != len(d.queue) {
		t.Fatalf("%v released; want %v", released, d.queue)
	}
	for i, w := range d.queue {
		if released[i] != w.at {
			t.Fatalf("%v released; want %v", released, d.queue)
		}
		delete(m.held, w.at)
	}
	d.queue, d.decided = nil, &v
	m.forgetComplete(d)
}

func (m *fragmentModel) later(t *rapid.T) {
	m.clock++
	k := drawDatagram(t)
	first := rapid.IntRange(1, 40).Draw(t, "offset")
	length := rapid.SampledFrom([]int{1, 1, 1, 2, 3, 8}).Draw(t, "length")
	more := rapid.IntRange(0, 9).Draw(t, "last") != 0
	d := m.find(k)
	want := FragmentQueueFull
	if d == nil || d.bad || d.decided != nil || len(d.queue) < MaxQueued {
		if d == nil {
			d = m.insert(k)
		}
		want = m.see(d, first, first+length, more)
		if want == FragmentForwarded && d.decided == nil {
			want = FragmentHeld
		}
	}
	v, hold, verdict := m.f.Later(k, Piece{uint16(8 * first), uint16(8 * length), more}, m.now())
	if verdict != want || verdict == FragmentForwarded && v != *d.decided {
		t.Fatalf("%v %+v; want %v", verdict, v, want)
	}
	switch want {
	case FragmentHeld:
		if m.held[hold.Place] != nil || hold.Displaced != FragmentForwarded {
			t.Fatalf("%+v given out twice", hold)
		}
		m.held[hold.Place] = d
		d.queue = append(d.queue, modelWait{hold.Place, m.clock})
	case FragmentForwarded:
		m.forgetComplete(d)
	}
}

func (m *fragmentModel) pass(t *rapid.T) {
	m.clock += rapid.SampledFrom([]uint64{1, 2, 300, 999, 1000, 10_000, 30_000, 60_000}).Draw(t, "ms")
	// There is one set, so a call looks at every datagram.
	for i := 0; i < len(m.datagrams); {
		if d := m.datagrams[i]; m.clock-d.since >= d.timeout() {
			m.forget(i, FragmentTimeout)
		} else {
			i++
		}
	}
	want := m.abandoned
	m.abandoned = map[Place]FragmentVerdict{}
	for _, d := range slices.Clone(m.datagrams) {
		for len(d.queue) > 0 && m.clock-d.queue[0].since >= holdTimeout {
			want[d.queue[0].at] = FragmentTimeout
			d.queue = d.queue[1:]
		}
		if len(d.queue) == 0 && !d.bad && d.decided == nil {
			m.forget(slices.Index(m.datagrams, d), FragmentTimeout)
		}
	}
	dropped := m.f.Expire(m.now(), nil)
	if len(dropped) != len(want) {
		t.Fatalf("%d dropped; want %v", len(dropped), want)
	}
	for _, d := range dropped {
		if reason, ok := want[d.Place]; !ok || reason != d.Reason {
			t.Fatalf("%+v dropped; want %v", d, want)
		}
		delete(m.held, d.Place)
	}
}

func (m *fragmentModel) check(t *rapid.T) {
	if m.f.Len() != len(m.datagrams) || m.f.Waiting() != len(m.held) || m.f.Evicted() != m.evicted {
		t.Fatalf("%d datagrams, %d waiting, %d evicted; want %d, %d, %d",
			m.f.Len(), m.f.Waiting(), m.f.Evicted(), len(m.datagrams), len(m.held), m.evicted)
	}
}

func TestFragmentsAreTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &fragmentModel{
			f:    NewFragments(setSize, rapid.Uint64Min(1).Draw(t, "seed")),
			held: map[Place]*modelDatagram{}, abandoned: map[Place]FragmentVerdict{},
			proofs: map[uint16]modelProof{},
			clock:  rapid.SampledFrom([]uint64{1, 1<<31 - 500, 1<<32 - 500}).Draw(t, "clock"),
		}
		t.Repeat(map[string]func(*rapid.T){
			"first": m.first, "later": m.later, "later again": m.later, "and again": m.later,
			"pass time": m.pass, "": m.check,
		})
	})
}

// FuzzFragments plays any bytes as fragments and time: no place is given out twice, and every place
// comes back once.
func FuzzFragments(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 1, 1, 2, 9, 2, 0, 200, 0, 3, 1, 1, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		table, now, held := NewFragments(6*setSize, 1), uint32(1<<32-1000), map[Place]bool{}
		free := func(at Place) {
			if !held[at] {
				t.Fatalf("place %d comes back without a fragment", at)
			}
			delete(held, at)
		}
		for ; len(script) >= 4; script = script[4:] {
			d := datagram4(uint32(script[1] >> 2))
			d.Src.Lo += uint64(d.ID % 5)
			p := Piece{Offset: uint16(script[2]) << (script[1] & 3 * 3),
				Length: uint16(script[3]) << (script[0] >> 4), More: script[0]&8 != 0}
			switch script[0] & 7 {
			case 0, 1:
				p.Offset = 0
				released, _ := table.First(d, p, testDecision, now, nil)
				for _, at := range released {
					free(at)
				}
			case 2:
				now += uint32(script[1]) << 4
				for _, d := range table.Expire(now, nil) {
					free(d.Place)
				}
			default:
				if _, hold, verdict := table.Later(d, p, now); verdict == FragmentHeld {
					if hold.Displaced != FragmentForwarded {
						free(hold.Place)
					}
					if held[hold.Place] {
						t.Fatalf("place %d given out twice", hold.Place)
					}
					held[hold.Place] = true
				}
			}
			checkCoverage(t, table)
		}
		for range 70 {
			now += 1000
			for _, d := range table.Expire(now, nil) {
				free(d.Place)
			}
		}
		if len(held) != 0 || table.Waiting() != 0 || table.Len() != 0 {
			t.Fatalf("%d places, %d waiting, %d datagrams after the end", len(held),
				table.Waiting(), table.Len())
		}
	})
}

// checkCoverage: spans are in order, with gaps between them, and end where the datagram does.
func checkCoverage(t *testing.T, table *Fragments) {
	for i, tag := range table.tags {
		c, last := &table.datagrams[i].seen, -1
		for _, s := range c.spans[:c.n] {
			if tag != 0 && (int(s.start) <= last || s.end <= s.start || c.size != 0 && s.end > c.size) {
				t.Fatalf("coverage %+v", *c)
			}
			last = int(s.end)
		}
	}
}
