package control

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fulcrum/engine"
	"fulcrum/probe"
)

// What users of keepalived and DPVS have met with checks and reloads; docs/testing.md has the list.

// apply reloads with another file.
func (w *watched) apply(text string) {
	w.Helper()
	if _, err := w.Apply(w.Context(), parsePlanned(w.T, text), Application{}); err != nil {
		w.Fatal(err)
	}
}

// webFile returns the file of a watched director with one edit.
func webFile(old, with string) string {
	return strings.Replace(fmt.Sprintf(watchedFile, "", ""), old, with, 1)
}

// told returns what the checks have told so far, without what they told of other services.
func (w *watched) told(service string) (lines []string) {
	for _, a := range w.Audits() {
		if a.Who.Name == "health" && strings.Contains(a.what(), service) {
			lines = append(lines, a.what())
		}
	}
	return lines
}

// pool returns the engine's real servers of the first service, with their weights, as in
// "11 down, 12 inhibited, 13 1".
func (w *watched) pool() string {
	var all []string
	for _, rs := range w.engine.Report().Services[0].Service.RealServers {
		all = append(all, strings.TrimPrefix(rs.Address.Addr().String(), "10.0.0.")+" "+poolText(rs))
	}
	return strings.Join(all, ", ")
}

func poolText(rs engine.RealServer) string {
	switch {
	case rs.Standby:
		return "standby"
	case rs.Down:
		return "down"
	case rs.Inhibited:
		return "inhibited"
	}
	return fmt.Sprint(rs.Weight)
}

// A reload that changes the check of one real server restarts that check alone: the others keep
// their results and their turns.
func TestReloadRestartsChangedChecksOnly(t *testing.T) {
	w := watch(t, "", `start = "down"`)
	w.start()
	w.awaitStates("11 up, 12 up, 13 up")
	counts := func(n int) int {
		trial, err := w.TryCheck(t.Context(), ServerID{"web", fmt.Sprintf("10.0.0.%d:80", n)})
		if err != nil {
			t.Fatal(err)
		}
		return len(trial.Last)
	}
	for _, n := range []int{11, 12} {
		w.await("16", func() string { return fmt.Sprint(counts(n)) })
	}
	w.apply(strings.Replace(fmt.Sprintf(watchedFile, "", `start = "down"`), "10.0.0.11:80\"\n",
		"10.0.0.11:80\"\n[service.real_server.health]\ninterval = \"1h\"\ntimeout = \"1s\"\n", 1))
	if w.states() != "11 up, 12 up, 13 up" || w.pool() != "11 1, 12 1, 13 1" {
		t.Errorf("after the reload: %s; the engine has %s", w.states(), w.pool())
	}
	if changed, same := counts(11), counts(12); changed > 1 || same != 16 {
		t.Errorf("%d results of the check that was changed, and %d of another", changed, same)
	}
}

// The pool that comes with a reload is right at once: a dead real server gets no session between
// the reload and the first result of its changed check.
func TestReloadNeverAddsWhatIsDown(t *testing.T) {
	w := watch(t, "", "")
	w.start()
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	next := parsePlanned(t, webFile(`interval = "10ms"`, `interval = "1h"`))
	given := w.engineService(next, &next.Services[0], nil)
	if !given.RealServers[1].Down || given.RealServers[0].Down {
		t.Errorf("the reload brings %+v", given.RealServers)
	}
}

// Weight 0 of an inhibited real server does not stay after a reload: not while it is down, where
// the file's weight is shown, nor when it is up again.
func TestWeightIsBackAfterAReload(t *testing.T) {
	w := watch(t, "", `on_fail = "drain"`)
	w.start()
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	next := strings.Replace(fmt.Sprintf(watchedFile, "", `on_fail = "drain"`), "10.0.0.12:80\"\n",
		"10.0.0.12:80\"\nweight = 5\n", 1)
	w.apply(next)
	if got := w.pool(); got != "11 1, 12 inhibited, 13 1" {
		t.Errorf("after the reload: %s", got)
	}
	w.kill()
	w.awaitStates("11 up, 12 up, 13 up")
	if got := w.pool(); got != "11 1, 12 5, 13 1" {
		t.Errorf("up again: %s", got)
	}
}

