package sched_test

import (
	"slices"
	"sync/atomic"
	"testing"

	"fulcrum/sched"
)

// drawnFrom returns how often each of n picks goes where, with no session begun. The seed is fixed.
func drawnFrom(servers []sched.Server, n int) []int {
	rule := sched.Rule{Kind: sched.TWOS, Seed: 7}
	p := publishRule(new(atomic.Pointer[sched.Pool]), rule, servers)
	return tally(p, n, len(servers))
}

// With equal loads the first number decides. The head of the list has one chance more than its
// weight: of 7 chances C has 4, B 2 and A 1.
func TestTwosDrawsByWeight(t *testing.T) {
	const n = 70000
	got, chi := drawnFrom(idle(1, 2, 3), n), 0.0
	for i, chances := range []float64{1, 2, 4} {
		want := n * chances / 7
		chi += (float64(got[i]) - want) * (float64(got[i]) - want) / want
	}
	if chi > 13.8 { // one in a thousand for two degrees of freedom
		t.Errorf("picks %v: chi-square is %.1f", got, chi)
	}
}

// The worse of a pair is never picked: it needs both numbers. With equal weights of 1, A has 1 of 3
// chances and B 2, so that A, idle, gets 5 of 9 picks when B has sessions.
func TestTwosPrefersTheLighterLoad(t *testing.T) {
	const n = 90000
	servers := idle(1, 1)
	servers[1].Load.Begin()
	got := drawnFrom(servers, n)
	want := n * 5.0 / 9
	if chi := (float64(got[0]) - want) * (float64(got[0]) - want) / (want * 4 / 9); chi > 10.8 {
		t.Errorf("the idle one got %d of %d, want about %.0f", got[0], n, want)
	}
}

// A real server with more load for its weight than all others is picked only when both numbers are
// its own, and one alone always.
func TestTwosAmongOverloaded(t *testing.T) {
	servers := idle(5, 5, 5)
	servers[0].Upper, servers[2].Upper = 1, 1
	var at atomic.Pointer[sched.Pool]
	p := publish(&at, sched.TWOS, servers)
	servers[0].Load.Begin()
	servers[2].Load.Begin()
	if got := tally(p, 1000, 3); got[1] != 1000 {
		t.Errorf("picks: %v", got)
	}
	if got := drawnFrom(idle(0, 0), 10); got[0]+got[1] != 0 {
		t.Errorf("picks of drained ones: %v", got)
	}
}

// The same numbers lead to the same real servers with and without thresholds: by a search in the
// sums, and by a walk.
func TestTwosSearchesAndWalksAlike(t *testing.T) {
	plain, limited := idle(3, 0, 1, 7, 0, 2), idle(3, 0, 1, 7, 0, 2)
	for i := range limited {
		limited[i].Upper = 1_000_000
	}
	if got, want := drawnFrom(plain, 5000), drawnFrom(limited, 5000); !slices.Equal(got, want) {
		t.Errorf("searches: %v, walks: %v", got, want)
	}
}
