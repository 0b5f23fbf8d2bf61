package health

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// site drives a Watch in simulated time. Servers that are dead answer nothing until the timeout.
type site struct {
	*testing.T
	*Watch
	now     time.Time
	dead    map[netip.AddrPort]bool
	late    time.Duration // by how much this side notices the end of a check late
	changes []string
	begun   map[ID][]time.Time
}

func newSite(t *testing.T) *site {
	return &site{
		T: t, Watch: New(1000), now: time.Unix(1_000_000, 0), dead: map[netip.AddrPort]bool{},
		begun: map[ID][]time.Time{},
	}
}

func server(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(n)}), 80)
}

func id(n int) ID { return ID{Server: server(n), How: "tcp"} }

func (s *site) watch(r Rules, servers ...int) {
	keep := map[ID]bool{}
	for _, n := range servers {
		keep[id(n)] = true
		s.Add(Target{id(n), r}, s.now)
	}
	for known := range s.checks {
		if !keep[known] {
			s.Remove(known)
		}
	}
}

// run lets time pass in steps of 10 ms.
func (s *site) run(d time.Duration) {
	type end struct {
		at time.Time
		Run
		Result
	}
	var running []end
	for until := s.now.Add(d); s.now.Before(until); s.now = s.now.Add(10 * time.Millisecond) {
		for _, t := range s.Due(s.now) {
			s.begun[t.ID] = append(s.begun[t.ID], s.now)
			e := end{Run: t, at: s.now.Add(5 * time.Millisecond), Result: Result{Good: true}}
			if s.dead[t.ID.Server] {
				e.at = s.now.Add(t.Rules.Timeout + s.late)
				e.Result = Result{Reason: "connect: timeout"}
			}
			e.Began, e.Ended = s.now, e.at
			running = append(running, e)
		}
		left := running[:0]
		for _, e := range running {
			if e.at.After(s.now) {
				left = append(left, e)
				continue
			}
			if c, changed := s.Done(e.Run, e.Result); changed {
				s.changes = append(s.changes, fmt.Sprintf("%v %v", c.ID.Server, c.Up))
			}
		}
		running = left
	}
	for _, e := range running {
		s.Done(e.Run, e.Result)
	}
}

func (s *site) want(changes ...string) {
	s.Helper()
	if fmt.Sprint(s.changes) != fmt.Sprint(changes) {
		s.Errorf("changes %v; want %v", s.changes, changes)
	}
	s.changes = nil
}

var second = Rules{Interval: time.Second, Timeout: 500 * time.Millisecond, Rise: 2, Fall: 3}

// A real server that dies is down within interval x fall + timeout, and up again after rise good
// results.
func TestDownAndUp(t *testing.T) {
	s := newSite(t)
	s.watch(second, 1, 2, 3)
	s.run(5 * time.Second)
	s.want()
	s.dead[server(2)] = true
	s.run(3*time.Second + 510*time.Millisecond)
	s.want("10.1.0.2:80 false")
	s.dead[server(2)] = false
	s.run(3 * time.Second)
	s.want("10.1.0.2:80 true")
	if st, ok := s.Status(id(2), s.now); !ok || !st.Up || !st.Decided || len(st.Last) < 10 {
		t.Errorf("status %+v, %d results", st, len(st.Last))
	}
}

// Two bad results among good ones change nothing.
func TestStreaksMustBeWhole(t *testing.T) {
	s := newSite(t)
	s.watch(second, 1, 2)
	s.run(2 * time.Second)
	for range 10 {
		s.dead[server(1)] = true
		s.run(2 * time.Second)
		s.dead[server(1)] = false
		s.run(2 * time.Second)
	}
	s.want()
}

// start = "down": the first good result decides, whatever rise is.
func TestDownUntilChecked(t *testing.T) {
	s := newSite(t)
	rules := second
	rules.Down, rules.Rise = true, 5
	s.dead[server(2)] = true
	s.watch(rules, 1, 2)
	if s.Up(id(1)) {
		t.Error("up before its first check")
	}
	s.run(2 * time.Second)
	s.want("10.1.0.1:80 true")
	s.dead[server(2)] = false
	s.run(time.Minute)
	s.want("10.1.0.2:80 true")
}

// keepalived's users: a reload must not reset or flap what was down, nor ask everything at once.
func TestReloadKeepsWhatIsKnown(t *testing.T) {
	s := newSite(t)
	s.dead[server(1)] = true
	s.watch(second, 1, 2, 3)
	s.run(10 * time.Second)
	s.want("10.1.0.1:80 false")
	for range 20 {
		s.watch(second, 1, 2, 3, 4)
		s.run(300 * time.Millisecond)
	}
	s.want()
	if s.Up(id(1)) {
		t.Error("up after a reload")
	}
	if n := len(s.begun[id(2)]); n < 15 || n > 17 {
		t.Errorf("%d checks in 16 s", n)
	}
	s.watch(second, 2)
	s.watch(second, 1, 2)
	if !s.Up(id(1)) {
		t.Error("a check that was removed in between is not new")
	}
}

