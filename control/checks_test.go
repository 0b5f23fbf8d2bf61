package control

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fulcrum/probe"
)

// watched is a director whose checks are made on real servers that the test kills and revives.
type watched struct {
	*testing.T
	*Running
	mu      sync.Mutex
	dead    map[netip.AddrPort]bool
	weights map[netip.AddrPort]int
}

const watchedFile = `
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
  type = "tcp"
  interval = "10ms"
  timeout = "10ms"
  rise = 1
  damping = false
  fall = 1
  %s
  [[service.real_server]]
  address = "10.0.0.11:80"
  [[service.real_server]]
  address = "10.0.0.12:80"
  [[service.real_server]]
  address = "10.0.0.13:80"
`

// watch starts a director with settings of the service and of its checks.
func watch(t *testing.T, service, health string) *watched {
	return watchRunning(t, newTestRunning(t, parsePlanned(t, fmt.Sprintf(watchedFile, service, health))))
}

func watchRunning(t *testing.T, r *Running) *watched {
	w := &watched{T: t, Running: r, dead: map[netip.AddrPort]bool{}, weights: map[netip.AddrPort]int{}}
	r.checks.probe, r.checks.connects = w.probe, func() *probe.Connects { return nil }
	if err := r.PrepareChecks(); err != nil {
		t.Fatal(err)
	}
	return w
}

// start makes the checks until the test ends.
func (w *watched) start() *watched {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { w.Check(ctx) })
	w.Cleanup(func() { cancel(); done.Wait() })
	return w
}

func (w *watched) probe(_ context.Context, _ probe.Check, to probe.Target) probe.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead[to.Address] {
		return probe.Outcome{Reason: "connect: connection refused"}
	}
	weight, has := w.weights[to.Address]
	return probe.Outcome{Good: true, Reason: "connected", Weight: weight, HasWeight: has}
}

// kill lets the checks of real servers, given by the last number of their addresses, fail.
func (w *watched) kill(all ...byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.dead)
	for _, n := range all {
		w.dead[netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, n}), 80)] = true
	}
}

// states returns the real servers' states, as in "11 up, 12 down".
func (w *watched) states() string {
	var all []string
	for _, rs := range w.Report().Services[0].RealServers {
		all = append(all, strings.TrimSuffix(strings.TrimPrefix(rs.Address, "10.0.0."), ":80")+" "+rs.State)
	}
	return strings.Join(all, ", ")
}

// await waits until a condition holds. On a busy machine results may be late, and count nothing.
func (w *watched) await(what string, got func() string) {
	w.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for got() != what {
		if time.Now().After(deadline) {
			w.Fatalf("got %s; want %s", got(), what)
		}
		time.Sleep(time.Millisecond)
	}
}

// awaitStates waits until the real servers have these states.
func (w *watched) awaitStates(want string) {
	w.Helper()
	w.await(want, w.states)
}

// What the checks find is in the pool, in the report with its reason, and one line of the log.
func TestChecksMoveThePool(t *testing.T) {
	w := watch(t, "", "").start()
	w.awaitStates("11 up, 12 up, 13 up")
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	rs := w.Report().Services[0].RealServers[1]
	if rs.Health.Reason != "connect: connection refused" || rs.Health.Up || rs.Weight != 1 ||
		rs.StateText() != "down: connect: connection refused" {
		t.Errorf("%+v %s", rs.Health, rs.StateText())
	}
	w.kill()
	w.awaitStates("11 up, 12 up, 13 up")
	var lines []string
	for _, a := range w.Audits() {
		if a.Who.Name == "health" {
			lines = append(lines, a.Changes...)
		}
	}
	want := []string{
		"real server 10.0.0.12:80 of web is down: connect: connection refused",
		"real server 10.0.0.12:80 of web is up: connected",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("the log has %q; want %q", lines, want)
	}
}

