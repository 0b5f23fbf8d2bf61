package control

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fulcrum/config"
)

// testClock is a clock that stands still until it is told to go on.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// slowTest is a running director whose slow starts go by a clock of the test's.
type slowTest struct {
	*testing.T
	*Running
	clock *testClock
}

// slowPlanned is planned with a slow start of 30 s for web.
var slowPlanned = strings.Replace(planned, "scheduler = \"rr\"\n",
	"scheduler = \"rr\"\nslow_start = \"30s\"\n", 1)

func newSlowTest(t *testing.T, text string) *slowTest {
	s := &slowTest{t, newTestRunning(t, parsePlanned(t, text)), &testClock{at: time.Unix(1e9, 0)}}
	s.slow.now = s.clock.now
	return s
}

// shares expects the shares of web's real servers in the engine: "1 0" for those of the first and
// the second. Their weights stay the configured ones.
func (s *slowTest) shares(want string) {
	s.Helper()
	web := s.engine.Report().Services[0]
	var got []string
	for i, rs := range web.RealServers {
		got = append(got, fmt.Sprint(rs.Share))
		c, err := s.Service("web")
		if err != nil || int(rs.Weight) != c.RealServers[i].Weight {
			s.Errorf("weight %d of %+v", rs.Weight, c.RealServers[i])
		}
	}
	if got := strings.Join(got, " "); got != want {
		s.Errorf("shares %s, want %s", got, want)
	}
}

// after lets time pass, and makes the steps that are due then.
func (s *slowTest) after(d time.Duration, want string) {
	s.Helper()
	s.clock.advance(d)
	s.stepSlowStarts(context.Background())
	s.shares(want)
}

// do makes a change, which must succeed.
func (s *slowTest) do(_ Plan, err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *slowTest) weigh(server string, weight int) {
	s.Helper()
	s.do(s.ChangeRealServer(context.Background(), ServerID{"web", server}, RealServerChange{Weight: &weight}))
}

// set changes the slow start of web.
func (s *slowTest) set(d string) {
	s.Helper()
	s.do(s.ChangeService(context.Background(), "web",
		ServiceChange{ServiceSettings: ServiceSettings{SlowStart: &d}}))
}

const one, two, three = "10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.14:8080"

// TestSlowStartSteps: in thirty seconds the share grows from a tenth to all of it, every three
// seconds, and a step that is not due is not made.
func TestSlowStartSteps(t *testing.T) {
	since := time.Unix(1e9, 0)
	for _, over := range []time.Duration{time.Millisecond, 7 * time.Millisecond, 30 * time.Second, time.Hour} {
		s := &slowService{over: over, began: map[netip.AddrPort]time.Time{
			netip.MustParseAddrPort(one): since,
		}}
		now, shares := since, []uint8{}
		for left := s.left(now); left != nil; left = left.left(now) {
			shares = append(shares, left.share(since))
			if early := left.left(left.due.Add(-1)); early.share(since) != shares[len(shares)-1] {
				t.Errorf("%v: another share before %v", over, left.due)
			}
			now = left.due
		}
		want := []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
		if !slices.Equal(shares, want) || now.Sub(since) != over {
			t.Errorf("%v: shares %v, over after %v", over, shares, now.Sub(since))
		}
	}
}

