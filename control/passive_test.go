package control

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fulcrum/engine"
	"fulcrum/lvs"
)

const passiveFile = `
[director]
workers = [0]
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
[[service]]
name = "web"
address = "10.0.0.100:80"
protocol = "tcp"
mode = "nat"
%s
  [service.health]
  %s
  [[service.real_server]]
  address = "10.0.0.11:80"
  [[service.real_server]]
  address = "10.0.0.12:80"
  [[service.real_server]]
  address = "10.0.0.13:80"
`

// observedService is a director whose workers notice what the test says, at the test's time.
type observedService struct {
	*watched
	now   time.Time
	seen  map[netip.AddrPort]engine.Evidence
	audit int // how many lines of the log were read
}

func observe(t *testing.T, service, health string) *observedService {
	return observeRunning(t, newTestRunning(t, parsePlanned(t, fmt.Sprintf(passiveFile, service, health))))
}

func observeRunning(t *testing.T, r *Running) *observedService {
	o := &observedService{
		watched: watchRunning(t, r), now: time.Now(), seen: map[netip.AddrPort]engine.Evidence{},
	}
	o.checks.now = func() time.Time { return o.now }
	o.checks.evidence = func(_ lvs.ServiceID, _ uint32, f func(*engine.Evidence)) {
		for server, e := range o.seen {
			e.Server = server
			f(&e)
		}
		clear(o.seen)
	}
	return o
}

func socketOf(n byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 80)
}

// fails has a real server fail clients, a second ago, while the others answer.
func (o *observedService) fails(n byte, clients ...uint32) {
	for _, other := range []byte{11, 12, 13} {
		if other != n {
			o.seen[socketOf(other)] = engine.Evidence{Answered: true}
		}
	}
	var e engine.Evidence
	for _, c := range clients {
		e.Failures = append(e.Failures, engine.Failure{Client: c, Kind: engine.Refused, Ago: time.Second})
	}
	o.seen[socketOf(n)] = e
}

// pass lets time pass, and has pools follow what was noticed.
func (o *observedService) pass(d time.Duration) {
	o.Helper()
	o.now = o.now.Add(d)
	for _, id := range o.checks.watched() {
		o.checks.judgeSessions(id, 0)
	}
	ctx := WithActor(context.Background(), Actor{Name: "health"})
	for id := range o.checks.takePending() {
		if err := o.followVerdict(ctx, id); err != nil {
			o.Fatal(err)
		}
	}
	if err := o.keepVerdicts(ctx); err != nil {
		o.Fatal(err)
	}
}

func (o *observedService) want(states string) {
	o.Helper()
	if got := o.states(); got != states {
		o.Fatalf("got %s; want %s", got, states)
	}
}

// lines returns what the log has of health since it was last asked.
func (o *observedService) lines() (all []string) {
	for _, a := range o.Audits() {
		if a.Who.Name == "health" {
			all = append(all, a.Changes...)
		}
	}
	o.audit, all = len(all), all[o.audit:]
	return all
}

func (o *observedService) wantLines(want ...string) {
	o.Helper()
	if got := o.lines(); !slices.Equal(got, want) {
		o.Errorf("the log has %q; want %q", got, want)
	}
}

const allUp = "11 up, 12 up, 13 up"

// What clients' sessions say is in the pool, in the report with its reason, and one line of the
// log. It needs no check.
func TestPassiveMovesThePool(t *testing.T) {
	o := observe(t, "", "passive = true")
	o.fails(12, 1, 2, 3)
	o.pass(time.Second)
	o.want("11 up, 12 down, 13 up")
	rs := o.Report().Services[0].RealServers
	if e := rs[1]; e.Health != nil || !e.Passive.Down || e.Weight != 1 || e.Passive.Times != 1 ||
		e.StateText() != "down: passive: 3 clients were refused" {
		t.Errorf("%+v %s", e.Passive, e.StateText())
	}
	if e := rs[0]; e.Passive == nil || *e.Passive != (PassiveReport{}) || e.StateText() != "up" {
		t.Errorf("%+v", e)
	}
	if n := o.CountOverrides(); n != 0 {
		t.Errorf("%d overrides", n)
	}
	o.wantLines("real server 10.0.0.12:80 of web is down: passive: 3 clients were refused; " +
		"it is tried again after 5s")
	o.pass(5*time.Second - 1)
	o.want("11 up, 12 down, 13 up")
	o.pass(1)
	o.want(allUp)
	o.wantLines("real server 10.0.0.12:80 of web is up: passive: tried again after 5s")

	m := NewMetrics(o.Config(), o.engine.Report)
	m.Running = o.Running
	f := scrape(t, m)
	if value(t, f["fulcrum_passive_ejections_total"], "web") != 1 ||
		value(t, f["fulcrum_passive_doubts_total"], "web") != 0 {
		t.Error(f["fulcrum_passive_ejections_total"], f["fulcrum_passive_doubts_total"])
	}
}

