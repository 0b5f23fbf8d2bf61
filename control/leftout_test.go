package control

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What explain says of real servers without new sessions: why, who gets them instead, and no more
// than some lines however many there are.
func TestLeftOut(t *testing.T) {
	w := watch(t, `sorry_servers = ["10.0.0.99:80"]`, "panic = 60").start()
	w.awaitStates("11 up, 12 up, 13 up, 99 standby")
	if l := w.LeftOut("web", ""); l.Pool != "" || len(l.Servers) != 0 || l.More != 0 {
		t.Errorf("all are up: %+v", l)
	}
	zero := 0
	if _, err := w.ChangeRealServer(t.Context(), ServerID{"web", "10.0.0.13:80"}, RealServerChange{Weight: &zero}); err != nil {
		t.Fatal(err)
	}
	want := func(server, pool string, servers ...string) {
		t.Helper()
		if l := w.LeftOut("web", server); l.Pool != pool || !slices.Equal(l.Servers, servers) {
			t.Errorf("%+v; want %q, %q", l, pool, servers)
		}
	}
	const draining = "10.0.0.13:80 is draining (0 established, 0 closing)"
	want("", "", draining)
	w.kill(12)
	const panicked = "too few real servers are up: all get new sessions (panic)"
	w.await(panicked, func() string { return w.LeftOut("web", "").Pool })
	want("", panicked, draining)
	w.kill(11, 12)
	w.awaitStates("11 down, 12 down, 13 down, 99 up")
	want("", "the quorum is lost: sorry servers get new sessions",
		"10.0.0.11:80 is down: connect: connection refused",
		"10.0.0.12:80 is down: connect: connection refused", "10.0.0.13:80 is down: the quorum is lost")
	want("10.0.0.12:80", "the quorum is lost: sorry servers get new sessions",
		"10.0.0.12:80 is down: connect: connection refused")
	if l := w.LeftOut("unknown", ""); l.Pool != "" || l.Servers != nil {
		t.Errorf("an unknown service: %+v", l)
	}
}

// Before its first result, and while good results are not enough, a real server says so.
func TestWhyDown(t *testing.T) {
	w := watch(t, "", `start = "down"`)
	if l := w.LeftOut("web", "10.0.0.11:80"); len(l.Servers) != 1 || l.Servers[0] != "10.0.0.11:80 is down: not checked yet" {
		t.Errorf("%+v", l)
	}
	w = watchRunning(t, newTestRunning(t, parsePlanned(t, webFile("rise = 1", "rise = 1000"))))
	w.kill(12)
	w.start()
	w.awaitStates("11 up, 12 down, 13 up")
	w.kill()
	w.await("true", func() string {
		return fmt.Sprint(strings.HasSuffix(w.Report().Services[0].RealServers[1].Why, "of 1000 good results"))
	})
	w.kill(12)
	w.await("connect: connection refused", func() string { return w.Report().Services[0].RealServers[1].Why })
}

// What a hostile real server says fills neither the answer of explain nor a table.
func TestLeftOutIsBounded(t *testing.T) {
	s := ServiceReport{}
	for i := range 1000 {
		s.RealServers = append(s.RealServers, RealServerReport{
			Address: fmt.Sprintf("10.0.%d.%d:0", i/250, i%250), State: "down", Why: strings.Repeat("x", 1000),
		})
	}
	l := s.leftOut("")
	if len(l.Servers) != mostLeftOut || l.More != 1000-mostLeftOut {
		t.Errorf("%d, and %d more", len(l.Servers), l.More)
	}
	for _, text := range l.Servers {
		if len(text) > 2*mostReason {
			t.Errorf("%d bytes", len(text))
		}
	}
	if l := s.leftOut("10.0.3.249:8080"); len(l.Servers) != 1 || l.More != 0 {
		t.Errorf("of one with every port: %+v", l)
	}
}