// A check that is removed while it runs decides nothing.
func TestRemovedWhileItRuns(t *testing.T) {
	s := newSite(t)
	s.watch(Rules{Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 1}, 1)
	first := s.next()
	s.Remove(id(1))
	s.watch(Rules{Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 1}, 1)
	second := s.next()
	if _, changed := s.Done(first, Result{Began: s.now, Ended: s.now}); changed {
		t.Error("the removed check decides")
	}
	if _, changed := s.Done(second, Result{Began: s.now, Ended: s.now}); !changed {
		t.Error("the new check does not decide")
	}
}

// next returns the next check that begins.
func (s *site) next() Run {
	for {
		if due := s.Due(s.now); len(due) > 0 {
			return due[0]
		}
		s.now = s.now.Add(10 * time.Millisecond)
	}
}

// Other rules take effect at once, and keep the verdict.
func TestOtherRules(t *testing.T) {
	s := newSite(t)
	slow := second
	slow.Interval = time.Hour
	s.watch(slow, 1, 2)
	s.watch(second, 1, 2)
	s.dead[server(1)] = true
	s.run(5 * time.Second)
	s.want("10.1.0.1:80 false")
}

// Checks are spread over the interval and stay so.
func TestChecksAreSpread(t *testing.T) {
	s := newSite(t)
	var all []int
	for n := range 200 {
		all = append(all, n)
	}
	for _, jitter := range []float64{0, 0.1} {
		rules := second
		rules.Jitter = jitter
		s.watch(rules, all...)
		s.run(10 * time.Second)
		most := 0
		for range 100 {
			due := s.Due(s.now)
			most = max(most, len(due))
			for _, d := range due {
				s.Done(d, Result{Began: s.now, Ended: s.now, Good: true})
			}
			s.now = s.now.Add(10 * time.Millisecond)
		}
		if most > 15 {
			t.Errorf("jitter %v: %d of 200 checks in one hundredth of the interval", jitter, most)
		}
	}
}

// A process that had no CPU notices all timeouts late: that says nothing about real servers.
func TestLateChecksSayNothing(t *testing.T) {
	s := newSite(t)
	s.watch(second, 1, 2, 3)
	s.run(2 * time.Second)
	s.dead[server(1)], s.late = true, 400*time.Millisecond
	s.run(20 * time.Second)
	s.want()
	if c := s.Counts(); c.Late < 15 || c.Bad != 0 {
		t.Errorf("counts %+v", c)
	}
	s.late = 0
	s.run(4 * time.Second)
	s.want("10.1.0.1:80 false")
}

// When all checks fail at once, it takes twice as long until the real servers are taken for dead.
func TestAllAtOnceIsDoubted(t *testing.T) {
	s := newSite(t)
	s.watch(second, 1, 2, 3, 4)
	s.run(3 * time.Second)
	for n := range 5 {
		s.dead[server(n)] = true
	}
	s.run(4 * time.Second)
	s.want()
	if !s.Doubting() || s.Counts().Doubts != 1 {
		t.Errorf("doubting %v, counts %+v", s.Doubting(), s.Counts())
	}
	s.run(4 * time.Second)
	if len(s.changes) != 4 {
		t.Errorf("changes %v; want all four down", s.changes)
	}
	s.changes = nil
	s.dead = map[netip.AddrPort]bool{}
	s.run(4 * time.Second)
	if len(s.changes) != 4 || s.Doubting() {
		t.Errorf("changes %v; want all four up", s.changes)
	}
}

// The last real server that dies is not doubted: the others died before.
func TestOneAfterTheOtherIsNotDoubted(t *testing.T) {
	s := newSite(t)
	s.watch(second, 1, 2)
	s.run(3 * time.Second)
	s.dead[server(1)] = true
	s.run(4 * time.Second)
	s.dead[server(2)] = true
	s.run(4 * time.Second)
	s.want("10.1.0.1:80 false", "10.1.0.2:80 false")
}

// A real server that comes and goes needs more and more good results, but not for ever.
func TestFlapsAreDamped(t *testing.T) {
	s := newSite(t)
	rules := Rules{Interval: time.Second, Timeout: 100 * time.Millisecond, Rise: 1, Fall: 1}
	s.watch(rules, 1, 2)
	changes := func(d time.Duration) int {
		s.changes = nil
		for range int(d / (4 * time.Second)) {
			s.dead[server(1)] = true
			s.run(2 * time.Second)
			s.dead[server(1)] = false
			s.run(2 * time.Second)
		}
		return len(s.changes)
	}
	if n := changes(time.Minute); n < 3 || n > 8 {
		t.Errorf("%d changes in the first minute", n)
	}
	if n := changes(4 * time.Minute); n > 2 {
		t.Errorf("%d changes in the next minutes", n)
	}
	s.dead[server(1)] = false
	s.run(6 * time.Minute)
	if !s.Up(id(1)) {
		t.Error("never up again")
	}
	if st, _ := s.Status(id(1), s.now); st.Needed != 1 {
		t.Errorf("needs %d results", st.Needed)
	}
	s.changes = nil
	s.dead[server(1)] = true
	s.run(2 * time.Second)
	s.dead[server(1)] = false
	s.run(2 * time.Second)
	s.want("10.1.0.1:80 false", "10.1.0.1:80 true")
}

