package engine

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

// sessions returns how many sessions all sources have.
func (t *sourceTable) sessions() (n int) {
	if t == nil {
		return 0
	}
	for i := range t.sets {
		for j := range t.sets[i].sources {
			n += int(t.sets[i].sources[j].sessions.Load())
		}
	}
	return n
}

// sourcesOf returns a table of so many sets where the race detector sees it.
func sourcesOf(sets int) *sourceTable {
	return &sourceTable{make([]sourceSet, sets), packet.NewHasher(1, 2)}
}

func TestSourceSetFillsLines(t *testing.T) {
	if n := reflect.TypeFor[sourceSet]().Size(); n != 256 {
		t.Errorf("a set takes %d bytes, want four cache lines", n)
	}
	for sessions, want := range map[int]int{1: 6554, 32_768: 6554, 1_000_000: 200_000} {
		if got := sourceSets(sessions); got != want {
			t.Errorf("%d sets for %d sessions, want %d", got, sessions, want)
		}
	}
}

// sourceModel is a table of one or two sets, and what each source should have.
type sourceModel struct {
	*rapid.T
	table  *sourceTable
	now    uint32
	wants  map[sourceKey]*modelSource
	keys   []sourceKey
	limits map[uint32]sourceLimits // by service
	roomy  bool                    // no source ever gives way
}

// modelSource is a source in plain arithmetic: tokens in units of the time in which they come.
type modelSource struct {
	debt     uint64 // until the bucket is full
	at       uint32 // of debt
	sessions uint32
}

func (m *modelSource) pass(now uint32) {
	elapsed := uint64(now-m.at) << gateShift
	m.debt, m.at = m.debt-min(m.debt, elapsed), now
}

// TestSourceTable: what sources may do, and what they use, is as in a plain model. A source that
// gave way may do more than it should, and none may ever do less. Sessions are never lost.
func TestSourceTable(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := sourceModel{T: r, table: sourcesOf(1), now: rapid.Uint32().Draw(r, "now"),
			wants: map[sourceKey]*modelSource{}, limits: map[uint32]sourceLimits{}}
		count := rapid.IntRange(1, 2*sourceWays).Draw(r, "sources")
		m.roomy = count <= sourceWays
		for i := range count {
			m.keys = append(m.keys, sourceKey{uint64(i / 2), uint32(1 + i%2)})
			m.wants[m.keys[i]] = &modelSource{}
		}
		for range rapid.IntRange(1, 200).Draw(r, "steps") {
			m.step()
			m.compare()
		}
	})
}

func (m *sourceModel) step() {
	k := rapid.SampledFrom(m.keys).Draw(m.T, "source")
	want := m.wants[k]
	switch rapid.IntRange(0, 9).Draw(m.T, "what") {
	case 0:
		m.now += rapid.SampledFrom([]uint32{0, 1, 100, 999, 1000, 30_000}).Draw(m.T, "time")
	case 1:
		l := sourceLimits{most: uint32(rapid.IntRange(0, 3).Draw(m.T, "most"))}
		if rate := rapid.IntRange(0, 3).Draw(m.T, "rate"); rate > 0 {
			l.step = stepOf(rate)
		}
		m.limits[k.service] = l
	case 4:
		if m.table.resume(k, m.now) {
			want.sessions++
		} else if m.roomy {
			m.Fatalf("%v finds no place although there is room", k)
		}
	case 2, 3:
		if want.sessions > 0 {
			m.table.leave(k)
			want.sessions--
		}
	default:
		if l := m.limits[k.service]; !l.none() {
			m.admit(k, l, want)
		}
	}
}

