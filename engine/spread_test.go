package engine

import (
	"testing"

	"fulcrum/modes"
	"fulcrum/ports"
	"fulcrum/sched"
)

// spread starts n sessions, many in a burst, and counts them by destination MAC.
func (b *bed) spread(n int) map[int]int {
	b.Helper()
	s := &b.site
	for i := range n {
		b.deliver(s.front, tcp(clientAt(i), webVIP, "S").frame(s.gateway.mac, s.own(s.front).mac))
	}
	b.turn()
	got := map[int]int{}
	for _, f := range b.ports[s.back].Collect(0) {
		for i, rs := range s.servers {
			if [6]byte(f) == [6]byte(rs.mac) {
				got[i]++
			}
		}
	}
	return got
}

func TestSpreads(t *testing.T) {
	for _, tt := range []struct {
		kind    sched.Kind
		weights [3]int32
		want    [3]int
	}{
		{sched.RR, [3]int32{1, 1, 1}, [3]int{200, 200, 200}},
		{sched.RR, [3]int32{9, 1, 4}, [3]int{200, 200, 200}},
		{sched.RR, [3]int32{1, 0, 1}, [3]int{300, 0, 300}},
		{sched.WRR, [3]int32{3, 2, 1}, [3]int{300, 200, 100}},
		{sched.WRR, [3]int32{10, 20, 30}, [3]int{100, 200, 300}},
		{sched.WRR, [3]int32{5, 0, 1}, [3]int{500, 0, 100}},
		{sched.LC, [3]int32{5, 2, 1}, [3]int{200, 200, 200}},
		{sched.WLC, [3]int32{3, 2, 1}, [3]int{300, 200, 100}},
	} {
		for _, m := range allModes {
			s := twoArm
			v := s.web(m, 3)
			v.Scheduler = tt.kind
			for i, w := range tt.weights {
				v.RealServers[i].Weight = w
			}
			b := newBed(t, s, s.serving(v))
			got := b.spread(600)
			for i, want := range tt.want {
				if got[i] != want {
					t.Errorf("%v %v %v: real server %d got %d of 600, want %d", m, tt.kind,
						tt.weights, i, got[i], want)
				}
			}
		}
	}
}

// Picks within one burst see each other: least connections is exact from packet to packet.
func TestPicksOfABurstSeeEachOther(t *testing.T) {
	s := twoArm
	v := s.web(modes.DR, 2)
	v.Scheduler = sched.LC
	b := newBed(t, s, s.serving(v))
	if got := b.spread(ports.MaxBurst); got[0] != got[1] {
		t.Fatalf("spread %v", got)
	}
}
