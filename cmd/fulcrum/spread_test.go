package main

import (
	"slices"
	"testing"

	"fulcrum/config"
	"fulcrum/lvs"
	"fulcrum/ports"
)

func TestPortSpreads(t *testing.T) {
	for name, want := range map[string][]ports.Spread{
		"nat":     {ports.SpreadSource, ports.SpreadDestination},
		"fullnat": {ports.SpreadFlow, ports.SpreadFlow},
		"dr":      {ports.SpreadFlow},
	} {
		c, err := config.Load("../../docs/examples/" + name + ".toml")
		if err != nil {
			t.Fatal(err)
		}
		if got := portSpreads(c); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// TestOneArmSpreadsByFlow: clients and real servers of mode nat are behind one port.
func TestOneArmSpreadsByFlow(t *testing.T) {
	c, err := config.Load("../../docs/examples/nat.toml")
	if err != nil {
		t.Fatal(err)
	}
	c.Ports = c.Ports[1:]
	if got := portSpreads(c); !slices.Equal(got, []ports.Spread{ports.SpreadFlow}) {
		t.Errorf("%v", got)
	}
}

// TestOwnModesSpread: a real server's own mode counts, not its service's.
func TestOwnModesSpread(t *testing.T) {
	c, err := config.Load("../../docs/examples/nat.toml")
	if err != nil {
		t.Fatal(err)
	}
	byEnd := []ports.Spread{ports.SpreadSource, ports.SpreadDestination}
	byFlow := []ports.Spread{ports.SpreadFlow, ports.SpreadFlow}
	for i := range c.Services {
		s := &c.Services[i]
		s.Mode = lvs.IPIP
		for j := range s.RealServers {
			s.RealServers[j].Mode = lvs.AsService
		}
	}
	if got := portSpreads(c); !slices.Equal(got, byFlow) {
		t.Errorf("%v, want %v", got, byFlow)
	}
	c.Services[0].RealServers[0].Mode = lvs.Own(lvs.NAT)
	if got := portSpreads(c); !slices.Equal(got, byEnd) {
		t.Errorf("with one nat real server: %v, want %v", got, byEnd)
	}
}