// admit has a source ask for a session, which may then not begin.
func (m *sourceModel) admit(k sourceKey, l sourceLimits, want *modelSource) {
	want.pass(m.now)
	verdict := Taken
	switch {
	case l.step != 0 && want.debt+l.step > gateSecond:
		verdict = DropSourceRate
	case l.most != 0 && want.sessions >= l.most:
		verdict = DropSourceFull
	}
	said := m.table.verdict(k, l, 0, m.now)
	got := m.table.admit(k, l, m.now)
	switch {
	case got.verdict != said:
		m.Fatalf("%v was announced, and %v came", said, got.verdict)
	case got.verdict != verdict && (m.roomy || got.verdict == DropSourceRate || verdict == Taken):
		m.Fatalf("%v: %v, want %v", k, got.verdict, verdict)
	case m.roomy && (got.unlimited || got.forgot):
		m.Fatalf("%+v although there is room", got)
	case got.verdict != Taken:
		return
	}
	if rapid.IntRange(0, 4).Draw(m.T, "withdraw") == 0 && !got.unlimited {
		m.table.withdraw(k, l, got.counted)
		return
	}
	want.debt = min(want.debt+l.step, gateSecond)
	if got.counted {
		want.sessions++
	}
}

// compare compares the sessions of all sources.
func (m *sourceModel) compare() {
	for k, want := range m.wants {
		got := uint32(0)
		if i, known := m.table.setOf(k).find(k); known {
			got = m.table.setOf(k).sources[i].sessions.Load()
		}
		if got != want.sessions {
			m.Fatalf("%v has %d sessions, want %d", k, got, want.sessions)
		}
	}
}

// TestSourceTableIsExact: workers that ask at the same time get exactly what a source may have.
func TestSourceTableIsExact(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for name, l := range map[string]sourceLimits{
			"rate": {step: stepOf(1000)}, "sessions": {most: 1000},
			"both": {step: stepOf(2000), most: 1000},
		} {
			t.Run(fmt.Sprintf("%s, %d workers", name, workers), func(t *testing.T) {
				table, k := sourcesOf(1), sourceKey{1, 1}
				var admitted atomic.Int64
				var all sync.WaitGroup
				for range workers {
					all.Go(func() {
						for range 3000 {
							if table.admit(k, l, 5000).verdict == Taken {
								admitted.Add(1)
							}
						}
					})
				}
				all.Wait()
				if n := admitted.Load(); n != 1000 {
					t.Errorf("%d sessions, want 1000", n)
				}
			})
		}
	}
}

// TestSourcesComeAndGo: with sessions that begin, end and are given up at several workers, a source
// never has more than it may, and none at the end.
func TestSourcesComeAndGo(t *testing.T) {
	table, l := sourcesOf(2), sourceLimits{most: 2}
	var live [30]atomic.Int32
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for i := range 20_000 {
				k := sourceKey{uint64(i % len(live)), 1}
				switch got := table.admit(k, l, 0); {
				case !got.counted:
				case i%3 == 0:
					table.withdraw(k, l, true)
				default:
					if n := live[k.network].Add(1); n > 2 {
						t.Errorf("%d sessions", n)
					}
					live[k.network].Add(-1)
					table.leave(k)
				}
			}
		})
	}
	all.Wait()
	if n := table.sessions(); n != 0 {
		t.Errorf("%d sessions at the end", n)
	}
}

// TestFullSetOfSources: in a full set, sources with sessions stay, and others give way: first those
// that lack least, and last those that were refused. A source without place is not limited.
func TestFullSetOfSources(t *testing.T) {
	table := sourcesOf(1)
	key := func(i int) sourceKey { return sourceKey{uint64(i), 1} }
	busyOne, rated := sourceLimits{most: 1}, sourceLimits{step: stepOf(10)}
	for i := range sourceWays - 3 {
		table.admit(key(i), busyOne, 0)
	}
	beyond, two, once := key(101), key(102), key(103)
	for table.admit(beyond, rated, 0).verdict == Taken {
	}
	slow := sourceLimits{step: stepOf(1)}
	table.admit(two, slow, 0) // lacks as much, and was never refused
	table.admit(once, rated, 0)
	for i, gone := range []sourceKey{once, two} {
		got := table.admit(key(200+i), busyOne, 0)
		if _, known := table.sets[0].find(gone); known || !got.forgot || !got.counted {
			t.Errorf("%v stays: %+v", gone, got)
		}
	}
	if got := table.admit(beyond, rated, 0); got.verdict != DropSourceRate {
		t.Errorf("the offender: %+v", got)
	}
	table.admit(key(300), busyOne, 0)
	for _, now := range []uint32{0, 10_000} {
		got := table.admit(key(301), busyOne, now)
		if want := (grant{verdict: Taken, unlimited: true}); got != want {
			t.Errorf("in a full set: %+v", got)
		}
	}
	if n := table.sessions(); n != sourceWays {
		t.Errorf("%d sessions, want %d", n, sourceWays)
	}
	table.leave(key(300))
	if got := table.admit(key(301), busyOne, 0); !got.counted || got.forgot {
		t.Errorf("in a free place: %+v", got)
	}
}

