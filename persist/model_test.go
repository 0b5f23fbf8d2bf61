package persist

import (
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

// model is the expected behaviour of a Table of one shard in plain Go: a list of templates by age,
// a clock that does not wrap, and IPVS's timer, which fires for each template.
type model struct {
	table     *Table
	max       int
	clock     uint64
	templates []*modelTemplate // oldest first
	sessions  []*modelSession
	gone      map[Server]bool
	refused   uint64
	gaveWay   uint64
}

type modelTemplate struct {
	key       Key
	server    Server
	expires   uint64
	sessions  int
	confirmed bool
}

// modelSession is a session, and its template as long as that lives.
type modelSession struct {
	template *modelTemplate
	ref      Ref
}

func newModel(t *rapid.T) *model {
	m := &model{max: rapid.IntRange(1, 6).Draw(t, "max"), gone: map[Server]bool{}}
	m.clock = rapid.SampledFrom([]uint64{0, 1<<31 - 100_000, 1<<32 - 100_000}).Draw(t, "clock")
	table, err := New(Config{Max: m.max, Servers: 4, Seed: rapid.Uint64Min(1).Draw(t, "seed")})
	if err != nil {
		t.Fatal(err)
	}
	m.table = table
	return m
}

func (m *model) now() uint32 { return uint32(m.clock) }

func (m *model) find(k Key) *modelTemplate {
	for _, e := range m.templates {
		if e.key == k {
			return e
		}
	}
	return nil
}

func (m *model) drop(e *modelTemplate) {
	kept := m.templates[:0]
	for _, o := range m.templates {
		if o != e {
			kept = append(kept, o)
		}
	}
	m.templates = kept
	for _, s := range m.sessions {
		if s.template == e {
			s.template = nil
		}
	}
}

// pass lets time pass, and the timers fire.
func (m *model) pass(t *rapid.T) {
	m.clock += rapid.Uint64Range(0, 200_000).Draw(t, "ms")
	for _, e := range append([]*modelTemplate(nil), m.templates...) {
		for e.sessions > 0 && e.expires <= m.clock {
			e.expires += 60_000
		}
		if e.expires <= m.clock {
			m.drop(e)
		}
	}
}

// place makes a place for a new template, if there is one.
func (m *model) place() bool {
	if len(m.templates) < m.max {
		return true
	}
	for _, e := range m.templates {
		if !e.confirmed {
			m.gaveWay++
			m.drop(e)
			return true
		}
	}
	m.refused++
	return false
}

func drawKey(t *rapid.T) Key {
	return Key{packet.AddrOf4(rapid.Uint32Range(1, 4).Draw(t, "client")),
		rapid.Uint32Range(1, 2).Draw(t, "service"), rapid.Uint64Range(0, 1).Draw(t, "call")}
}

func drawServer(t *rapid.T) Server {
	return Server{rapid.Uint32Range(0, 3).Draw(t, "server"), rapid.Uint32Range(1, 2).Draw(t, "life")}
}

func (m *model) begin(t *rapid.T) {
	m.table.Sweep(m.max, m.now(), m.isGone, nil) // the model knows no templates that wait to be freed
	k, to := drawKey(t), drawServer(t)
	timeout := rapid.Uint32Range(1, 300_000).Draw(t, "timeout")
	r, ok := m.table.Begin(&k, to, timeout, m.now())
	e := m.find(k)
	if e != nil && e.server != to {
		m.drop(e)
		e = nil
	}
	if e == nil && m.place() {
		e = &modelTemplate{key: k, server: to}
		m.templates = append(m.templates, e)
	}
	if ok != (e != nil) {
		t.Fatalf("Begin(%v) is %v; want %v", k, ok, e != nil)
	}
	if ok {
		e.expires, e.sessions = m.clock+uint64(timeout), e.sessions+1
		m.sessions = append(m.sessions, &modelSession{e, r})
	}
}

func (m *model) end(t *rapid.T) {
	if len(m.sessions) == 0 {
		return
	}
	i := rapid.IntRange(0, len(m.sessions)-1).Draw(t, "session")
	s, confirmed := m.sessions[i], rapid.Bool().Draw(t, "confirmed")
	m.sessions = append(m.sessions[:i], m.sessions[i+1:]...)
	m.table.End(s.ref, confirmed, m.now())
	if s.template != nil {
		s.template.sessions--
		s.template.confirmed = s.template.confirmed || confirmed
	}
}

func (m *model) confirm(t *rapid.T) {
	if len(m.sessions) == 0 {
		return
	}
	s := m.sessions[rapid.IntRange(0, len(m.sessions)-1).Draw(t, "session")]
	m.table.Confirm(s.ref)
	if s.template != nil {
		s.template.confirmed = true
	}
}

func (m *model) isGone(s Server) bool { return m.gone[s] }

// lose removes a real server and sweeps the table, so that its templates are forgotten.
func (m *model) lose(t *rapid.T) {
	lost := drawServer(t)
	m.gone[lost] = true
	m.table.Sweep(m.max, m.now(), m.isGone, nil)
	for _, e := range append([]*modelTemplate(nil), m.templates...) {
		if e.server == lost {
			m.drop(e)
		}
	}
	delete(m.gone, lost)
}

func (m *model) check(t *rapid.T) {
	counts := [4]int{}
	for _, e := range m.templates {
		got, ok := m.table.Find(&e.key, m.now())
		if !ok || got != e.server {
			t.Fatalf("Find(%v) is %v, %v; want %v", e.key, got, ok, e.server)
		}
		counts[e.server.ID]++
	}
	for _, s := range m.sessions {
		if got := m.table.Holds(s.ref); got != (s.template != nil) {
			t.Fatalf("Holds is %v; want %v", got, s.template != nil)
		}
	}
	m.checkList(t)
	m.table.Sweep(m.max, m.now(), m.isGone, nil)
	if got, want := m.table.Stats(), (Stats{Templates: len(m.templates), Max: m.max, GaveWay: m.gaveWay, Refused: m.refused}); got != want {
		t.Fatalf("Stats are %+v; want %+v", got, want)
	}
	for id, want := range counts {
		if got := m.table.Of(uint32(id)); got != want {
			t.Fatalf("%d templates of real server %d; want %d", got, id, want)
		}
	}
}

// checkList compares the list with the model.
func (m *model) checkList(t *rapid.T) {
	var buffer [2]Template
	seen := 0
	for after := uint32(0); ; {
		n, next := m.table.List(after, m.now(), buffer[:])
		for _, got := range buffer[:n] {
			seen++
			e := m.find(got.Key)
			if e == nil || got.Server != e.server || int(got.Sessions) != e.sessions ||
				got.Confirmed != e.confirmed {
				t.Fatalf("listed %+v; want %+v", got, e)
			}
			if left := int32(e.expires - m.clock); got.Left != left && got.Left > 0 {
				t.Fatalf("%+v has %d ms left; want %d", got, got.Left, left)
			}
		}
		if after = next; after == 0 {
			break
		}
	}
	if seen != len(m.templates) {
		t.Fatalf("listed %d templates; want %d", seen, len(m.templates))
	}
}

// TestModel compares the table with the model over sequences of events.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		defer func() {
			if err := m.table.Close(); err != nil {
				t.Fatal(err)
			}
		}()
		t.Repeat(map[string]func(*rapid.T){
			"begin": m.begin, "begin2": m.begin, "end": m.end, "confirm": m.confirm,
			"pass": m.pass, "lose": m.lose, "": m.check,
		})
	})
}