// TestWhoStartsSlowly: those that come beside others.
func TestWhoStartsSlowly(t *testing.T) {
	service := func(weights ...int) *config.Service {
		s := &config.Service{SlowStart: time.Minute}
		for i, w := range weights {
			if w >= 0 {
				s.RealServers = append(s.RealServers, config.RealServer{
					Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80), Weight: w,
				})
			}
		}
		return s
	}
	const none = -1
	for _, tt := range []struct {
		what      string
		was, next *config.Service
		want      string
	}{
		{"a new service", nil, service(1, 1), ""},
		{"a removed one", service(1, 1), nil, ""},
		{"its first", service(), service(1), ""},
		{"all at once", service(0, 0, none), service(1, 1, 1), ""},
		{"one that replaces all", service(1, 1, none), service(none, none, 1), ""},
		{"one that comes as another goes", service(1, 0), service(0, 1), ""},
		{"a new one", service(1, 1, none), service(1, 1, 1), "2"},
		{"a new one of weight 0", service(1, 1, none), service(1, 1, 0), ""},
		{"one that comes back", service(1, 0), service(1, 5), "1"},
		{"several", service(0, 7, none), service(1, 7, 1), "0 2"},
		{"other weights", service(1, 7), service(7, 1), ""},
	} {
		slow := (*slowService)(nil).after(tt.was, tt.next, time.Unix(1e9, 0))
		var got []string
		for i := range 3 {
			a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80)
			if _, is := slow.members()[a]; is {
				got = append(got, fmt.Sprint(i))
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: %v, want %s", tt.what, got, tt.want)
		}
		if tt.next == nil {
			continue
		}
		tt.next.SlowStart = 0
		if slow = slow.after(tt.was, tt.next, time.Unix(1e9, 0)); slow != nil {
			t.Errorf("%s, without the key: %+v", tt.what, slow)
		}
	}
}

// TestSlowStartOfAReturningServer: a drained real server comes back step by step. The log has its
// beginning and its end once, and the audit log only the weight.
func TestSlowStartOfAReturningServer(t *testing.T) {
	s := newSlowTest(t, slowPlanned)
	var log bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	s.shares("0 0")
	s.weigh(two, 0)
	s.shares("0 0")
	s.weigh(two, 2)
	s.shares("0 1")
	s.after(2999*time.Millisecond, "0 1")
	s.after(time.Millisecond, "0 2")
	s.after(12*time.Second, "0 6")
	_, revision := s.Revision()
	s.after(14999*time.Millisecond, "0 10")
	s.after(time.Millisecond, "0 0")
	if _, more := s.stepSlowStarts(context.Background()); more {
		t.Error("it goes on for ever")
	}
	if _, now := s.Revision(); now != revision || len(s.Audits()) != 2 {
		t.Errorf("revision %s, then %s; %d audits", revision, now, len(s.Audits()))
	}
	for _, text := range []string{"slow start begins", "slow start ended"} {
		if n := strings.Count(log.String(), text); n != 1 {
			t.Errorf("%q is %d times in\n%s", text, n, log.String())
		}
	}
	if !strings.Contains(log.String(), `msg="slow start begins" service=web "real server"=`+two+" over=30s") {
		t.Error(log.String())
	}
}