// TestForgivenSource: a source that was refused is like any other once its bucket was full again.
func TestForgivenSource(t *testing.T) {
	table, l := sourcesOf(1), sourceLimits{step: stepOf(10)}
	was, other := sourceKey{1, 1}, sourceKey{2, 1}
	for table.admit(was, l, 0).verdict == Taken {
	}
	for range 2 {
		table.admit(other, l, 1500)
	}
	table.admit(was, l, 1500)
	for i := range sourceWays - 1 {
		table.admit(sourceKey{uint64(10 + i), 1}, sourceLimits{most: 1}, 1500)
	}
	_, stays := table.sets[0].find(other)
	if _, is := table.sets[0].find(was); is || !stays {
		t.Errorf("there: %v; the other: %v", is, stays)
	}
}

// TestFloodOfSources: a million invented sources within a second take nothing from a client that
// has sessions, from one that keeps below its limit, or from the limit of one that does not.
func TestFloodOfSources(t *testing.T) {
	table := sourcesOf(sourceSets(32_768))
	l := sourceLimits{step: stepOf(20), most: 10}
	talking, honest, offender := sourceKey{1, 1}, sourceKey{2, 1}, sourceKey{3, 1}
	for range 5 {
		table.admit(talking, sourceLimits{most: 10}, 0)
	}
	const flood = 1_000_000
	passed := 0
	for i := range flood {
		now := uint32(i / (flood / 1000))
		k := sourceKey{uint64(1000 + i), 1}
		if got := table.admit(k, sourceLimits{step: l.step}, now); got.verdict != Taken {
			t.Fatalf("an invented source: %+v", got)
		}
		if i%(flood/10) == 0 {
			if got := table.admit(honest, l, now); got.verdict != Taken || !got.counted {
				t.Fatalf("the honest client: %+v", got)
			}
		}
		if i%100 == 0 && table.admit(offender, sourceLimits{step: l.step}, now).verdict == Taken {
			passed++
		}
	}
	if passed < 39 || passed > 41 {
		t.Errorf("the offender began %d sessions, want those of two seconds", passed)
	}
	for k, want := range map[sourceKey]uint32{talking: 5, honest: 10} {
		s := table.setOf(k)
		if i, known := s.find(k); !known || s.sources[i].sessions.Load() != want {
			t.Errorf("%v has not its %d sessions", k, want)
		}
	}
}

func TestSourcesAllocateNothing(t *testing.T) {
	table, l, i := sourcesOf(10), sourceLimits{stepOf(1000), 1000}, uint64(0)
	allocs := testing.AllocsPerRun(1000, func() {
		i++
		k := sourceKey{i % 200, 1}
		if got := table.admit(k, l, uint32(i)); got.counted {
			table.leave(k)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// BenchmarkRefusedSource measures a flood of one source that is beyond its limit. Use -cpu 1,2 for
// one and two workers.
func BenchmarkRefusedSource(b *testing.B) {
	table, l := sourcesOf(1), sourceLimits{stepOf(1), 1000}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			table.admit(sourceKey{1, 1}, l, 0)
		}
	})
}

// BenchmarkSources measures a session that begins and ends with a million sources. Use -cpu 1,2 for
// one and two workers.
func BenchmarkSources(b *testing.B) {
	table, l := sourcesOf(sourceSets(1_000_000)), sourceLimits{stepOf(1000), 1000}
	var workers atomic.Uint64
	b.RunParallel(func(p *testing.PB) {
		for i := workers.Add(1) << 32; p.Next(); i++ {
			k := sourceKey{i * 0x9e3779b97f4a7c15 >> 44, 1}
			if table.admit(k, l, uint32(i>>10)).counted {
				table.leave(k)
			}
		}
	})
}
