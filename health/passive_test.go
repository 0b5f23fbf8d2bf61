package health

import (
	"net/netip"
	"testing"
	"time"
)

// farm is the real servers of a service, each known by its number, and a clock.
type farm struct {
	*testing.T
	*Passive
	all []Candidate
	now time.Time
}

func serverAt(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(11 + i)}), 80)
}

func newFarm(t *testing.T, n int) *farm {
	f := &farm{T: t, Passive: NewPassive(), now: time.Unix(1000, 0)}
	var servers []netip.AddrPort
	for i := range n {
		f.all = append(f.all, Candidate{Server: serverAt(i), Takes: true, Up: true})
		servers = append(servers, serverAt(i))
	}
	f.Keep(servers)
	return f
}

// fails lets a real server fail clients, who asked now.
func (f *farm) fails(i int, kind FailureKind, clients ...uint32) {
	s := Seen{}
	for _, c := range clients {
		s.Failures = append(s.Failures, Failure{c, kind, f.now})
	}
	f.Note(serverAt(i), &s)
}

func (f *farm) answers(all ...int) {
	for _, i := range all {
		f.Note(serverAt(i), &Seen{Answered: f.now})
	}
}

// judge lets time pass, judges, and returns who is out.
func (f *farm) judge(later time.Duration) (out string) {
	f.now = f.now.Add(later)
	f.Judge(f.now, f.all)
	for i := range f.all {
		if f.Out(serverAt(i)) {
			out += string(rune('0' + i))
		}
	}
	return out
}

func (f *farm) want(what, got, want string) {
	f.Helper()
	if got != want {
		f.Fatalf("%s: %q is out; want %q", what, got, want)
	}
}

const tick = 250 * time.Millisecond

// kill lets a real server fail enough clients to be ejected, while the others answer.
func (f *farm) kill(i int, kind FailureKind, clients ...uint32) {
	f.now = f.now.Add(tick)
	f.fails(i, kind, clients...)
	f.now = f.now.Add(tick)
	for j := range f.all {
		if j != i {
			f.answers(j)
		}
	}
}

// Several clients that get no answer, while others do, eject a real server; a single one never
// does, whatever it does. Answers count more than what was before.
func TestEjection(t *testing.T) {
	f := newFarm(t, 3)
	f.want("at first", f.judge(tick), "")
	f.kill(1, Unanswered, 1, 2)
	f.want("two clients", f.judge(0), "")
	f.kill(1, Unanswered, 1, 2)
	f.want("the same again", f.judge(0), "")
	f.answers(1)
	f.kill(1, Unanswered, 3)
	f.want("a third after an answer", f.judge(0), "")
	f.kill(1, Refused, 4, 5)
	f.want("three", f.judge(0), "1")
	e := f.Ejection(serverAt(1))
	if e.Reason != "1 client got no answer, 2 clients were refused" || e.Lasts != 5*time.Second ||
		!e.Until.Equal(f.now.Add(5*time.Second)) || e.Times != 1 || f.Counts().Ejections != 1 {
		t.Errorf("%+v %+v", e, f.Counts())
	}
	for range 100 {
		f.kill(0, Refused, 7)
		f.judge(0)
	}
	if f.Counts().Ejections != 1 {
		t.Errorf("one broken client was enough: %+v", f.Counts())
	}
}

// A burst of refusals says nothing before some time has passed, nor do failures of long ago.
func TestEjectionTakesTime(t *testing.T) {
	f := newFarm(t, 2)
	f.fails(0, Refused, 1, 2, 3)
	f.now = f.now.Add(time.Millisecond)
	f.answers(1)
	f.want("at once", f.judge(settleTime-2*time.Millisecond), "")
	f.want("a moment later", f.judge(time.Millisecond), "0")

	f = newFarm(t, 2)
	f.fails(0, Refused, 1, 2)
	f.now = f.now.Add(failureMemory)
	f.fails(0, Refused, 3)
	f.now = f.now.Add(time.Millisecond)
	f.answers(1)
	f.want("the first two are forgotten", f.judge(tick), "")
}

// Without a real server that answers nobody is ejected, since the fault may be on this side.
func TestNobodyAnswers(t *testing.T) {
	f := newFarm(t, 3)
	f.answers(0, 1, 2)
	f.now = f.now.Add(tick)
	for i := range 3 {
		f.fails(i, Unanswered, 1, 2, 3)
	}
	for range 3 {
		f.want("all fail", f.judge(tick), "")
	}
	if f.Counts() != (PassiveCounts{Doubts: 1}) {
		t.Errorf("%+v", f.Counts())
	}
	f.answers(2)
	f.want("one answers", f.judge(tick), "0")
	if f.Counts() != (PassiveCounts{Ejections: 1, Doubts: 1}) {
		t.Errorf("%+v", f.Counts())
	}
}

// At most half of the real servers are out, those that are down by their checks included, and never
// the last one. Those of weight 0 do not count.
func TestHalfStays(t *testing.T) {
	for _, tt := range []struct {
		name            string
		n, down, drains int
		want            string
	}{
		{"one", 1, 0, 0, ""}, {"two", 2, 0, 0, "0"}, {"three", 3, 0, 0, "0"}, {"four", 4, 0, 0, "01"},
		{"five", 5, 0, 0, "01"}, {"four, one down", 4, 1, 0, "0"}, {"four, two down", 4, 2, 0, ""},
		{"four, three down", 4, 3, 0, ""}, {"four, two drained", 4, 0, 2, "0"},
		{"four, three drained", 4, 0, 3, ""},
	} {
		f := newFarm(t, tt.n)
		for i := range tt.down {
			f.all[tt.n-1-i].Up = false
		}
		for i := range tt.drains {
			f.all[tt.n-1-i].Takes = false
		}
		left := tt.n - tt.down - tt.drains
		for range 3 {
			for i := range left {
				f.fails(i, Refused, 1, 2, 3)
			}
			f.now = f.now.Add(tick)
			f.answers(left - 1) // the last fails some and answers others
			f.want(tt.name, f.judge(0), tt.want)
		}
	}
}

