package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// TestPartialChecksums sends real TCP and UDP over veth pairs whose hosts leave checksums to a
// network card, as they do by default in containers, through every mode and both families.
func TestPartialChecksums(t *testing.T) {
	configs := []lab.Config{{Mode: lvs.FullNAT, Family: lab.IPv6To4}}
	for _, mode := range lab.Modes() {
		configs = append(configs, lab.Config{Mode: mode, Arms: 1}, lab.Config{Mode: mode, Workers: 2},
			lab.Config{Mode: mode, Family: lab.IPv6})
	}
	for _, c := range configs {
		c.Offloads = lab.ChecksumOffloads
		t.Run(fmt.Sprintf("%s/%s/%d-arm/%d", c.Mode, c.Family, c.Arms, c.Workers), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, c)
			same(t, "TCP answers", len(b.get(24)), 24)
			same(t, "UDP answers", len(b.echo(24)), 24)
			b.transfer()
			r := b.stopDirector()
			if n := r.Ports[0].PartialChecksums; n < 24*6 {
				t.Errorf("%d checksums were completed, want some for each connection", n)
			}
			same(t, "oversized packets", r.Ports[0].Oversized, 0)
			delete(r.Drops, "too_big") // until hosts have learnt their MTU
			same(t, "drops", r.Drops, map[string]uint64{})
		})
	}
}

// TestOversizedSegments: hosts that leave segments to a network card are found out by the log,
// status and explain.
func TestOversizedSegments(t *testing.T) {
	b := newBed(t, lab.Config{Mode: lvs.NAT, Offloads: lab.AllOffloads})
	same(t, "answers to small requests", len(b.get(6)), 6)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	client := b.client(lab.ClientConfig{})
	go func() { defer close(ended); _, _ = client.Upload(ctx, transfer) }()
	defer func() { cancel(); <-ended }()
	const line = "ethtool -K DEV tx off tso off gso off"
	eventually(t, "a line in the log", func() bool { return strings.Contains(b.Log("director"), line) })
	for _, command := range [][]string{
		{"status"}, {"explain", "tcp", "192.168.5.9:4000", b.VIP().String() + ":80"},
	} {
		got, _ := ask(t, 0, append(command, "--socket", b.ControlSocket())...)
		if !strings.Contains(got, line) {
			t.Errorf("fulcrum %v prints %s", command, got)
		}
	}
}
