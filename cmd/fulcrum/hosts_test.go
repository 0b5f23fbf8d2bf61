package main

import (
	"bytes"
	"testing"

	"fulcrum/api"
	"fulcrum/control"
)

// TestShowHosts: what status, plan and config show say of host interfaces. One that exists and is
// not followed has a line of its own in status, with its frames.
func TestShowHosts(t *testing.T) {
	var out bytes.Buffer
	showHosts(&out, []control.HostReport{
		{Port: "front", Interface: "ful-front", Exists: true, Follow: true, Addresses: []string{"10.0.0.7/24"},
			Routes: []string{"10.8.0.0/16 via 10.0.0.254"}, RefusedCount: 3,
			Refused: []string{`address 10.0.0.100/32: it is the VIP of service "web"`}, ECMP: 1, Excess: 2},
		{Port: "back", Interface: "ful-back", Exists: true},
		{Port: "third", Interface: "ful-third", Follow: true},
	})
	want := "port front\thost interface ful-front: followed: 1 address, 1 route, 0 neighbours; 3 refused; " +
		"1 route by the first of several gateways; 2 too many, left out\n" +
		"\tnot followed: address 10.0.0.100/32: it is the VIP of service \"web\"\n\tand 2 more\n" +
		"port third\thost interface ful-third: the interface does not exist\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if got := hostComment([]string{"a", "b"}); got != "\n# a\n# b\n" {
		t.Errorf("comment %q", got)
	}
	if got := hostComment(nil); got != "" {
		t.Errorf("comment %q", got)
	}
	s := api.Status{OwnedVIPs: 2, HeldVIPs: 1}
	if got := heldVIPs(&s); got != "; the host holds 1 of its 2" {
		t.Errorf("VIPs %q", got)
	}
	out.Reset()
	showPlan(&out, control.Plan{Host: []string{"port front has 1 address from ful-front"}})
	if want := "nothing changes\nport front has 1 address from ful-front\n"; out.String() != want {
		t.Errorf("plan %q", out.String())
	}
}
