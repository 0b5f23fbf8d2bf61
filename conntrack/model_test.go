package conntrack

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

// model is the expected behaviour of a Table in plain Go: a map, and a clock that does not wrap.
type model struct {
	table    *Table
	max      [2]int // by family
	clock    uint64 // ms; the table sees its low 32 bits
	sessions map[uint32]*modelSession
	ending   ending
	ended    []*modelSession // since the last look
}

type modelSession struct {
	in, out  Flow
	protocol uint8
	twoWay   bool
	family   int // of the client: index of model.max
	state    State
	lastSeen uint64
	packets  [2]uint32 // by direction
}

// The families. A modelSession has that of its client.
const (
	four = iota
	six
)

// ending says why a session may end now.
type ending struct {
	t       *rapid.T
	slot    uint32
	family  int // whose sessions may be evicted or dropped
	reasons string
}

// lateness is how long after its deadline a session may still exist, in ms.
const lateness = 2100

func newModel(t *rapid.T) *model {
	m := &model{sessions: make(map[uint32]*modelSession)}
	m.max = [2]int{four: rapid.IntRange(1, 12).Draw(t, "max"), six: rapid.IntRange(0, 12).
		Draw(t, "max6")}
	m.clock = rapid.SampledFrom([]uint64{
		0, 1, 1<<26 - 5000, 1<<31 - 5000, 1<<32 - 5000, 1<<32 - 5000 - 900_000, // ticks wrap at 2^26 ms
	}).Draw(t, "clock")
	timeouts := DefaultTimeouts()
	timeouts.Set(ICMP, MaxTimeout)
	table, err := New(Config{Max: m.max[four], MaxV6: m.max[six], Timeouts: timeouts,
		Ended: m.onEnded, Seed: rapid.Uint64Min(1).Draw(t, "seed")})
	if err != nil {
		t.Fatal(err)
	}
	m.table = table
	table.Expire(m.now())
	return m
}

func (m *model) now() uint32 { return uint32(m.clock) }

func (m *model) deadline(s *modelSession) uint64 {
	return s.lastSeen + uint64(m.table.timeouts[s.state])
}

// onEnded checks that the ending session exists and has a reason to end.
func (m *model) onEnded(_ uint32, got *Session) {
	t := m.ending.t
	for slot, s := range m.sessions {
		if m.table.At(slot) != got {
			continue
		}
		if in, out := m.table.Flows(slot); in != s.in || out != s.out || got.State != s.state ||
			got.Protocol != s.protocol || !got.Live() {
			t.Fatalf("slot %d ends as %+v with %v and %v; it holds %+v", slot, *got, in, out, *s)
		}
		m.checkReason(slot, s)
		delete(m.sessions, slot)
		m.ended = append(m.ended, s)
		return
	}
	t.Fatalf("unknown session %+v ends", *got)
}

func (m *model) checkReason(slot uint32, s *modelSession) {
	t := m.ending.t
	switch m.ending.reasons {
	case "end":
		if slot != m.ending.slot {
			t.Fatalf("slot %d ends instead of %d", slot, m.ending.slot)
		}
	case "evict":
		if n := m.count(s.family); s.family != m.ending.family || n != m.max[s.family] ||
			!m.givesWay(s) {
			t.Fatalf("slot %d in %v evicted with %d of %d sessions", slot, s.state, n, m.max[s.family])
		}
	case "expire":
		if m.clock < m.deadline(s) {
			t.Fatalf("slot %d in %v expires %d ms early", slot, s.state, m.deadline(s)-m.clock)
		}
	case "drop":
		if s.family != m.ending.family || !m.droppable(s) {
			t.Fatalf("slot %d in %v dropped after %d ms and %d packets", slot, s.state,
				m.clock-s.lastSeen, s.packets[Inbound])
		}
	default:
		t.Fatalf("slot %d ends without a reason", slot)
	}
}

// drawClient draws the inbound flow of a client. Flows of both families have the same ports, and
// their addresses differ only in the family.
func drawClient(t *rapid.T, family int) Flow {
	n := rapid.Uint32Range(0, 9)
	f := Flow{Src: modelAddress(family, n.Draw(t, "client")), Dst: modelAddress(family, 100)}
	f.SrcPort, f.DstPort = uint16(n.Draw(t, "client port")), 80
	return f
}

func drawFamily(t *rapid.T, label string) int { return rapid.IntRange(four, six).Draw(t, label) }