// A reload deletes a real server that is down, whatever on_fail is; nothing of it is left, also not
// in the state folder. When it is added again it is new, and no line tells that it is up again.
func TestReloadDeletesWhatIsDown(t *testing.T) {
	for _, onFail := range []string{"remove", "drain"} {
		t.Run(onFail, func(t *testing.T) {
			folder, health := t.TempDir(), fmt.Sprintf("on_fail = %q", onFail)
			file := fmt.Sprintf(watchedFile, "", health)
			r, s := kept(t, folder, parsePlanned(t, file))
			t.Cleanup(func() { s.Close() })
			w := watchRunning(t, r).start()
			w.kill(12)
			w.awaitStates("11 up, 12 down, 13 up")
			w.apply(strings.Replace(file, "  [[service.real_server]]\n  address = \"10.0.0.12:80\"\n", "", 1))
			if got := w.pool(); got != "11 1, 13 1" {
				t.Errorf("after the reload: %s", got)
			}
			w.await("[]", func() string {
				text, _ := os.ReadFile(filepath.Join(folder, downName))
				return string(text)
			})
			w.kill()
			w.apply(file)
			if got := w.pool(); got != "11 1, 12 1, 13 1" {
				t.Errorf("added again: %s", got)
			}
			w.await("13 up", func() string { return w.states()[len("11 up, 12 up, "):] })
			if lines := w.told("web"); len(lines) != 1 {
				t.Errorf("told %q", lines)
			}
		})
	}
}

// Sorry servers that a reload adds while the quorum is lost get the sessions at once; those that
// it removes are gone, and do not come back with the next reload.
func TestReloadOfSorryServers(t *testing.T) {
	w := watch(t, "", "").start()
	w.kill(11, 12, 13)
	w.awaitStates("11 down, 12 down, 13 down")
	w.apply(fmt.Sprintf(watchedFile, `sorry_servers = ["10.0.0.99:80"]`, ""))
	if got := w.pool(); got != "11 down, 12 down, 13 down, 99 1" {
		t.Errorf("added: %s", got)
	}
	w.apply(fmt.Sprintf(watchedFile, `sorry_servers = ["10.0.0.98:80"]`, ""))
	if got := w.pool(); got != "11 down, 12 down, 13 down, 98 1" {
		t.Errorf("replaced: %s", got)
	}
	w.apply(fmt.Sprintf(watchedFile, "", ""))
	w.kill(12, 13)
	w.awaitStates("11 up, 12 down, 13 down")
	if got := w.pool(); got != "11 1, 12 down, 13 down" {
		t.Errorf("removed: %s", got)
	}
	w.apply(fmt.Sprintf(watchedFile, "quorum = 2\nsorry_servers = [\"10.0.0.99:80\"]", ""))
	if got := w.pool(); got != "11 down, 12 down, 13 down, 99 1" {
		t.Errorf("a quorum that the reload raises: %s", got)
	}
	w.kill()
	w.awaitStates("11 up, 12 up, 13 up, 99 standby")
}

// A quorum that a change of weights loses is told like any other, and its program runs.
func TestQuorumLostByAWeight(t *testing.T) {
	told := filepath.Join(t.TempDir(), "told")
	w := watch(t, fmt.Sprintf("quorum = 3\nquorum_down = [\"/bin/sh\", \"-c\", \"echo down >>%s\"]", told), "").start()
	w.awaitStates("11 up, 12 up, 13 up")
	zero := 0
	if _, err := w.ChangeRealServer(t.Context(), ServerID{"web", "10.0.0.12:80"}, RealServerChange{Weight: &zero}); err != nil {
		t.Fatal(err)
	}
	w.await("down\n", func() string {
		text, _ := os.ReadFile(told)
		return string(text)
	})
	w.await("[quorum of web lost]", func() string { return fmt.Sprint(w.told("web")) })
}

// A VIP that a reload moves leaves nothing behind, and its real servers stay down.
func TestReloadMovesAVIP(t *testing.T) {
	w := watch(t, "", "").start()
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	w.apply(webFile("10.0.0.100:80", "10.0.0.101:80"))
	if got := w.pool(); got != "11 1, 12 down, 13 1" {
		t.Errorf("after the reload: %s", got)
	}
	r := w.Report()
	w.checks.mu.Lock()
	known := len(w.checks.services)
	w.checks.mu.Unlock()
	if len(r.Services) != 1 || r.Services[0].Address != "10.0.0.101:80" || known != 1 {
		t.Errorf("%d services, %d of them checked", len(r.Services), known)
	}
	w.kill()
	w.awaitStates("11 up, 12 up, 13 up")
}

