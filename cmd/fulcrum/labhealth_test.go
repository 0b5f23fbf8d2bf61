package main

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// A real server that is killed is noticed, its clients go to others, and it comes back.
func TestLabHealth(t *testing.T) {
	needRoot(t)
	needTime(t)
	trial := lab.HealthTrial{
		Lab:     lab.Config{Mode: lvs.NAT, Scheduler: lvs.RR, Binary: ownBinary(t)},
		Variant: lab.HealthVariants()[0], Events: lab.Events()[:1], Rate: 100, Patience: 5 * time.Second,
	}
	r := trial.Run(t.Context(), io.Discard)
	if !r.Green() || len(r.Rows) != 1 {
		t.Fatalf("%d rows, %v\n%s", len(r.Rows), r.Failures, r.DirectorLog)
	}
	row := r.Rows[0]
	if row.Noticed == 0 || row.Until.Sent == 0 || row.Until.OK == row.Until.Sent || row.After.Sent == 0 ||
		row.Return.Sent == 0 {
		t.Errorf("%+v", row)
	}
}

// Ctrl-C while a real server is stopped by a signal removes the lab.
func TestLabHealthInterrupted(t *testing.T) {
	needRoot(t)
	needTime(t)
	p := newProgram(t, "lab", "--health", "--mode", "fullnat", "--servers", "2").start()
	eventually(t, "the first event", func() bool {
		if p.gone() {
			t.Fatalf("the lab ended: %s%s", p.stdout.String(), p.stderr.String())
		}
		return strings.Contains(p.stdout.String(), "  killed ")
	})
	p.signal(syscall.SIGINT)
	if status := p.end(); status != 1 || p.lastLine() != "fulcrum: the lab was interrupted" {
		t.Errorf("exit status %d, stderr %q", status, p.stderr.String())
	}
	p.checkNoLab()
}

// What does not go with --health is said.
func TestLabHealthUsage(t *testing.T) {
	for want, arguments := range map[string][]string{
		"--keep does not go with --health":     {"--keep"},
		"--health needs --servers 2 or more":   {"--servers", "1"},
		"--health does not go with --config":   {"--config", "file"},
		"unknown mode \"masq\": choose one of": {"--mode", "masq"},
	} {
		if _, said := ask(t, 2, append([]string{"lab", "--health"}, arguments...)...); !strings.Contains(said, want) {
			t.Errorf("%v: %s", arguments, said)
		}
	}
}
