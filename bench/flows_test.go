package bench

import (
	"testing"

	"pgregory.net/rapid"

	"fulcrum/packet"
)

// TestShuffleTakesEachOnce: each flow comes once in a round, for any number of flows.
func TestShuffleTakesEachOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint32Range(1, 5000).Draw(t, "n")
		s, seen := newShuffle(n), make([]bool, n)
		for i := range n {
			flow := s.at(i)
			if flow >= n || seen[flow] {
				t.Fatalf("flow %d at %d of %d", flow, i, n)
			}
			seen[flow] = true
		}
	})
}

// TestShuffleScatters: neighbours in the order are far apart, at varying distances.
func TestShuffleScatters(t *testing.T) {
	const n = 1_000_000
	s, near, steps := newShuffle(n), 0, map[uint32]int{}
	for i := range uint32(10_000) {
		step := s.at(i+1) - s.at(i)
		steps[step]++
		if step+64 < 128 {
			near++
		}
	}
	if near > 50 || len(steps) < 1000 {
		t.Errorf("%d of 10000 flows are close to the one before, at %d different distances",
			near, len(steps))
	}
}

func TestClientsDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flows := rapid.Uint32Range(0, MaxFlows-1)
		a, b := flows.Draw(t, "a"), flows.Draw(t, "b")
		addressA, portA := client(a)
		addressB, portB := client(b)
		if (a == b) != (addressA == addressB && portA == portB) {
			t.Errorf("flows %d and %d: %x:%d and %x:%d", a, b, addressA, portA, addressB, portB)
		}
		if !isClient(addressA) || !clients.Contains(packet.AddrFrom4(addressA)) ||
			portA < firstClientPort {
			t.Errorf("flow %d comes from %v:%d", a, packet.AddrFrom4(addressA), portA)
		}
	})
}

// TestLivesAreInOrder: every flow sends its steps once, in order, far apart.
func TestLivesAreInOrder(t *testing.T) {
	const flows = 400
	s := newSource(Lives, flows)
	if s.spacing != 100 {
		t.Fatalf("steps are %d flows apart", s.spacing)
	}
	last, at := map[uint32]int{}, map[uint32]int{}
	for i := range 4 * 2000 {
		flow, step := s.take()
		want := kinds[Lives].run[last[flow]%4]
		if step != want {
			t.Fatalf("packet %d: flow %d sends %v; want %v", i, flow, step, want)
		}
		if last[flow]%4 > 0 && i-at[flow] < 100 {
			t.Fatalf("packet %d: flow %d sends again after %d packets", i, flow, i-at[flow])
		}
		last[flow]++
		at[flow] = i
	}
	if len(last) != flows {
		t.Errorf("%d flows sent", len(last))
	}
}

func TestNewFlowsComeInTurn(t *testing.T) {
	s := newSource(NewUDP, 3)
	for i := range uint32(10) {
		if flow, _ := s.take(); flow != i%3 {
			t.Errorf("packet %d is of flow %d", i, flow)
		}
	}
}