// A real server is up only if neither its check nor its clients' sessions say otherwise. A check
// that sees it fail and come back ends the ejection.
func TestPassiveBesideAChecks(t *testing.T) {
	o := observe(t, "", `passive = true
  type = "tcp"
  interval = "1s"
  rise = 1
  fall = 1
  damping = false`)
	check := func(dead ...byte) {
		o.kill(dead...)
		for range 25 { // on time, or bad results would count nothing
			o.pass(50 * time.Millisecond)
			due := o.checks.due()
			for _, d := range due {
				o.checks.note([]ending{o.checks.do(t.Context(), &d)})
			}
		}
		o.pass(0)
	}
	check()
	o.lines()
	o.fails(12, 1, 2, 3)
	o.pass(time.Second)
	o.want("11 up, 12 down, 13 up")
	rs := o.Report().Services[0].RealServers[1]
	if !rs.Health.Up || rs.StateText() != "down: passive: 3 clients were refused" {
		t.Errorf("%+v %s", rs.Health, rs.StateText())
	}
	o.pass(5 * time.Second)
	o.fails(12, 1, 2) // twice as long now: 10s
	o.pass(2 * time.Second)
	o.want("11 up, 12 down, 13 up")
	o.lines()
	check(12)
	rs = o.Report().Services[0].RealServers[1]
	if rs.Health.Check != `tcp, interval = "1s", rise = 1, fall = 1, damping = false` ||
		rs.Health.Up || rs.StateText() != "down: connect: connection refused" {
		t.Errorf("%+v %s", rs.Health, rs.StateText())
	}
	check()
	o.want(allUp)
	check(12)
	o.wantLines("real server 10.0.0.12:80 of web is up: connected",
		"real server 10.0.0.12:80 of web is down: connect: connection refused")
}

// The verdict stays over edits, reloads and rollbacks that leave passive checks on, and goes with
// them.
func TestPassiveStays(t *testing.T) {
	o := observe(t, "", "passive = true")
	apply := func(service, health string) {
		t.Helper()
		c := parsePlanned(t, fmt.Sprintf(passiveFile, service, health))
		if _, err := o.Apply(t.Context(), c, Application{}); err != nil {
			t.Fatal(err)
		}
		o.pass(0)
	}
	o.fails(12, 1, 2, 3)
	o.pass(time.Second)
	five := 5
	if _, err := o.ChangeRealServer(t.Context(), ServerID{"web", "10.0.0.12:80"}, RealServerChange{Weight: &five}); err != nil {
		t.Fatal(err)
	}
	o.want("11 up, 12 down, 13 up")
	apply(`scheduler = "rr"`, "passive = true")
	o.want("11 up, 12 down, 13 up")
	if _, err := o.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.want("11 up, 12 down, 13 up")
	apply("", "passive = false")
	o.want(allUp)
	if n := len(o.checks.passive); n != 0 {
		t.Errorf("%d services are watched", n)
	}
	apply("", "passive = true")
	o.want(allUp)
	if _, err := o.RemoveService(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if len(o.checks.passive) != 0 || len(o.checks.services) != 0 {
		t.Errorf("%v %v are left", o.checks.passive, o.checks.services)
	}
}

// A real server that is out may leave the service, and half of those that stay is less.
func TestPassiveMembersComeAndGo(t *testing.T) {
	o := observe(t, "", "passive = true")
	o.fails(12, 1, 2, 3)
	o.pass(time.Second)
	if _, err := o.RemoveRealServer(t.Context(), ServerID{"web", "10.0.0.13:80"}); err != nil {
		t.Fatal(err)
	}
	o.pass(0)
	o.want("11 up, 12 down")
	o.lines()
	if _, err := o.RemoveRealServer(t.Context(), ServerID{"web", "10.0.0.11:80"}); err != nil {
		t.Fatal(err)
	}
	o.pass(0)
	o.want("12 up")
	o.wantLines("real server 10.0.0.12:80 of web is up: passive: too few others were left")
}

// on_fail decides what becomes of a real server that is out: with "drain" it is as with weight 0.
func TestPassiveDrains(t *testing.T) {
	o := observe(t, "", `passive = true
  on_fail = "drain"`)
	o.fails(12, 1, 2, 3)
	o.pass(time.Second)
	if e := o.engine.Report().Services[0].Service.RealServers[1]; e.Down || !e.Inhibited || !e.Watched {
		t.Errorf("%+v", e)
	}
}

// A restart does not know who was out for clients' sake.
func TestPassiveEndsWithTheRun(t *testing.T) {
	folder := t.TempDir()
	r, s := kept(t, folder, parsePlanned(t, fmt.Sprintf(passiveFile, "", "passive = true")))
	t.Cleanup(func() { s.Close() })
	o := observeRunning(t, r)
	o.fails(12, 1, 2, 3)
	o.pass(time.Second)
	o.want("11 up, 12 down, 13 up")
	if text, _ := os.ReadFile(filepath.Join(folder, downName)); string(text) != "[]" {
		t.Errorf("the state has %s", text)
	}
}

// Check looks at the workers' evidence by itself, also of a service that comes later.
func TestPassiveIsLookedAt(t *testing.T) {
	w := watchRunning(t, newTestRunning(t, parsePlanned(t, fmt.Sprintf(passiveFile, "", `type = "none"`))))
	failing := engine.Evidence{Server: socketOf(12)}
	for c := range uint32(3) {
		failing.Failures = append(failing.Failures, engine.Failure{
			Client: c, Kind: engine.Unanswered, Ago: time.Second,
		})
	}
	w.checks.evidence = func(_ lvs.ServiceID, _ uint32, f func(*engine.Evidence)) {
		f(&engine.Evidence{Server: socketOf(11), Answered: true})
		f(&failing)
	}
	w.start()
	w.awaitStates(allUp)
	file := parsePlanned(t, fmt.Sprintf(passiveFile, "", "passive = true"))
	if _, err := w.Apply(t.Context(), file, Application{}); err != nil {
		t.Fatal(err)
	}
	w.awaitStates("11 up, 12 down, 13 up")
	if text := w.Report().Services[0].RealServers[1].StateText(); !strings.HasSuffix(text, "3 clients got no answer") {
		t.Error(text)
	}
}