// drawAnswers draws the outbound flow of a session. An IPv6 client's may be IPv4.
func drawAnswers(t *rapid.T, in *Flow, family int, twoWay bool) Flow {
	if family == six && rapid.Bool().Draw(t, "translated") {
		family = four
	}
	out := Flow{Src: modelAddress(family, 200), Dst: modelAddress(family, 0), SrcPort: 8080}
	if twoWay {
		out.Dst, out.DstPort = modelAddress(family, rapid.Uint32Range(0, 9).Draw(t, "answer to")),
			in.SrcPort
	}
	return out
}

// modelAddress returns an address whose low bits are the same in both families. One of them is the
// unspecified address.
func modelAddress(family int, n uint32) packet.Addr {
	if family == four {
		return packet.AddrOf4(n)
	}
	return packet.Addr{Lo: uint64(n)}
}

func (m *model) owner(f Flow, protocol uint8) (uint32, Direction, bool) {
	for slot, s := range m.sessions {
		if s.protocol != protocol {
			continue
		}
		if s.in == f {
			return slot, Inbound, true
		}
		if s.twoWay && s.out == f {
			return slot, Outbound, true
		}
	}
	return 0, 0, false
}

func (m *model) insert(t *rapid.T) {
	family, twoWay := drawFamily(t, "family"), rapid.Bool().Draw(t, "two-way")
	in := drawClient(t, family)
	out := drawAnswers(t, &in, family, twoWay)
	protocol := rapid.SampledFrom([]uint8{packet.ProtocolTCP, packet.ProtocolUDP}).Draw(t, "protocol")
	if _, _, exists := m.owner(in, protocol); exists {
		t.Skip("the caller must look the flow up first")
	}
	_, _, taken := m.owner(out, protocol)
	ready := m.ready(family)
	full := m.count(family) == m.max[family]
	if foreseen := m.table.Full(family == six, m.now()); foreseen != (full && ready == 0) {
		t.Fatalf("full %v; %d of %d sessions, %d of which give way", foreseen, m.count(family),
			m.max[family], ready)
	}
	m.ending = ending{t: t, family: family, reasons: "evict"}
	m.ended = nil
	slot, result := m.tableInsert(in, out, protocol, family, twoWay)
	want, evictions := inserted, 0
	switch {
	case twoWay && taken:
		want = flowTaken
	case full && ready == 0:
		want = tableFull
	case full:
		evictions = 1
	}
	if result != want || len(m.ended) != evictions {
		t.Fatalf("result %d, %d evicted; want %d, %d", result, len(m.ended), want, evictions)
	}
	if result == inserted {
		if _, occupied := m.sessions[slot]; occupied {
			t.Fatalf("slot %d given out twice", slot)
		}
		m.sessions[slot] = &modelSession{in, out, protocol, twoWay, family, None, m.clock, [2]uint32{}}
	}
}

func (m *model) tableInsert(
	in, out Flow, protocol uint8, family int, twoWay bool,
) (uint32, result) {
	if family == four {
		return insert(m.table, in.Narrow(), out.Narrow(), protocol, twoWay, m.now())
	}
	return insert6(m.table, in, out, protocol, twoWay, m.now())
}

// count returns how many sessions of a family there are.
func (m *model) count(family int) int {
	n := 0
	for _, s := range m.sessions {
		if s.family == family {
			n++
		}
	}
	return n
}

// ready returns how many sessions of a family give way to a new one.
func (m *model) ready(family int) int {
	n := 0
	for _, s := range m.sessions {
		if s.family == family && m.givesWay(s) {
			n++
		}
	}
	return n
}

// givesWay reports whether a session is not confirmed.
func (m *model) givesWay(s *modelSession) bool {
	in, out := s.packets[Inbound], s.packets[Outbound]
	switch s.state {
	case UDP, ICMP:
		return in <= 1 && out <= 1
	case Established, SCTPEstablished:
		return s.twoWay && out == 0 || !s.twoWay && in <= 2
	case FinWait, CloseWait, SCTPShutdownSent, SCTPShutdownReceived:
		return m.clock-s.lastSeen >= 5000
	}
	return true
}

// countPacket counts a packet of a session.
func (m *model) countPacket(t *rapid.T) {
	slot, s := m.drawSession(t)
	d := Direction(rapid.IntRange(0, 1).Draw(t, "direction"))
	s.packets[d]++
	if d == Inbound {
		m.table.At(slot).PacketsIn++
	} else {
		m.table.At(slot).PacketsOut++
	}
}

func (m *model) lookup(t *rapid.T) {
	family := drawFamily(t, "family")
	f := drawClient(t, family)
	if rapid.Bool().Draw(t, "answer") {
		f = Flow{Src: modelAddress(family, 200), Dst: f.Src, SrcPort: 8080, DstPort: f.SrcPort}
	}
	for _, protocol := range []uint8{packet.ProtocolTCP, packet.ProtocolUDP} {
		m.checkFlow(t, f, protocol)
	}
}

