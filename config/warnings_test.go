package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestWarnings: services of one VIP that differ in whether they want it announced.
func TestWarnings(t *testing.T) {
	for name, tt := range map[string]struct {
		director string // value of director.announce
		services string // "VIP=announce", where announce may be missing
		want     []string
	}{
		"all the same":        {"true", "1 1 1=true 2=false 2=false", nil},
		"one differs":         {"true", "1 1=false 2", []string{"VIP 10.0.0.101 is announced because of service s0, although service s1 should not be"}},
		"one is an exception": {"false", "1 2=true 2", []string{"VIP 10.0.0.102 is announced because of service s1, although service s2 should not be"}},
		"many differ": {"true", "3 3=false 3=false 3=false 3=false 3=false 3=true",
			[]string{"VIP 10.0.0.103 is announced because of services s0, s6, although services s1, s2, s3, s4 and 1 more should not be"}},
	} {
		var text strings.Builder
		text.WriteString(readFile(t, "testdata/base/ports.toml"))
		fmt.Fprintf(&text, "[director]\nannounce = %s\n", tt.director)
		for i, s := range strings.Fields(tt.services) {
			vip, announce, given := strings.Cut(s, "=")
			fmt.Fprintf(&text, "[[service]]\nname = \"s%d\"\naddress = \"10.0.0.10%s:%d\"\n"+
				"protocol = \"tcp\"\nmode = \"nat\"\n", i, vip, 80+i)
			if given {
				fmt.Fprintf(&text, "announce = %s\n", announce)
			}
		}
		if got := mustParse(t, text.String()).warnings([]int{0, 1}); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestWarnsOfAGroupThatMayNotConnect: the mode that is left out is 0600.
func TestWarnsOfAGroupThatMayNotConnect(t *testing.T) {
	ports := readFile(t, "testdata/base/ports.toml")
	for director, want := range map[string]int{
		`control_group = "root"`:                            1,
		"control_group = \"root\"\ncontrol_mode = \"0600\"": 1,
		"control_group = \"root\"\ncontrol_mode = \"0660\"": 0,
		`control_mode = "0660"`:                             0,
	} {
		got := mustParse(t, "[director]\n"+director+"\n"+ports).warnings([]int{0, 1})
		if len(got) != want {
			t.Errorf("%s: %q, want %d", director, got, want)
		}
	}
}

// TestSchedulersByVIP: all sessions to one VIP go to one real server.
func TestSchedulersByVIP(t *testing.T) {
	for scheduler, warns := range map[string]bool{"dh": true, "lblc": true, "lblcr": true, "mh": false} {
		text := readFile(t, "testdata/base/ports.toml") + "[[service]]\nname = \"s\"\n" +
			"address = \"10.0.0.100:80\"\nprotocol = \"tcp\"\nmode = \"nat\"\nscheduler = \"" +
			scheduler + "\"\n"
		for _, server := range []string{"11", "12"} {
			if got := mustParse(t, text).warnings([]int{0, 1}); len(got) > 0 {
				t.Errorf("%s with one real server: %q", scheduler, got)
			}
			text += "[[service.real_server]]\naddress = \"10.1.0." + server + ":80\"\n"
		}
		want := []string(nil)
		if warns {
			want = []string{"service s: " + scheduler + " chooses by VIP, and the service has one: " +
				"its sessions go to one of its 2 real servers"}
		}
		if got := mustParse(t, text).warnings([]int{0, 1}); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", scheduler, got, want)
		}
	}
}

// TestWarningsOfTheMachine: a PCI address without its domain, and CPUs of other processes.
func TestWarningsOfTheMachine(t *testing.T) {
	text := "[director]\nworkers = [0, 1, 0]\n[[port]]\nname = \"front\"\n" +
		"device = \"3B:00.1,x=1\"\naddresses = [\"10.0.0.1/24\"]\n"
	want := []string{
		"director.workers: this process may run on CPUs 1-3,5, and not on 0: the director must be " +
			"started with more (CPUAffinity= of systemd, taskset)",
		`port front: device "3B:00.1" is read as "0000:3b:00.1": write the domain too`,
	}
	if got := mustParse(t, text).warnings([]int{1, 2, 3, 5}); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