// A service that comes to share a check of a real server that is down has it down too, and tells
// so; it is told when that is up again.
func TestSharedCheckIsDownAlready(t *testing.T) {
	w := watch(t, "", "").start()
	w.kill(12)
	w.awaitStates("11 up, 12 down, 13 up")
	text := fmt.Sprintf(watchedFile, "", "")
	_, service, _ := strings.Cut(text, "[[service]]")
	service = strings.NewReplacer(`"web"`, `"other"`, ":80\"\nprotocol", ":81\"\nprotocol").Replace(service)
	w.apply(text + "[[service]]" + service)
	w.await("down", func() string { return w.Report().Services[1].RealServers[1].State })
	want := []string{"real server 10.0.0.12:80 of other is down: connect: connection refused"}
	w.await(fmt.Sprint(want), func() string { return fmt.Sprint(w.told("of other")) })
	w.kill()
	want = append(want, "real server 10.0.0.12:80 of other is up: connected")
	w.await(fmt.Sprint(want), func() string { return fmt.Sprint(w.told("of other")) })
}

// Each change of a verdict is one line, however often a reload comes in between.
func TestOneLineAChange(t *testing.T) {
	w := watch(t, "", "").start()
	w.awaitStates("11 up, 12 up, 13 up")
	var want []string
	for range 5 {
		w.kill(12)
		want = append(want, "real server 10.0.0.12:80 of web is down: connect: connection refused")
		w.await(fmt.Sprint(want), func() string { return fmt.Sprint(w.told("web")) })
		w.apply(fmt.Sprintf(watchedFile, `scheduler = "rr"`, ""))
		w.apply(webFile(`rise = 1`, "rise = 2"))
		w.kill()
		want = append(want, "real server 10.0.0.12:80 of web is up: connected")
		w.await(fmt.Sprint(want), func() string { return fmt.Sprint(w.told("web")) })
		w.apply(fmt.Sprintf(watchedFile, "", ""))
	}
}

// A reload with very many checks loses no state, takes none of them anew, and each is in its turn.
func TestReloadOfVeryManyChecks(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a file of 10,000 real servers twice")
	}
	const all = 10_000
	var text strings.Builder
	head, _, _ := strings.Cut(fmt.Sprintf(watchedFile, "", `jitter = "0%"`), "  [[service.real_server]]")
	text.WriteString(strings.NewReplacer(`"10ms"`, `"1h"`, "10.0.0.1/24", "10.0.0.1/8").Replace(head))
	for i := range all {
		fmt.Fprintf(&text, "[[service.real_server]]\naddress = \"10.9.%d.%d:80\"\n", i>>8, i&255)
	}
	w := watchRunning(t, newTestRunning(t, parsePlanned(t, text.String())))
	down := map[netip.AddrPort]bool{}
	for i := range all / 10 {
		n := 10 * i
		down[netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(n >> 8), byte(n)}), 80)] = true
	}
	w.checks.probe = func(_ context.Context, _ probe.Check, to probe.Target) probe.Outcome {
		return probe.Outcome{Good: !down[to.Address], Reason: "tested"}
	}
	w.resultsOfAll(t, all)
	took := w.checks.watch.Counts()
	w.apply(strings.Replace(text.String(), `mode = "nat"`, "mode = \"nat\"\nscheduler = \"rr\"", 1))
	w.checks.mu.Lock()
	defer w.checks.mu.Unlock()
	if n := w.checks.watch.Len(); n != all || w.checks.watch.Counts() != took {
		t.Errorf("%d checks, %+v; before the reload %+v", n, w.checks.watch.Counts(), took)
	}
	for id := range w.checks.uses {
		if last, known := w.checks.watch.Latest(id); !known || last.Good != w.checks.watch.Up(id) ||
			last.Good == down[id.Server] {
			t.Fatalf("%v: %v, %+v", id.Server, known, last)
		}
	}
}

// resultsOfAll makes all n checks, without waiting for their turns.
func (w *watched) resultsOfAll(t *testing.T, n int) {
	t.Helper()
	for made := map[netip.AddrPort]bool{}; len(made) < n; {
		next, any := w.checks.watch.Next()
		if !any {
			t.Fatal("no check is due")
		}
		w.checks.now = func() time.Time { return next }
		due := w.checks.due()
		for _, d := range due {
			made[d.run.ID.Server] = true
			w.checks.note([]ending{w.checks.do(t.Context(), &d)})
		}
	}
}