// When a check takes others down, those that are out for their clients' sake come back.
func TestChecksComeFirst(t *testing.T) {
	f := newFarm(t, 4)
	f.kill(0, Refused, 1, 2, 3)
	f.want("one", f.judge(0), "0")
	f.kill(1, Refused, 1, 2, 3)
	f.want("two", f.judge(0), "01")
	f.all[3].Up = false
	f.want("one down by its check", f.judge(tick), "1")
	if e := f.Ejection(serverAt(0)); e.Back != "too few others were left" {
		t.Errorf("%+v", e)
	}
	f.all[1].Up = false
	f.want("down for both", f.judge(tick), "1")
	f.all[1].Up = true
	f.want("its check is good again", f.judge(tick), "")
	if e := f.Ejection(serverAt(1)); e.Back != "its check is good again" {
		t.Errorf("%+v", e)
	}
}

// Each ejection lasts twice as long, up to an hour. Two clients are enough for one that has not
// answered since it came back. A calm time makes it a first one again.
func TestBackoff(t *testing.T) {
	f := newFarm(t, 2)
	f.kill(0, Refused, 1, 2, 3)
	for n, lasts := range []time.Duration{
		5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600,
	} {
		lasts *= time.Second
		f.want("ejected", f.judge(0), "0")
		f.want("just before its end", f.judge(lasts-1), "0")
		f.fails(0, Refused, 8, 9) // of sessions that began before
		f.want("at its end", f.judge(1), "")
		if e := f.Ejection(serverAt(0)); e.Times != n+1 || e.Lasts != lasts || e.Back != "tried again after "+lasts.String() {
			t.Errorf("%d: %+v", n, e)
		}
		f.kill(0, Refused, 1)
		f.want("one client", f.judge(0), "")
		f.kill(0, Unanswered, 2)
	}
	f.want("ejected", f.judge(0), "0")
	f.want("tried again", f.judge(time.Hour), "")
	f.now = f.now.Add(tick)
	f.answers(0)
	f.want("confirmed", f.judge(time.Hour-tick-1), "")
	if e := f.Ejection(serverAt(0)); e.Times != 14 {
		t.Errorf("not calm yet: %+v", e)
	}
	f.kill(0, Refused, 1, 2)
	f.want("two clients of a confirmed one", f.judge(0), "")
	f.answers(0)
	f.judge(1)
	if e := f.Ejection(serverAt(0)); e.Times != 0 {
		t.Errorf("calm: %+v", e)
	}
	f.kill(0, Refused, 1, 2, 3)
	f.want("ejected", f.judge(0), "0")
	if e := f.Ejection(serverAt(0)); e.Times != 1 || e.Lasts != 5*time.Second {
		t.Errorf("%+v", e)
	}
}

// Datagrams without answer say something only of a real server that has answered others.
func TestMute(t *testing.T) {
	f := newFarm(t, 2)
	f.kill(0, Mute, 1, 2, 3)
	f.want("never answers", f.judge(0), "")
	f.answers(0)
	f.kill(0, Mute, 1, 2, 3)
	f.want("has answered", f.judge(0), "0")
}

// A neighbour that does not answer is out until it does, and never all of them.
func TestUnreachable(t *testing.T) {
	f := newFarm(t, 4)
	reach := func(i int, can bool) { f.Note(serverAt(i), &Seen{Unreachable: !can}) }
	reach(1, false)
	f.want("one", f.judge(tick), "1")
	if e := f.Ejection(serverAt(1)); e.Reason != "it does not answer ARP or neighbour discovery" {
		t.Errorf("%+v", e)
	}
	f.want("as long as it does not answer", f.judge(time.Hour), "1")
	reach(0, false)
	f.want("two", f.judge(tick), "01")
	reach(2, false)
	f.want("at most half", f.judge(tick), "01")
	reach(3, false)
	f.want("all", f.judge(tick), "")
	for i := range 4 {
		reach(i, true)
	}
	f.want("all answer", f.judge(tick), "")
	if c := f.Counts(); c.Ejections != 2 || c.Doubts != 1 {
		t.Errorf("%+v", c)
	}
	reach(1, false)
	f.want("again", f.judge(tick), "1")
	reach(1, true)
	f.want("it answers too soon", f.judge(tick), "1")
	f.want("its time is over", f.judge(10*time.Second), "")
}

// What is known of real servers that stay is kept, and the others are forgotten.
func TestKeep(t *testing.T) {
	f := newFarm(t, 3)
	f.kill(0, Refused, 1, 2, 3)
	f.want("ejected", f.judge(0), "0")
	f.Keep([]netip.AddrPort{serverAt(0), serverAt(1)})
	f.want("stays", f.judge(tick), "0")
	f.Keep([]netip.AddrPort{serverAt(1), serverAt(2)})
	f.want("gone", f.judge(tick), "")
	f.fails(0, Refused, 1, 2, 3) // not known
	f.Keep([]netip.AddrPort{serverAt(0)})
	f.want("anew", f.judge(tick), "")
	if e := f.Ejection(serverAt(0)); e != (Ejection{}) {
		t.Errorf("%+v", e)
	}
}