func (m *model) checkFlow(t *rapid.T, f Flow, protocol uint8) {
	r, ok := find(m.table, f, protocol)
	slot, d, want := m.owner(f, protocol)
	if ok != want || ok && (r.Slot() != slot || r.Direction() != d) {
		t.Fatalf("%+v: found %v in %#x; want %v in slot %d %v", f, ok, r, want, slot, d)
	}
	if c, confirmed := probe(m.table, f, protocol); confirmed && c != r {
		t.Fatalf("%+v: candidate %#x confirmed; look-up finds %#x", f, c, r)
	}
}

func (m *model) drawSession(t *rapid.T) (uint32, *modelSession) {
	slot := rapid.Uint32Range(0, uint32(m.table.Cap()-1)).Draw(t, "slot")
	s := m.sessions[slot]
	if s == nil {
		t.Skip("no session there")
	}
	return slot, s
}

func (m *model) end(t *rapid.T) {
	slot, _ := m.drawSession(t)
	m.ending = ending{t: t, slot: slot, reasons: "end"}
	m.ended = nil
	m.table.End(slot)
	if len(m.ended) != 1 {
		t.Fatalf("%d sessions ended; want 1", len(m.ended))
	}
}

func (m *model) track(t *rapid.T) {
	slot, s := m.drawSession(t)
	v := rapid.SampledFrom([]View{Input, Output, InputOnly}).Draw(t, "view")
	e := Event(rapid.IntRange(0, int(numEvents)-1).Draw(t, "event"))
	want := Transition{s.state, Next(v, e, s.state)}
	if got := m.table.Track(slot, v, e, m.now()); got != want {
		t.Fatalf("transition %+v; want %+v", got, want)
	}
	s.state, s.lastSeen = want.To, m.clock
}

func (m *model) setState(t *rapid.T) {
	slot, s := m.drawSession(t)
	to := State(rapid.IntRange(0, int(NumStates)-1).Draw(t, "state"))
	if got := m.table.SetState(slot, to, m.now()); got != (Transition{s.state, to}) {
		t.Fatalf("transition %+v from %v to %v", got, s.state, to)
	}
	s.state = to
}

// pass advances the clock in one step, then calls Expire every ms until every overdue session must
// have ended.
func (m *model) pass(t *rapid.T) {
	const day = uint64(24 * time.Hour / time.Millisecond)
	m.clock += rapid.OneOf(
		rapid.Uint64Range(0, 3000), rapid.Uint64Range(0, 1_000_000), rapid.Uint64Range(0, 24*day),
		rapid.SampledFrom([]uint64{1, 2000, 60_000, 120_000, 900_000, 32767 << tickShift,
			32768 << tickShift, 65536 << tickShift}),
	).Draw(t, "jump, ms")
	m.ending = ending{t: t, reasons: "expire"}
	for from := m.clock; m.clock < from+lateness; m.clock++ {
		m.table.Expire(m.now())
	}
	for slot, s := range m.sessions {
		if m.deadline(s)+lateness < m.clock {
			t.Fatalf("slot %d in %v is still there %d ms after its deadline", slot, s.state,
				m.clock-m.deadline(s))
		}
	}
}

func (m *model) check(t *rapid.T) {
	if m.table.Len() != len(m.sessions) || m.table.LenV6() != m.count(six) {
		t.Fatalf("%d sessions, %d of IPv6; want %d, %d", m.table.Len(), m.table.LenV6(),
			len(m.sessions), m.count(six))
	}
	for _, s := range m.sessions {
		m.checkFlow(t, s.in, s.protocol)
		m.checkFlow(t, s.out, s.protocol)
	}
	for _, s := range m.ended {
		m.checkFlow(t, s.in, s.protocol)
		m.checkFlow(t, s.out, s.protocol)
	}
	if problem := displacedProblem(m.table); problem != "" {
		t.Fatal(problem)
	}
}

func TestTableIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		defer m.table.Close()
		t.Repeat(map[string]func(*rapid.T){
			"insert": m.insert, "insert again": m.insert, "insert more": m.insert,
			"look up": m.lookup, "end": m.end, "count": m.countPacket, "count again": m.countPacket,
			"track": m.track, "track again": m.track, "set state": m.setState, "pass time": m.pass,
			"drop entries": m.dropEntries,
			"":             m.check,
		})
		m.ending = ending{}
		for slot := range m.sessions {
			m.ending = ending{t: t, slot: slot, reasons: "end"}
			m.table.End(slot)
		}
		m.check(t)
	})
}
