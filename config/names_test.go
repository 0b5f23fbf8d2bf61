package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"fulcrum/lvs"
)

// TestNamesFromElsewhere checks that names from outside a file follow the rules of a file.
func TestNamesFromElsewhere(t *testing.T) {
	if m, err := ParseMode("fullnat"); err != nil || m != lvs.FullNAT {
		t.Errorf("%v, %v", m, err)
	}
	if p, err := ParseProtocol("sctp"); err != nil || p != lvs.SCTP {
		t.Errorf("%v, %v", p, err)
	}
	for name, want := range map[string]lvs.Scheduler{"rr": lvs.RR, "": lvs.WLC} {
		if s, err := ParseScheduler(name); err != nil || s != want {
			t.Errorf("%q: %v, %v", name, s, err)
		}
	}
	_, mode := ParseMode("snat")
	_, protocol := ParseProtocol("")
	_, unknown := ParseScheduler("best")
	_, flags := ParseSchedulerFlags(lvs.MH, []string{"mh-port", "sh-port"})
	for _, tt := range []struct {
		err  error
		want string
	}{
		{mode, `request:1: service.mode: unknown mode "snat"; use one of dr, nat, fullnat, ipip`},
		{protocol, `request:1: service.protocol: unknown protocol ""; use one of tcp, udp, sctp`},
		{unknown, `request:1: service.scheduler: unknown scheduler "best"; use one of rr, wrr, lc, wlc, sed, nq, sh, dh, mh, fo, ovf, twos, lblc, lblcr`},
		{flags, `request:1: service.scheduler_flags: "sh-port" is a flag of the scheduler sh, not of mh; use mh-fallback, mh-port`},
	} {
		var problems Problems
		if !errors.As(tt.err, &problems) || tt.err.Error() != tt.want {
			t.Errorf("%v, want %s", tt.err, tt.want)
		}
	}
}

// TestMostServers: mh has room for as many real servers as its table has slots.
func TestMostServers(t *testing.T) {
	of := func(n int) string {
		var text strings.Builder
		text.WriteString(readFile(t, "testdata/base/ports.toml") + "[[service]]\nname = \"s\"\n" +
			"address = \"10.0.0.100:80\"\nprotocol = \"tcp\"\nmode = \"nat\"\nscheduler = \"mh\"\n")
		for i := range n {
			fmt.Fprintf(&text, "[[service.real_server]]\naddress = \"10.1.0.11:%d\"\n", 1024+i)
		}
		return verdict(parse("f", text.String(), onCPUs(0, 1)))
	}
	if got := of(lvs.MaglevSlots); got != "ok\n" {
		t.Errorf("as many as fit: %s", got)
	}
	want := "service.scheduler: mh has room for 4093 real servers, and this service has 4094; " +
		"use another scheduler, or divide the service\n"
	if got := of(lvs.MaglevSlots + 1); !strings.HasSuffix(got, want) {
		t.Errorf("one more: %s, want %s", got, want)
	}
}
