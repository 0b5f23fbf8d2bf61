package main

import (
	"strings"
	"testing"

	"fulcrum/control"
)

// reported are services as the director reports them.
var reported = []control.ServiceReport{
	{Name: "web", Address: "10.0.0.100:80", RealServers: []control.RealServerReport{
		{Address: "10.1.0.11:80"}, {Address: "10.1.0.12:80"}, {Address: "10.1.0.12:81"},
	}},
	{Name: "tls", Address: "10.0.0.100:443"},
	{Name: "mail", Address: "[fd00::100]:25", RealServers: []control.RealServerReport{
		{Address: "[fd00:1::11]:25"},
	}},
	{Name: "10.0.0.101", Address: "10.0.0.102:80"},
	{Name: "dns", Address: "10.0.0.101:53"},
}

func TestFindService(t *testing.T) {
	for text, want := range map[string]string{
		"web":              "web",
		"10.0.0.100:443":   "tls",
		"fd00::100":        "mail",
		"[fd00::100]":      "mail",
		"[fd00:0::100]:25": "mail",
		"10.0.0.101":       "10.0.0.101", // a name comes first
		"10.0.0.101:53":    "dns",
		"10.0.0.102":       "10.0.0.101",
		"10.0.0.100":       "10.0.0.100 is the VIP of 2 services: give one of web, tls",
		"10.0.0.100:81":    "no service has the VIP 10.0.0.100:81: fulcrum services lists them",
		"wbe":              `unknown service "wbe": did you mean "web"?`,
		"database":         `unknown service "database": fulcrum services lists them`,
	} {
		s, err := findService(reported, text, "")
		got := s.Name
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestFindServer(t *testing.T) {
	for text, want := range map[string]string{
		"web 10.1.0.11":          "10.1.0.11:80",
		"web 10.1.0.11:80":       "10.1.0.11:80",
		"web 10.1.0.12:81":       "10.1.0.12:81",
		"mail fd00:1::11":        "[fd00:1::11]:25",
		"mail [fd00:1::11]":      "[fd00:1::11]:25",
		"mail [fd00:1:0::11]:25": "[fd00:1::11]:25",
		"web 10.1.0.12":          `10.1.0.12 is the address of 2 real servers of service "web": give one of 10.1.0.12:80, 10.1.0.12:81`,
		"web 10.1.0.13:80":       `unknown real server "10.1.0.13:80" of service "web": it has 10.1.0.11:80, 10.1.0.12:80, 10.1.0.12:81`,
		"web rs1":                `unknown real server "rs1" of service "web": it has 10.1.0.11:80, 10.1.0.12:80, 10.1.0.12:81`,
		"tls 10.1.0.11":          `unknown real server "10.1.0.11" of service "tls": it has none`,
	} {
		service, server, _ := strings.Cut(text, " ")
		s, err := findService(reported, service, server)
		if err != nil {
			t.Fatal(err)
		}
		got, err := findServer(&s, server)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestFindServiceByItsServer: of the services of a VIP, the one with the real server is meant.
func TestFindServiceByItsServer(t *testing.T) {
	all := []control.ServiceReport{
		{Name: "web", Address: "10.0.0.100:80", RealServers: []control.RealServerReport{
			{Address: "10.1.0.11:80"}, {Address: "10.1.0.12:80"},
		}},
		{Name: "tls", Address: "10.0.0.100:443", RealServers: []control.RealServerReport{
			{Address: "10.1.0.11:443"}, {Address: "10.1.0.13:443"}, {Address: "10.1.0.13:444"},
		}},
		{Name: "dns", Address: "10.0.0.100:53", RealServers: []control.RealServerReport{
			{Address: "10.1.0.11:53"},
		}},
	}
	for text, want := range map[string]string{
		"10.0.0.100 10.1.0.12":     "web",
		"10.0.0.100 10.1.0.11:443": "tls",
		"10.0.0.100 10.1.0.13":     "tls",
		"10.0.0.100:443 10.1.0.11": "tls",
		"dns 10.1.0.12":            "dns",
		"10.0.0.100 10.1.0.11":     "10.0.0.100 is the VIP of 3 services: give one of web, tls, dns",
		"10.0.0.100 10.1.0.14":     "10.0.0.100 is the VIP of 3 services: give one of web, tls, dns",
		"10.0.0.100 rs1":           "10.0.0.100 is the VIP of 3 services: give one of web, tls, dns",
		"10.0.0.101 10.1.0.11":     "no service has the VIP 10.0.0.101: fulcrum services lists them",
	} {
		service, server, _ := strings.Cut(text, " ")
		s, err := findService(all, service, server)
		got := s.Name
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestNamesAtADirector changes weights by what identifies a real server, as long as that is unique.
func TestNamesAtADirector(t *testing.T) {
	needRoot(t)
	file, socket := withControl(t)
	newProgram(t, "run", file).start().awaitReady()
	t.Setenv(socketVariable, socket)
	for _, tt := range []struct {
		status    int
		arguments string
		want      string
	}{
		{0, "weight web 10.0.0.11:80 3", "weight 1 -> 3"},
		{0, "weight web 10.0.0.11 4", "weight 3 -> 4"},
		{0, "weight 10.0.0.100 10.0.0.11 5", "weight 4 -> 5"},
		{0, "weight 10.0.0.100:80 10.0.0.11:80 6", "weight 5 -> 6"},
		{1, "weight wbe 10.0.0.11:80 7", `unknown service "wbe": did you mean "web"?`},
		{1, "weight wbe 10.0.0.11 7", `unknown service "wbe": did you mean "web"?`},
		{1, "weight web 10.0.0.12:80 7", "it has 10.0.0.11:80"},
		{1, "drain wbe 10.0.0.11", `unknown service "wbe": did you mean "web"?`},
		{1, "announce off wbe", `unknown service "wbe": did you mean "web"?`},
		{0, "announce off 10.0.0.100", "is passive (web)"},
		{0, "drain 10.0.0.100 10.0.0.11 --detach --force", "10.0.0.11:80 of web"},
		{0, "drops", "no packet was dropped\n"},
		{0, "ipvsadm -Ln", "10.0.0.100:80"},
	} {
		stdout, stderr := ask(t, tt.status, strings.Fields(tt.arguments)...)
		if !strings.Contains(stdout+stderr, tt.want) {
			t.Errorf("%s: %s%s, want %q", tt.arguments, stdout, stderr, tt.want)
		}
	}
}
