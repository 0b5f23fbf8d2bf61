package main

import (
	"fmt"
	"strings"
	"testing"

	"fulcrum/api"
	"fulcrum/control"
)

// TestStatusShowsLocals: local addresses that run out of ports, and retired ones. Without any there
// is no line, and there are at most ten of each.
func TestStatusShowsLocals(t *testing.T) {
	var text strings.Builder
	showLocals(&text, &api.Status{})
	if text.Len() != 0 {
		t.Errorf("shown without any: %s", text.String())
	}
	s := api.Status{
		CrowdedLocals: []control.CrowdedLocal{{
			Service: "web", RealServer: "10.1.0.11:80",
			LocalUse: control.LocalUse{Address: "10.1.0.50", Used: 60000, Left: 4512, UsedPercent: 93.005},
		}},
		RetiredLocals: []control.LocalAddressReport{{Address: "10.1.0.51", Sessions: 1, Retired: true}},
	}
	for i := range 11 {
		a := fmt.Sprintf("10.1.1.%d", i)
		s.RetiredLocals = append(s.RetiredLocals, control.LocalAddressReport{Address: a, Sessions: 40})
	}
	showLocals(&text, &s)
	for _, want := range []string{
		"local ports\t10.1.0.50 towards 10.1.0.11:80 of web: 93 % used, 4512 left\n",
		"retired\t10.1.0.51, until its 1 session ends\n",
		"retired\t10.1.1.8, until its 40 sessions end\nretired\tand 2 more\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

// TestServicesShowLocalPorts: a line for each real server with local addresses, no other has one.
func TestServicesShowLocalPorts(t *testing.T) {
	var text strings.Builder
	showServices(&text, []control.ServiceReport{{Name: "web", RealServers: []control.RealServerReport{
		{Address: "10.1.0.11:80", LocalPorts: []control.LocalUse{
			{Address: "10.1.0.50", Left: 64000, UsedPercent: 0.8}, {Address: "10.1.0.51", Left: 512, UsedPercent: 99.2},
		}},
		{Address: "10.1.0.12:80"},
	}}})
	if want := "64512 local ports left; 10.1.0.51 is 99 % used\n"; !strings.Contains(text.String(), want) ||
		strings.Count(text.String(), "local ports") != 1 {
		t.Errorf("shown:\n%s", text.String())
	}
}
