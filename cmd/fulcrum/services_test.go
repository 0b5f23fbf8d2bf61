package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"fulcrum/control"
)

// busy are services with figures.
func busy() []control.ServiceReport {
	return []control.ServiceReport{
		{Name: "web1", Address: "10.0.0.100:80", Traffic: control.Traffic{Connections: 5, InBytes: 1}, RealServers: []control.RealServerReport{
			{Address: "10.1.0.11:80", Weight: 1, Active: 2, Inactive: 9}, {Address: "10.1.0.12:80", Active: 2},
		}},
		{Name: "web2", Address: "10.0.0.100:81", Traffic: control.Traffic{Connections: 7, OutBytes: 5}, RealServers: []control.RealServerReport{
			{Address: "10.1.0.11:81", Weight: 2, Active: 3},
		}},
		{Name: "dns", Address: "[fd00::100]:53", Traffic: control.Traffic{Connections: 7}},
	}
}

func namesOf(all []control.ServiceReport) (names []string) {
	for _, s := range all {
		names = append(names, s.Name)
	}
	return names
}

func TestChosenServices(t *testing.T) {
	for names, want := range map[string]string{
		"":                  "web1 web2 dns",
		"dns web1":          "web1 dns", // in the file's order
		"web*":              "web1 web2",
		"10.0.0.100":        "web1 web2",
		"10.0.0.100:81":     "web2",
		"fd00::100 dns d?s": "dns",
		"wbe1":              `unknown service "wbe1": did you mean "web1"?`,
		"web1 10.0.0.1":     "no service has the VIP 10.0.0.1: fulcrum services lists them",
		"web[":              `unknown service "web[": did you mean "web1"?`,
	} {
		all, err := chosenServices(busy(), strings.Fields(names))
		got := strings.Join(namesOf(all), " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", names, got, want)
		}
	}
}

func TestServiceOrders(t *testing.T) {
	want := map[string]string{
		"file": "web1 web2 dns", "name": "dns web1 web2", "active": "web1 web2 dns",
		"inactive": "web1 web2 dns", "connections": "web2 dns web1", "bytes": "web2 web1 dns",
	}
	for _, o := range serviceOrders {
		if got := strings.Join(namesOf(ordered(busy(), o.compare)), " "); got != want[o.name] {
			t.Errorf("by %s: %s, want %s", o.name, got, want[o.name])
		}
	}
}

// TestSummary: the totals are the sums of the services', which are those of the real servers.
func TestSummary(t *testing.T) {
	sum := summarise(busy())
	if sum.RealServers != 3 || sum.Drained != 1 || sum.Active != 7 || sum.Inactive != 9 ||
		sum.Connections != 19 || sum.InBytes != 1 || sum.OutBytes != 5 || len(sum.Services) != 3 {
		t.Errorf("%+v", sum)
	}
	var text strings.Builder
	showSummary(&text, sum)
	lines := strings.Split(text.String(), "\n")
	want := []string{
		"3 services, 3 real servers, 1 of weight 0",
		"sessions: 7 active, 9 inactive; connections: 19; bytes: 1 in, 5 out",
	}
	if !slices.Equal(lines[:2], want) || !strings.HasPrefix(lines[4], "web1\t") || len(lines) != 8 {
		t.Errorf("%q", lines)
	}
}

// TestServicesOfADirector asks for a part of the services, in both formats.
func TestServicesOfADirector(t *testing.T) {
	needRoot(t)
	file, socket := withControl(t)
	newProgram(t, "run", file).start().awaitReady()
	t.Setenv(socketVariable, socket)
	said, _ := ask(t, 0, "services")
	if !strings.HasPrefix(said, "1 service, 1 real server, 0 of weight 0\n") ||
		!strings.Contains(said, "\nSERVICE ") || !strings.Contains(said, "-> 10.0.0.11:80") {
		t.Errorf("it says\n%s", said)
	}
	if said, _ = ask(t, 0, "services", "w*", "--summary"); strings.Contains(said, "->") {
		t.Errorf("a summary has real servers:\n%s", said)
	}
	said, _ = ask(t, 0, "services", "10.0.0.100", "--summary", "--sort", "active", "-o", "json")
	var sum summary
	if err := json.Unmarshal([]byte(said), &sum); err != nil || len(sum.Services) != 1 ||
		sum.Services[0].Name != "web" || sum.RealServers != 1 {
		t.Errorf("%v:\n%s", err, said)
	}
	if _, said = ask(t, 2, "services", "--sort", "size"); !strings.Contains(said,
		`invalid --sort "size": use one of file, name, active, inactive, connections, bytes`) {
		t.Errorf("it says %s", said)
	}
	if _, said = ask(t, 1, "services", "wbe"); !strings.Contains(said, `did you mean "web"?`) {
		t.Errorf("it says %s", said)
	}
}

// TestServicesShowOwnModes: a real server has a mode in the table if it is not the service's.
func TestServicesShowOwnModes(t *testing.T) {
	all := busy()
	all[0].Mode = "nat"
	all[0].RealServers[0].Mode, all[0].RealServers[1].Mode = "nat", "dr"
	var text strings.Builder
	showServices(&text, all)
	for _, want := range []string{"\t\t-> 10.1.0.11:80\t\t\t1\t", "\t\t-> 10.1.0.12:80\tdr\t\t0\t"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q lacks %q", text.String(), want)
		}
	}
}
