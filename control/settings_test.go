package control

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fulcrum/config"
	"fulcrum/engine"
)

func exampleConfig(t *testing.T, name string) *config.Config {
	t.Helper()
	c, err := config.Load("../docs/examples/" + name + ".toml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestExamplesBecomeSettings: each example's services, ports and routes arrive at the engine as the file has them.
func TestExamplesBecomeSettings(t *testing.T) {
	for _, name := range config.Modes() {
		t.Run(name, func(t *testing.T) {
			c := exampleConfig(t, name)
			s, err := EngineSettings(c)
			if err != nil {
				t.Fatal(err)
			}
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
	if got.Address != want.Address || got.Mode.String() != want.Mode || got.Scheduler.String() != want.Scheduler {
		t.Errorf("service %v %v %v, the file has %v %v %v", got.Address, got.Mode, got.Scheduler, want.Address, want.Mode, want.Scheduler)
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

// TestReportAddsUp: what the engine counted keeps the conservation law under its names.
func TestReportAddsUp(t *testing.T) {
	c := exampleConfig(t, "dr")
	e := engine.Report{Ports: make([]engine.PortReport, len(c.Ports))}
	e.Received, e.Originated, e.Transmitted, e.Consumed, e.Held = 10, 2, 5, 3, 1
	e.Drops[engine.DropNoService], e.Drops[engine.DropNoSession] = 2, 1
	r := NewReport(c, e)
	if diff := cmp.Diff(map[string]uint64{"no_service": 2, "no_session": 1}, r.Drops); diff != "" {
		t.Errorf("drops (-want +got):\n%s", diff)
	}
	if in, out := r.Received+r.Originated, r.Transmitted+r.Consumed+r.Held+r.dropped(); in != out {
		t.Errorf("%d packets came in, %d went somewhere", in, out)
	}
}