// What is down is no override and no revision, and edits of the same service leave it down.
func TestDownIsNoEdit(t *testing.T) {
	w := watch(t, "", "").start()
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	if n := w.CountOverrides(); n != 0 {
		t.Errorf("%d overrides", n)
	}
	five := 5
	if _, err := w.ChangeRealServer(t.Context(), ServerID{"web", "10.0.0.12:80"}, RealServerChange{Weight: &five}); err != nil {
		t.Fatal(err)
	}
	if got := w.states(); got != "11 up, 12 down, 13 up" {
		t.Errorf("after an edit: %s", got)
	}
	file := parsePlanned(t, fmt.Sprintf(watchedFile, `scheduler = "rr"`, ""))
	if _, err := w.Apply(t.Context(), file, Application{}); err != nil {
		t.Fatal(err)
	}
	if got := w.states(); got != "11 up, 12 down, 13 up" {
		t.Errorf("after a reload: %s", got)
	}
	if _, err := w.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.states(); got != "11 up, 12 down, 13 up" {
		t.Errorf("after a rollback: %s", got)
	}
	w.kill()
	w.awaitStates("11 up, 12 up, 13 up")
}

// Another check of a real server that is down leaves it down until that check says otherwise; a
// service without checks has all of its real servers up.
func TestOtherChecks(t *testing.T) {
	w := watch(t, "", "").start()
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	apply := func(text string) {
		t.Helper()
		if _, err := w.Apply(t.Context(), parsePlanned(t, text), Application{}); err != nil {
			t.Fatal(err)
		}
	}
	apply(strings.Replace(fmt.Sprintf(watchedFile, "", ""), `type = "tcp"`, "type = \"http\"", 1))
	w.awaitStates("11 up, 12 down, 13 up")
	w.kill()
	w.awaitStates("11 up, 12 up, 13 up")
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	head, _, _ := strings.Cut(fmt.Sprintf(watchedFile, "", ""), "  [service.health]")
	apply(head + "[[service.real_server]]\naddress = \"10.0.0.12:80\"\n")
	if got := w.states(); got != "12 up" {
		t.Errorf("without checks: %s", got)
	}
}

