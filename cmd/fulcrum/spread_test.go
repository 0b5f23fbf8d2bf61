package main

import (
	"slices"
	"testing"

	"fulcrum/config"
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