// No more checks than allowed run at a time, and all get their turn.
func TestConcurrency(t *testing.T) {
	w, now := New(2), time.Unix(1, 0)
	rules := Rules{Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 1}
	for n := range 3 {
		w.Add(Target{id(n), rules}, now)
	}
	now = now.Add(time.Second)
	due := w.Due(now)
	if len(due) != 2 {
		t.Fatalf("%d run", len(due))
	}
	if _, any := w.Next(); any {
		t.Error("another could begin")
	}
	w.Done(due[0], Result{Began: now, Ended: now, Good: true})
	if third := w.Due(now); len(third) != 1 || third[0].ID == due[0].ID {
		t.Errorf("got %v", third)
	}
}

// A restart takes over what was down, until a check says otherwise.
func TestRestore(t *testing.T) {
	s := newSite(t)
	s.watch(second, 1, 2)
	s.Restore(id(1), false)
	if s.Up(id(1)) || !s.Up(id(2)) {
		t.Error("not restored")
	}
	s.run(3 * time.Second)
	s.want("10.1.0.1:80 true")
	s.Restore(id(1), false)
	if !s.Up(id(1)) {
		t.Error("restored over a result")
	}
}

func TestReasonsAreBounded(t *testing.T) {
	s := newSite(t)
	s.watch(second, 1)
	s.Done(s.next(), Result{Began: s.now, Ended: s.now, Reason: string(make([]byte, 100_000))})
	if st, _ := s.Status(id(1), s.now); len(st.Last[0].Reason) != MostReason {
		t.Errorf("%d bytes", len(st.Last[0].Reason))
	}
}

// Ten thousand checks each second: spread evenly, at most as many at a time as may run, all of them
// in their second, and none late by this side's fault.
func TestVeryManyChecks(t *testing.T) {
	const all, tick = 10_000, time.Millisecond
	w, now := New(4096), time.Unix(1_000_000, 0)
	for n := range all {
		address := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		w.Add(Target{ID{Server: netip.AddrPortFrom(address, 80), How: "tcp"}, second}, now)
	}
	made, most := map[ID]int{}, 0
	for end := now.Add(3 * time.Second); now.Before(end); now = now.Add(tick) {
		due := w.Due(now)
		most = max(most, len(due))
		for _, d := range due {
			made[d.ID]++
			w.Done(d, Result{Began: now, Ended: now})
		}
	}
	if mean := int(all * tick / second.Interval); most > 5*mean {
		t.Errorf("%d checks in a millisecond, %d on average", most, mean)
	}
	if c := w.Counts(); len(made) != all || c.Late != 0 || c.Bad < 3*all-all/100 {
		t.Errorf("%d real servers are checked, %+v", len(made), c)
	}
}

// Whatever has happened to a check, good results bring its real server up, after no more of them
// than its status says; and bad ones take it down.
func TestNeverStuck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_000_000, 0)
		w := New(10)
		rules := func() Rules {
			return Rules{
				Interval: time.Second, Timeout: 500 * time.Millisecond,
				Rise: rapid.IntRange(1, 5).Draw(t, "rise"), Fall: rapid.IntRange(1, 5).Draw(t, "fall"),
				Down: rapid.Bool().Draw(t, "down"), Undamped: rapid.Bool().Draw(t, "undamped"),
			}
		}
		step := func(good bool, took time.Duration) {
			for made := false; !made; {
				if next, _ := w.Next(); next.After(now) {
					now = next
				}
				for _, d := range w.Due(now) {
					made = made || d.ID == id(1)
					w.Done(d, Result{Began: now, Ended: now.Add(took), Good: good})
				}
			}
		}
		w.Add(Target{id(1), rules()}, now)
		w.Add(Target{id(2), rules()}, now)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0: // a reload with other rules
				w.Add(Target{id(1), rules()}, now)
			case 1:
				w.Restore(id(1), rapid.Bool().Draw(t, "up"))
			case 2: // this side had no CPU
				now = now.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(t, "ms")) * time.Millisecond)
			case 3:
				step(false, 2*time.Second)
			default:
				step(rapid.Bool().Draw(t, "good"), 0)
			}
		}
		w.Add(Target{id(1), rules()}, now)
		for _, good := range []bool{true, false} {
			step(good, 0) // which ends a streak of the other kind, and doubts
			s, _ := w.Status(id(1), now)
			for range s.Needed + 1 {
				step(good, 0)
			}
			if w.Up(id(1)) != good {
				after, _ := w.Status(id(1), now)
				t.Fatalf("after %d results that are %v: %+v", s.Needed+1, good, after.Standing)
			}
		}
	})
}
