package sched

import "testing"

func TestDrained(t *testing.T) {
	loads := make([]Load, 4)
	servers := []Server{
		{Weight: 1, Load: &loads[0]}, {Weight: 0, Load: &loads[1]}, {Weight: 5, Load: &loads[2]},
	}
	p := NewPool(Rule{Kind: RR}, servers, nil)
	for i, want := range []bool{false, true, false, false} { // the last is none of the pool's
		if got := p.Drained(&loads[i]); got != want {
			t.Errorf("real server %d: %v, want %v", i, got, want)
		}
	}
	if NewPool(Rule{Kind: RR}, servers[2:], nil).Drained(&loads[1]) {
		t.Error("a real server that is not in the pool is drained")
	}
}
