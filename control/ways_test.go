package control

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"fulcrum/lvs"
	"fulcrum/probe"
)

// wayTo is a way whose addresses name the real server by their last byte.
type wayTo struct {
	w    *watched
	open int
	err  error
}

func (y *wayTo) Open(server lvs.RealServerID) (Way, error) {
	y.w.mu.Lock()
	defer y.w.mu.Unlock()
	if y.err != nil {
		return Way{}, y.err
	}
	y.open++
	last := server.Address.Addr().As4()[3]
	return Way{
		Address: netip.AddrFrom4([4]byte{252, 1, byte(server.Service.Address.Port()), last}),
		Source:  netip.MustParseAddr("252.0.0.1"), Device: "ful-front",
		Close: func() {
			y.w.mu.Lock()
			defer y.w.mu.Unlock()
			y.open--
		},
	}, nil
}

// watchWays starts a director with ways through the mode. seen gets where checks went.
func watchWays(t *testing.T, health string) (w *watched, way *wayTo, seen map[probe.Target]int) {
	text := strings.Replace(watchedFile, `addresses = ["10.0.0.1/24"]`, "addresses = [\"10.0.0.1/24\"]\nhost = \"ful-front\"", 1)
	text = strings.Replace(strings.Replace(text, "%s", "", 1), "%s", health, 1)
	r := newTestRunning(t, parsePlanned(t, text))
	way, seen = &wayTo{}, map[probe.Target]int{}
	r.UseWays(way)
	w = &watched{T: t, Running: r, dead: map[netip.AddrPort]bool{}, weights: map[netip.AddrPort]int{}}
	way.w = w
	r.checks.connects = func() *probe.Connects { return nil }
	r.checks.probe = func(ctx context.Context, c probe.Check, to probe.Target) probe.Outcome {
		w.mu.Lock()
		seen[to]++
		w.mu.Unlock()
		return w.probe(ctx, c, to)
	}
	if err := r.PrepareChecks(); err != nil {
		t.Fatal(err)
	}
	return w, way, seen
}

// TestThroughTheMode: by default checks go through the mode, each on a way of its own, which is
// closed afterwards.
func TestThroughTheMode(t *testing.T) {
	w, way, seen := watchWays(t, "")
	w.start()
	w.mu.Lock()
	w.dead[netip.MustParseAddrPort("252.1.80.12:80")] = true
	w.mu.Unlock()
	w.await("11 up, 12 down, 13 up", w.states)
	trial, err := w.TryCheck(t.Context(), ServerID{"web", "10.0.0.11:80"})
	if err != nil || !trial.Good || trial.Target != "10.0.0.11:80" {
		t.Errorf("%+v, %v", trial, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for to := range seen {
		last := to.Address.Addr().As4()[3]
		want := probe.Target{
			Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{252, 1, 80, last}), 80),
			Name:    netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, last}), 80),
			Source:  netip.MustParseAddr("252.0.0.1"), Device: "ful-front",
		}
		if to != want {
			t.Errorf("%+v, want %+v", to, want)
		}
	}
	if way.open > 3 {
		t.Errorf("%d ways are open", way.open)
	}
}

// TestNoWay: a check that this side cannot make says nothing.
func TestNoWay(t *testing.T) {
	w, way, _ := watchWays(t, "")
	way.err = errors.New("the interface is gone")
	w.start()
	w.await("late", func() string {
		w.checks.mu.Lock()
		defer w.checks.mu.Unlock()
		if w.checks.watch.Counts().Late > 9 {
			return "late"
		}
		return "not yet"
	})
	if got := w.states(); got != "11 up, 12 up, 13 up" {
		t.Error(got)
	}
}

// TestByTheHost: checks that cannot go through the mode, or are not to, go by the host's sockets.
func TestByTheHost(t *testing.T) {
	for _, health := range []string{
		`through = "host"`, `source = "10.0.0.1"`, `address = "10.0.0.9"`,
	} {
		w, _, _ := watchWays(t, health)
		c := w.Config()
		for _, rs := range c.Services[0].RealServers {
			id, _, ok := w.checks.checkOf(&c.Services[0], rs)
			if !ok || id.ID.How.(how).server != (lvs.RealServerID{}) {
				t.Errorf("%s: %+v", health, id)
			}
		}
	}
}
