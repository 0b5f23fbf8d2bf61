package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// history is everything that real servers did, without any bound.
type history struct {
	t        *rapid.T
	passive  *Passive
	all      []Candidate
	now      time.Time
	answered [][]time.Time
	failures [][]Failure
	lost     []bool // unreachable
	back     []time.Time
	out      []bool
}

func newHistory(t *rapid.T) *history {
	n := rapid.IntRange(1, 6).Draw(t, "servers")
	f := newFarm(nil, n)
	return &history{
		t: t, passive: f.Passive, all: f.all, now: f.now, answered: make([][]time.Time, n),
		failures: make([][]Failure, n), lost: make([]bool, n), back: make([]time.Time, n), out: make([]bool, n),
	}
}

func (h *history) server(t *rapid.T) int { return rapid.IntRange(0, len(h.all)-1).Draw(t, "server") }

func (h *history) answer(t *rapid.T) {
	i := h.server(t)
	h.answered[i] = append(h.answered[i], h.now)
	h.passive.Note(serverAt(i), &Seen{Answered: h.now, Unreachable: h.lost[i]})
}

func (h *history) fail(t *rapid.T) {
	i, s := h.server(t), Seen{}
	for range rapid.IntRange(1, 12).Draw(t, "clients") {
		f := Failure{
			uint32(rapid.IntRange(1, 12).Draw(t, "client")), FailureKind(rapid.IntRange(0, 2).Draw(t, "kind")),
			h.now.Add(-time.Duration(rapid.IntRange(0, 70_000).Draw(t, "ago")) * time.Millisecond),
		}
		s.Failures = append(s.Failures, f)
	}
	h.failures[i] = append(h.failures[i], s.Failures...)
	s.Unreachable = h.lost[i]
	h.passive.Note(serverAt(i), &s)
}

func (h *history) lose(t *rapid.T) {
	i := h.server(t)
	h.lost[i] = !h.lost[i]
	h.passive.Note(serverAt(i), &Seen{Unreachable: h.lost[i]})
}

func (h *history) check(t *rapid.T) { i := h.server(t); h.all[i].Up = !h.all[i].Up }
func (h *history) drain(t *rapid.T) { i := h.server(t); h.all[i].Takes = !h.all[i].Takes }

func (h *history) wait(t *rapid.T) {
	ms := rapid.SampledFrom([]int{1, 50, 100, 300, 1000, 5000, 60_000, 600_000}).Draw(t, "ms")
	h.now = h.now.Add(time.Duration(ms) * time.Millisecond)
	changed := h.passive.Judge(h.now, h.all)
	h.examine(changed)
}

// examine compares what Judge has decided with the history.
func (h *history) examine(changed bool) {
	takes, down, out, differs := 0, 0, 0, false
	for i, c := range h.all {
		is := h.passive.Out(c.Server)
		differs = differs || is != h.out[i]
		switch {
		case is && !h.out[i]:
			h.justify(i)
		case !is && h.out[i]:
			h.back[i] = h.now
		}
		if c.Takes {
			takes++
			down += toInt(!c.Up)
			out += toInt(c.Up && is)
		}
	}
	for i, c := range h.all {
		h.out[i] = h.passive.Out(c.Server)
	}
	if differs && !changed {
		h.t.Fatal("Judge did not report a change")
	}
	if most := max(0, takes/2-down); out > most {
		h.t.Fatalf("%d of %d are out beside %d that are down", out, takes, down)
	}
}

// justify wants a reason for an ejection: several clients since the last answer and return, and
// another real server that answered after them.
func (h *history) justify(i int) {
	e := h.passive.Ejection(serverAt(i))
	if !h.all[i].Takes || !h.all[i].Up || e.Lasts < firstEjection || e.Lasts > longestEjection {
		h.t.Fatalf("ejected %+v: %+v", h.all[i], e)
	}
	if h.lost[i] {
		return
	}
	last := h.back[i]
	for _, at := range h.answered[i] {
		if at.After(last) {
			last = at
		}
	}
	clients, first := map[uint32]bool{}, h.now
	for _, f := range h.failures[i] {
		if !f.At.Before(last) && h.now.Sub(f.At) <= failureMemory {
			clients[f.Client] = true
			if f.At.Before(first) {
				first = f.At
			}
		}
	}
	if len(clients) < clientsToEjectAgain || e.Times == 1 && len(clients) < clientsToEject {
		h.t.Fatalf("%d clients ejected it: %+v", len(clients), e)
	}
	for j := range h.all {
		for _, at := range h.answered[j] {
			if j != i && at.After(first) {
				return
			}
		}
	}
	h.t.Fatal("ejected although no other real server has answered")
}

// TestPassiveJudges: whatever happens, enough real servers stay, and none goes without a reason.
func TestPassiveJudges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		t.Repeat(map[string]func(*rapid.T){
			"answer": h.answer, "fail": h.fail, "lose": h.lose, "check": h.check, "drain": h.drain,
			"wait": h.wait,
		})
	})
}

// TestOneClientEjectsNobody, however it fails and however long.
func TestOneClientEjectsNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		t.Repeat(map[string]func(*rapid.T){
			"answer": h.answer, "wait": h.wait,
			"fail": func(t *rapid.T) {
				i := h.server(t)
				h.passive.Note(serverAt(i), &Seen{Failures: []Failure{
					{7, FailureKind(rapid.IntRange(0, 2).Draw(t, "kind")), h.now},
				}})
			},
			"": func(t *rapid.T) {
				if h.passive.Counts().Ejections > 0 {
					t.Fatal("one client was enough")
				}
			},
		})
	})
}