// TestChangesDuringSlowStart: each change does what one expects of it.
func TestChangesDuringSlowStart(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func(s *slowTest){
		"drained": func(s *slowTest) {
			s.weigh(two, 0)
			s.shares("0 0")
			s.weigh(two, 2) // it begins anew
			s.shares("0 1")
		},
		"another weight": func(s *slowTest) { s.weigh(two, 100); s.shares("0 4"); s.after(3*time.Second, "0 5") },
		"of another":     func(s *slowTest) { s.weigh(one, 100); s.shares("0 4") },
		"the other goes": func(s *slowTest) { s.weigh(one, 0); s.shares("0 4"); s.after(21*time.Second, "0 0") },
		"off":            func(s *slowTest) { s.set("0s"); s.shares("0 0"); s.set("30s"); s.shares("0 0") },
		"longer":         func(s *slowTest) { s.set("45s"); s.shares("0 3"); s.after(36*time.Second, "0 0") },
		"shorter":        func(s *slowTest) { s.set("15s"); s.shares("0 7") },
		"over by that":   func(s *slowTest) { s.set("9s"); s.shares("0 0") },
		"removed": func(s *slowTest) {
			s.do(s.RemoveRealServer(ctx, ServerID{"web", two}))
			s.shares("0")
			s.do(s.Rollback(ctx)) // it is new again
			s.shares("0 1")
		},
		"another comes": func(s *slowTest) {
			s.do(s.AddRealServer(ctx, "web", RealServerAddition{Address: three}))
			s.shares("0 4 1")
			s.after(3*time.Second, "0 5 2")
			s.do(s.Rollback(ctx))
			s.shares("0 5")
		},
		"the weight is undone": func(s *slowTest) { s.do(s.Rollback(ctx)); s.shares("0 0") },
		"another name": func(s *slowTest) {
			name := "shop"
			s.do(s.ChangeService(ctx, "web", ServiceChange{Name: &name}))
			s.clock.advance(3 * time.Second)
			s.stepSlowStarts(ctx)
			s.do(s.Rollback(ctx))
			s.shares("0 5")
		},
		"another scheduler": func(s *slowTest) {
			to := "mh"
			change := ServiceChange{ServiceSettings: ServiceSettings{Scheduler: &to}}
			if _, err := s.ChangeService(ctx, "web", change); err == nil {
				s.Error("a scheduler without shares was accepted")
			}
			s.shares("0 4")
			to = "lc"
			s.do(s.ChangeService(ctx, "web", change))
			s.shares("0 4")
			off := "0s"
			change.Scheduler, change.SlowStart = &to, &off
			to = "mh"
			s.do(s.ChangeService(ctx, "web", change))
			s.shares("0 0")
		},
		"the service goes": func(s *slowTest) {
			s.do(s.RemoveService(ctx, "web"))
			s.gone(30 * time.Second)
			s.do(s.Rollback(ctx)) // in the middle of the list: the engine gets all of them
			s.shares("0 0")
		},
		"another service goes and comes": func(s *slowTest) {
			s.do(s.RemoveService(ctx, "dns"))
			s.do(s.Rollback(ctx))
			s.shares("0 4")
		},
		"the file": func(s *slowTest) {
			s.do(s.Apply(ctx, parsePlanned(s.T, slowPlanned), Application{Precedence: DropOverrides}))
			s.shares("0 4")
			s.after(3*time.Second, "0 5")
			s.do(s.Apply(ctx, parsePlanned(s.T, planned), Application{Precedence: DropOverrides}))
			s.shares("0 0")
		},
		"another file": func(s *slowTest) {
			text := slowPlanned + "[[service.real_server]]\naddress = \"10.0.0.15:53\"\n"
			s.do(s.Apply(ctx, parsePlanned(s.T, text), Application{}))
			s.shares("0 4")
			if dns := s.engine.Report().Services[1]; dns.RealServers[1].Share != 0 {
				s.Errorf("dns has no slow_start: %+v", dns.RealServers)
			}
			s.do(s.Rollback(ctx))
			s.shares("0 4")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSlowTest(t, slowPlanned)
			s.weigh(two, 0)
			s.weigh(two, 3)
			s.after(9*time.Second, "0 4")
			s.T = t
			change(s)
		})
	}
}

// gone is after for a service that was removed.
func (s *slowTest) gone(d time.Duration) {
	s.clock.advance(d)
	if _, more := s.stepSlowStarts(context.Background()); more {
		s.Error("a service that was removed is in slow start")
	}
}

