package control

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"fulcrum/engine"
)

// crowdedAt returns the local addresses 10.1.0.50 and up with some shares in use.
func crowdedAt(shares ...float64) (all []engine.CrowdedLocal) {
	for i, share := range shares {
		if share >= relaxedShare {
			a := netip.MustParseAddr(fmt.Sprintf("10.1.0.%d", 50+i))
			all = append(all, engine.CrowdedLocal{
				Service: "web", RealServer: netip.MustParseAddrPort("10.1.0.11:80"),
				LocalUse: engine.LocalUse{Address: a, Share: share},
			})
		}
	}
	return all
}

// TestCrowdWarnsOnce: a warning comes at 80 %, once, and is taken back below 75 %.
func TestCrowdWarnsOnce(t *testing.T) {
	c := crowd{}
	for i, step := range []struct {
		shares  []float64
		crowded string
		relaxed string
	}{
		{[]float64{0.5, 0.79}, "", ""},
		{[]float64{0.5, 0.80}, "10.1.0.51", ""},
		{[]float64{0.76, 0.99}, "", ""},
		{[]float64{0.90, 0.76}, "10.1.0.50", ""},
		{[]float64{0.90, 0.81}, "", ""},
		{[]float64{0.90, 0.74}, "", "10.1.0.51"},
		{[]float64{0.10, 0.80}, "10.1.0.51", "10.1.0.50"},
		{nil, "", "10.1.0.51"},
	} {
		now, over := c.update(crowdedAt(step.shares...))
		var crowded, relaxed []string
		for _, n := range now {
			crowded = append(crowded, n.Address.String())
		}
		for _, k := range over {
			relaxed = append(relaxed, k.local)
		}
		got, ended := strings.Join(crowded, " "), strings.Join(relaxed, " ")
		if got != step.crowded || ended != step.relaxed {
			t.Errorf("step %d: crowded %q, no longer %q; want %q and %q", i, got, ended, step.crowded,
				step.relaxed)
		}
	}
}

// TestCrowdIsLogged: one line for each local address, and one for all beyond the first ten.
func TestCrowdIsLogged(t *testing.T) {
	var text bytes.Buffer
	c, log := crowd{}, slog.New(slog.NewTextHandler(&text, nil))
	shares := make([]float64, 12)
	for i := range shares {
		shares[i] = 0.834
	}
	c.log(log, crowdedAt(shares...))
	c.log(log, crowdedAt(shares...))
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != maxCrowdLines+1 {
		t.Fatalf("%d lines:\n%s", len(lines), text.String())
	}
	for _, want := range []string{"level=WARN", "service=web", "10.1.0.11:80", "10.1.0.50", "used=83%"} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("the line lacks %s: %s", want, lines[0])
		}
	}
	if !strings.Contains(lines[maxCrowdLines], "more=2") {
		t.Errorf("the last line is %s", lines[maxCrowdLines])
	}
	text.Reset()
	c.log(log, nil)
	if n := strings.Count(text.String(), "level=INFO"); n != maxCrowdLines {
		t.Errorf("%d lines at the end, want %d", n, maxCrowdLines)
	}
}