// A real server that is added is checked, one that is removed is not any more.
func TestMembersComeAndGo(t *testing.T) {
	w := watch(t, "", "").start()
	w.kill(14)
	if _, err := w.AddRealServer(t.Context(), "web", RealServerAddition{Address: "10.0.0.14:80"}); err != nil {
		t.Fatal(err)
	}
	w.awaitStates("11 up, 12 up, 13 up, 14 down")
	if _, err := w.RemoveRealServer(t.Context(), ServerID{"web", "10.0.0.14:80"}); err != nil {
		t.Fatal(err)
	}
	w.checks.mu.Lock()
	n := w.checks.watch.Len()
	w.checks.mu.Unlock()
	if n != 3 {
		t.Errorf("%d checks", n)
	}
	if _, err := w.RemoveService(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	w.checks.mu.Lock()
	defer w.checks.mu.Unlock()
	if w.checks.watch.Len() != 0 || len(w.checks.uses) != 0 || len(w.checks.services) != 0 {
		t.Errorf("%d checks, %d uses, %d services are left", w.checks.watch.Len(), len(w.checks.uses), len(w.checks.services))
	}
}

// start = "down": nothing gets sessions before it was checked.
func TestStartDown(t *testing.T) {
	w := watch(t, "", `start = "down"`)
	if got := w.states(); got != "11 down, 12 down, 13 down" {
		t.Fatalf("before the first check: %s", got)
	}
	w.start()
	w.awaitStates("11 up, 12 up, 13 up")
}

// Sorry servers stand by, get all sessions while the quorum is lost, and stand by again. Programs
// hear of it.
func TestSorryServers(t *testing.T) {
	told := filepath.Join(t.TempDir(), "told")
	program := func(word string) string { return fmt.Sprintf(`["/bin/sh", "-c", "echo %s $SERVICE >>%s"]`, word, told) }
	w := watch(t, `quorum = 2
sorry_servers = ["10.0.0.99:80"]
quorum_up = `+program("up")+`
quorum_down = `+program("down"), "").start()
	w.awaitStates("11 up, 12 up, 13 up, 99 standby")
	w.kill(11)
	w.awaitStates("11 down, 12 up, 13 up, 99 standby")
	w.kill(11, 12)
	w.awaitStates("11 down, 12 down, 13 down, 99 up")
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up, 99 standby")
	w.await("down web\nup web\n", func() string {
		text, _ := os.ReadFile(told)
		return string(text)
	})
}

// Below the panic threshold all real servers are used.
func TestPanic(t *testing.T) {
	w := watch(t, "", "panic = 50").start()
	w.kill(11)
	w.awaitStates("11 down, 12 up, 13 up")
	w.kill(11, 12)
	w.awaitStates("11 up, 12 up, 13 up")
	w.kill(11)
	w.awaitStates("11 down, 12 up, 13 up")
}

// on_fail = "drain": as with weight 0, which the report does not show as the weight.
func TestFailDrains(t *testing.T) {
	w := watch(t, "", `on_fail = "drain"`).start()
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	if e := w.engine.Report().Services[0].Service.RealServers[1]; e.Down || !e.Inhibited {
		t.Errorf("%+v", e)
	}
	if rs := w.Report().Services[0].RealServers[1]; rs.Weight != 1 {
		t.Errorf("weight %d", rs.Weight)
	}
}

// A real server that is up again begins slowly beside the others, and not if it is alone.
func TestUpAgainBeginsSlowly(t *testing.T) {
	w := watch(t, `slow_start = "1h"`, "").start()
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	w.kill()
	w.awaitStates("11 up, 12 slow_start, 13 up")
	w.kill(11, 12, 13)
	w.awaitStates("11 down, 12 down, 13 down")
	w.kill(12, 13)
	w.awaitStates("11 up, 12 down, 13 down")
}

// A check may ask for a weight. An operator's 0 stays.
func TestChecksAskForWeights(t *testing.T) {
	w := watch(t, "", "")
	w.weights[netip.MustParseAddrPort("10.0.0.11:80")] = 7
	w.weights[netip.MustParseAddrPort("10.0.0.12:80")] = 7
	w.start()
	zero := 0
	if _, err := w.ChangeRealServer(t.Context(), ServerID{"web", "10.0.0.12:80"}, RealServerChange{Weight: &zero}); err != nil {
		t.Fatal(err)
	}
	w.await("7 0 1", func() string {
		all := w.Report().Services[0].RealServers
		return fmt.Sprint(all[0].Weight, all[1].Weight, all[2].Weight)
	})
}

// Services share a check that is the same, and both follow it.
func TestSharedChecks(t *testing.T) {
	text := fmt.Sprintf(watchedFile, "", "")
	_, service, _ := strings.Cut(text, "[[service]]")
	service = strings.NewReplacer(`"web"`, `"other"`, ":80\"\nprotocol", ":81\"\nprotocol").Replace(service)
	w := watchRunning(t, newTestRunning(t, parsePlanned(t, text+"[[service]]"+service))).start()
	w.checks.mu.Lock()
	n := w.checks.watch.Len()
	w.checks.mu.Unlock()
	if n != 3 {
		t.Errorf("%d checks", n)
	}
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	w.await("down", func() string { return w.Report().Services[1].RealServers[1].State })
}

// A restart begins with what was down, until a check says otherwise.
func TestDownSurvivesARestart(t *testing.T) {
	folder, file := t.TempDir(), parsePlanned(t, fmt.Sprintf(watchedFile, "", ""))
	t.Run("first", func(t *testing.T) {
		r, s := kept(t, folder, file)
		t.Cleanup(func() { s.Close() })
		w := watchRunning(t, r).start()
		w.kill(12)
		w.awaitStates("11 up, 12 down, 13 up")
		w.await("[\"tcp 10.0.0.100:80 10.0.0.12:80\"]", func() string {
			text, _ := os.ReadFile(filepath.Join(folder, downName))
			return string(text)
		})
	})
	t.Run("second", func(t *testing.T) {
		r, s := kept(t, folder, file)
		t.Cleanup(func() { s.Close() })
		w := watchRunning(t, r)
		if got := w.states(); got != "11 up, 12 down, 13 up" {
			t.Fatalf("after the restart: %s", got)
		}
		w.start()
		w.awaitStates("11 up, 12 up, 13 up")
	})
	t.Run("damaged", func(t *testing.T) {
		if err := os.WriteFile(filepath.Join(folder, downName), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		r, s := kept(t, folder, file)
		t.Cleanup(func() { s.Close() })
		if got := watchRunning(t, r).states(); got != "11 up, 12 up, 13 up" {
			t.Errorf("got %s", got)
		}
	})
}

// A check on request shows its steps, and decides nothing.
func TestTryCheck(t *testing.T) {
	w := watch(t, "", "")
	w.kill(12)
	trial, err := w.TryCheck(t.Context(), ServerID{"web", "10.0.0.12:80"})
	if err != nil || trial.Good || !trial.Up || trial.Needed != 1 || trial.Target != "10.0.0.12:80" {
		t.Errorf("%+v, %v", trial, err)
	}
	if _, err := w.TryCheck(t.Context(), ServerID{"web", "10.0.0.19:80"}); err == nil {
		t.Error("checked an unknown real server")
	}
}

// The last results are there without a check: bounded, the latest first.
func TestPastChecks(t *testing.T) {
	w := watch(t, "", "").start()
	past := func() PastChecks {
		p, err := w.PastChecks(ServerID{"web", "10.0.0.12:80"})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	w.await("16", func() string { return fmt.Sprint(len(past().Last)) })
	w.kill(12)
	w.await("false", func() string { return fmt.Sprint(past().Up) })
	if p := past(); len(p.Last) != 16 || p.Last[0].Good || p.Last[0].Reason != "connect: connection refused" {
		t.Errorf("%+v", p)
	}
	if _, err := w.PastChecks(ServerID{"web", "10.0.0.19:80"}); err == nil {
		t.Error("an unknown real server has checks")
	}
}

// The metrics of checks: how many, with which results, and how long the latest took.
func TestMetricsOfChecks(t *testing.T) {
	w := watch(t, "", "").start()
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	m := NewMetrics(w.Config(), w.engine.Report)
	m.Running = w.Running
	addition := RealServerAddition{Address: "10.0.0.14:80"} // later than the metrics
	if _, err := w.AddRealServer(t.Context(), "web", addition); err != nil {
		t.Fatal(err)
	}
	w.await("4", func() string {
		return fmt.Sprint(len(scrape(t, m)["fulcrum_real_server_check_seconds"].GetMetric()))
	})
	for _, result := range []string{"good", "bad"} {
		w.await("true", func() string {
			return fmt.Sprint(value(t, scrape(t, m)["fulcrum_health_checks_total"], result) > 0)
		})
	}
	value(t, scrape(t, m)["fulcrum_health_doubts_total"])
}

// The quorum and the panic threshold are metrics of each service with checks.
func TestMetricsOfPools(t *testing.T) {
	w := watch(t, "", "panic = 50").start()
	m := NewMetrics(w.Config(), w.engine.Report)
	m.Running = w.Running
	pool := func() string {
		all := scrape(t, m)
		return fmt.Sprint(value(t, all["fulcrum_service_quorum_held"], "web"), value(t, all["fulcrum_service_panic"], "web"))
	}
	w.await("1 0", pool)
	w.kill(11, 12)
	w.await("1 1", pool)
	w.kill(11, 12, 13)
	w.await("0 1", pool)
}

// However many real servers there are and whatever they say, each has as many metrics of its checks
// as any other, and no label has what it said.
func TestMetricsOfChecksAreBounded(t *testing.T) {
	const all = 500
	var text strings.Builder
	head, _, _ := strings.Cut(fmt.Sprintf(watchedFile, "", `jitter = "0%"`), "  [[service.real_server]]")
	text.WriteString(strings.NewReplacer(`"10ms"`, `"1h"`, "10.0.0.1/24", "10.0.0.1/8").Replace(head))
	for i := range all {
		fmt.Fprintf(&text, "[[service.real_server]]\naddress = \"10.9.%d.%d:80\"\n", i>>8, i&255)
	}
	w := watchRunning(t, newTestRunning(t, parsePlanned(t, text.String())))
	said := 0
	w.checks.probe = func(context.Context, probe.Check, probe.Target) probe.Outcome {
		said++
		return probe.Outcome{Good: said%2 == 0, Reason: fmt.Sprintf("said %d", said)}
	}
	m := NewMetrics(w.Config(), w.engine.Report)
	m.Running = w.Running
	series := func() (n int) {
		for name, f := range scrape(t, m) {
			if strings.Contains(name, "check") || strings.Contains(name, "real_server_state") {
				n += len(f.GetMetric())
			}
			if strings.Contains(f.String(), "said") {
				t.Errorf("%s has what a real server said", name)
			}
		}
		return n
	}
	w.resultsOfAll(t, all)
	first := series()
	for range 3 {
		w.resultsOfAll(t, all)
	}
	if n := series(); n != first || n > 2*all+10 {
		t.Errorf("%d series of checks, and %d after more of them", first, n)
	}
}
