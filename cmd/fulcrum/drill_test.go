package main

import (
	"io"
	"strings"
	"testing"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// A director that is killed, or replaced, costs no established connection and no new one. How long
// it was dark is for the machine to say: a busy one may miss that aim.
func TestDrill(t *testing.T) {
	needRoot(t)
	needTime(t)
	for _, kind := range []lab.DrillKind{lab.DrillRestart, lab.DrillKill, lab.DrillUpgrade} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := lab.Drill{
				Lab:  lab.Config{Mode: lvs.FullNAT, Scheduler: lvs.RR, Binary: ownBinary(t)},
				Kind: kind, Connections: 5,
			}
			r := d.Run(t.Context(), io.Discard)
			if r.TCP.Sent != 5 || r.UDP.Sent != 5 || r.New.Sent == 0 || r.Dark == 0 || r.Slowest == 0 {
				t.Errorf("%+v\n%s", r, r.DirectorLog)
			}
			if !r.Green() {
				t.Errorf("lost: %v\n%s", r.Failures, r.DirectorLog)
			}
			var table strings.Builder
			lab.WriteDrillTable(&table, []lab.DrillResult{r})
			if !strings.Contains(table.String(), "0 of 5") {
				t.Error(table.String())
			}
		})
	}
}

// What a drill cannot do is said.
func TestDrillUsage(t *testing.T) {
	for want, arguments := range map[string][]string{
		"invalid --connections 0":              {"--connections", "0"},
		"unknown mode \"masq\": choose one of": {"--mode", "masq"},
		"invalid number of workers 9":          {"--workers", "9"},
	} {
		all := append([]string{"drill", "kill"}, arguments...)
		if _, said := ask(t, 2, all...); !strings.Contains(said, want) {
			t.Errorf("%v: %s", arguments, said)
		}
	}
}
