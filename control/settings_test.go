package control

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fulcrum/config"
	"fulcrum/conntrack"
	"fulcrum/engine"
	"fulcrum/lvs"
)

func exampleConfig(t *testing.T, name string) *config.Config {
	t.Helper()
	c, err := config.Load("../docs/examples/" + name + ".toml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestExamplesBecomeSettings: the services, ports and routes of each example arrive at the engine.
func TestExamplesBecomeSettings(t *testing.T) {
	for _, mode := range lvs.Modes() {
		t.Run(mode.String(), func(t *testing.T) {
			c := exampleConfig(t, mode.String())
			s := EngineSettings(c)
			if len(s.Ports) != len(c.Ports) || len(s.Routes) != len(c.Routes) || len(s.Services) != len(c.Services) {
				t.Fatalf("%d ports, %d routes, %d services; the file has %d, %d, %d",
					len(s.Ports), len(s.Routes), len(s.Services), len(c.Ports), len(c.Routes), len(c.Services))
			}
			for i := range s.Services {
				sameService(t, &s.Services[i], &c.Services[i])
			}
		})
	}
}

func sameService(t *testing.T, got *engine.Service, want *config.Service) {
	t.Helper()
	if got.ID() != want.ID() || got.Mode != want.Mode || got.Scheduler != want.Scheduler {
		t.Errorf("service %v %v %v, the file has %v %v %v", got.ID(), got.Mode, got.Scheduler, want.ID(), want.Mode, want.Scheduler)
	}
	if len(got.LocalAddresses) != len(want.LocalAddresses) {
		t.Errorf("%d local addresses, the file has %d", len(got.LocalAddresses), len(want.LocalAddresses))
	}
	for i, rs := range want.RealServers {
		w := engine.RealServer{
			Address: rs.Address, Weight: int32(rs.Weight),
			UpperThreshold: int32(rs.UpperThreshold), LowerThreshold: int32(rs.LowerThreshold),
		}
		if got.RealServers[i] != w {
			t.Errorf("real server %d: %+v, want %+v", i, got.RealServers[i], w)
		}
	}
}

// TestTimeoutsBecomeSettings: a file that sets no timeout gives the engine IPVS's, and one that
// does gives its own.
func TestTimeoutsBecomeSettings(t *testing.T) {
	want := conntrack.DefaultTimeouts()
	if got := EngineSettings(parsePlanned(t, planned)).Timeouts; got != want {
		t.Errorf("timeouts of a file without any: %v, want %v", got, want)
	}
	want.Set(lvs.StateEstablished, 90*time.Second)
	want.Set(lvs.StateSCTPInit1, 1500*time.Millisecond)
	own := planned + "[session.timeouts]\nestablished = \"90s\"\nsctp_init1 = \"1500ms\"\n"
	if got := EngineSettings(parsePlanned(t, own)).Timeouts; got != want {
		t.Errorf("timeouts of a file with two: %v, want %v", got, want)
	}
}

// TestReportAddsUp: what the engine counted keeps the conservation law under its names.
func TestReportAddsUp(t *testing.T) {
	c := exampleConfig(t, "dr")
	e := engine.Report{Ports: make([]engine.PortReport, len(c.Ports))}
	e.Received, e.Originated, e.Transmitted, e.Consumed, e.Held = 10, 2, 5, 3, 1
	e.Drops[engine.DropNoService], e.Drops[engine.DropNoSession] = 2, 1
	e.FromHost, e.ToHost = 6, 6
	e.Host = []engine.HostTotals{{Copied: 8}, {Handed: 2, Limited: 1}, {Handed: 4, Full: 9}}
	r := NewReport(c, e)
	if diff := cmp.Diff(map[string]uint64{"no_service": 2, "no_session": 1}, r.Drops); diff != "" {
		t.Errorf("drops (-want +got):\n%s", diff)
	}
	in := r.Received + r.Originated + r.FromHost
	if out := r.Transmitted + r.Consumed + r.ToHost + r.Held + r.dropped(); in != out {
		t.Errorf("%d packets came in, %d went somewhere", in, out)
	}
	var text strings.Builder
	if err := r.WriteTable(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"received 10 + originated 2 + from host 6 = transmitted 5 + consumed 3 + to host 6 + dropped 3 + held 1",
		"to the host  packets  copies  limited  full", "routing        2       0        1     0",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &text)
		}
	}
}
