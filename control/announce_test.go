package control

import (
	"context"
	"testing"

	"fulcrum/config"
)

// announcing returns the VIPs' services with whether each is announced.
func announcing(r *Running) map[string]bool {
	all := map[string]bool{}
	for _, s := range r.Report().Services {
		all[s.Name] = s.Announced
	}
	return all
}

// TestAnnounce: for one service it holds whatever the director says. For all, off silences every
// service, and on reaches all that do not say false.
func TestAnnounce(t *testing.T) {
	c := parsePlanned(t, planned+`
[[service]]
name = "other"
address = "10.0.0.101:80"
protocol = "tcp"
mode = "nat"
announce = false
`)
	r := newTestRunning(t, c)
	first := c.Services[0].Name
	do := func(n AnnounceRequest) {
		t.Helper()
		if _, err := r.Announce(context.Background(), n); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(firstOne, other bool) {
		t.Helper()
		if got := announcing(r); got[first] != firstOne || got["other"] != other {
			t.Errorf("announced: %v", got)
		}
	}
	expect(true, false)
	do(AnnounceRequest{false, ""})
	expect(false, false)
	do(AnnounceRequest{true, "other"})
	expect(false, true)
	do(AnnounceRequest{false, ""})
	expect(false, false)
	do(AnnounceRequest{true, ""})
	expect(true, true) // off has cleared its true
	do(AnnounceRequest{false, "other"})
	do(AnnounceRequest{true, ""})
	expect(true, false)
	for range 2 {
		if _, err := r.Rollback(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	expect(false, false)
	if s, err := r.Service("other"); err != nil || s.Announce != config.AsDirector {
		t.Errorf("%v, %v", s.Announce, err)
	}
	if all, passive := r.Report().VIPs(); all != 2 || passive != 2 {
		t.Errorf("%d VIPs, %d passive", all, passive)
	}
}