// TestSlowStartsOfRequests: what a file refuses, a request is refused too.
func TestSlowStartsOfRequests(t *testing.T) {
	s := newSlowTest(t, slowPlanned)
	for _, text := range []string{"61m", "-1s", "soon", "", "1us"} {
		change := ServiceChange{ServiceSettings: ServiceSettings{SlowStart: &text}}
		if _, err := s.ChangeService(context.Background(), "web", change); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	s.set("1h")
	if c := s.Config(); c.Services[0].SlowStart != time.Hour {
		t.Errorf("%v", c.Services[0].SlowStart)
	}
}

// TestSlowStartByDrain: a drain ends a slow start, and the weight after it begins one.
func TestSlowStartByDrain(t *testing.T) {
	s := newSlowTest(t, slowPlanned)
	id := ServerID{"web", two}
	drain := func() {
		if _, err := s.Drain(context.Background(), id, DrainRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	drain()
	s.weigh(two, 2)
	s.after(6*time.Second, "0 3")
	drain()
	s.shares("0 0")
	s.weigh(two, 2)
	s.shares("0 1")
}

// TestNoSlowStartAfterRestart: a state folder keeps the weight, and no slow start.
func TestNoSlowStartAfterRestart(t *testing.T) {
	folder := t.TempDir()
	r, state := kept(t, folder, parsePlanned(t, slowPlanned))
	s := &slowTest{t, r, &testClock{at: time.Unix(1e9, 0)}}
	s.slow.now = s.clock.now
	s.weigh(two, 0)
	s.weigh(two, 7)
	s.shares("0 1")
	if err := state.Close(); err != nil {
		t.Fatal(err)
	}
	again, state := kept(t, folder, parsePlanned(t, slowPlanned))
	s = &slowTest{t, again, s.clock}
	s.shares("0 0")
	if err := state.Close(); err != nil {
		t.Fatal(err)
	}
}

// manySlow returns a file with many services of two real servers, whose second one has a weight.
func manySlow(n, weight int) string {
	var b strings.Builder
	b.WriteString("[[port]]\nname = \"front\"\ndevice = \"net_null0\"\naddresses = [\"10.0.0.1/8\"]\n")
	for i := range n {
		fmt.Fprintf(&b, "[[service]]\nname = \"s%d\"\naddress = \"10.1.%d.%d:80\"\nprotocol = \"tcp\"\n"+
			"mode = \"dr\"\nslow_start = \"%ds\"\n", i, 1+i/200, 1+i%200, 10*(1+i%3))
		for j, w := range []int{1, weight} {
			fmt.Fprintf(&b, "[[service.real_server]]\naddress = \"10.9.0.%d:80\"\nweight = %d\n", 1+j, w)
		}
	}
	return b.String()
}

// TestManySlowStarts: one goroutine makes the steps of a thousand services, of each when it is due.
func TestManySlowStarts(t *testing.T) {
	const n = 1000
	s := newSlowTest(t, manySlow(n, 0))
	s.do(s.Apply(context.Background(), parsePlanned(t, manySlow(n, 1)), Application{}))
	expect := func(want ...uint8) {
		t.Helper()
		for i, service := range s.engine.Report().Services {
			if got := service.RealServers[1].Share; got != want[i%3] || service.RealServers[0].Share != 0 {
				t.Fatalf("%s has %d, want %d", service.Service.Name, got, want[i%3])
			}
		}
	}
	expect(1, 1, 1)
	for _, tt := range []struct {
		seconds int
		want    []uint8
		wait    time.Duration // to the next step
	}{
		{1, []uint8{2, 1, 1}, time.Second}, {2, []uint8{3, 2, 1}, time.Second},
		{3, []uint8{4, 2, 2}, time.Second}, {9, []uint8{10, 5, 4}, time.Second},
		{10, []uint8{0, 6, 4}, 2 * time.Second}, {18, []uint8{0, 10, 7}, 2 * time.Second},
		{20, []uint8{0, 0, 7}, time.Second}, {29, []uint8{0, 0, 10}, time.Second},
	} {
		s.clock.advance(time.Unix(1e9+int64(tt.seconds), 0).Sub(s.clock.now()))
		if wait, more := s.stepSlowStarts(context.Background()); wait != tt.wait || !more {
			t.Errorf("after %d s it waits %v", tt.seconds, wait)
		}
		expect(tt.want...)
	}
	s.clock.advance(time.Second)
	if _, more := s.stepSlowStarts(context.Background()); more {
		t.Error("it goes on")
	}
	expect(0, 0, 0)
}

// TestSlowStartByTheClock: the steps come by themselves, those of a short slow start beside a long
// one too.
func TestSlowStartByTheClock(t *testing.T) {
	r := newTestRunning(t, parsePlanned(t, manySlow(2, 0)))
	hour, short := "1h", "100ms"
	weight := 1
	for i, d := range []string{hour, short} {
		name := fmt.Sprintf("s%d", i)
		if _, err := r.ChangeService(context.Background(), name,
			ServiceChange{ServiceSettings: ServiceSettings{SlowStart: &d}}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ChangeRealServer(context.Background(), ServerID{name, "10.9.0.2:80"},
			RealServerChange{Weight: &weight}); err != nil {
			t.Fatal(err)
		}
	}
	share := func(i int) uint8 { return r.engine.Report().Services[i].RealServers[1].Share }
	for deadline := time.Now().Add(10 * time.Second); share(1) != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("share %d", share(1))
		}
	}
	if share(0) != 1 {
		t.Errorf("share %d of the long one", share(0))
	}
}
