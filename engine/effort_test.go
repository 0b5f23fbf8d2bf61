package engine

import (
	"testing"
	"time"

	"fulcrum/modes"
)

// TestEffort: only turns that bring packets count as busy time, and every turn is counted.
func TestEffort(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 1)))
	before := b.effort()
	b.deliver(s.front, s.in(tcp(client, webVIP, "S")).frame(s.gateway.mac, s.own(s.front).mac))
	b.turnAll()
	b.now += 30
	b.turnAll()
	b.now += 500
	b.turnAll()
	after := b.effort()
	if busy := after.Busy - before.Busy; busy != 30*time.Millisecond {
		t.Errorf("busy for %v, want 30ms", busy)
	}
	if turns := after.Turns - before.Turns; turns < 3 {
		t.Errorf("%d turns, want 3 or more", turns)
	}
}

// effort returns the only worker's report, up to now.
func (b *bed) effort() WorkerReport {
	b.now += publishInterval
	b.turn()
	return b.engine.Report().Workers[0]
}

// TestNeighbourFailuresAreCounted: the gateway and the real server are given up once each.
func TestNeighbourFailuresAreCounted(t *testing.T) {
	b, _ := newResolvingBed(t)
	b.wait(3100)
	if n := b.effort().NeighbourFailures; n != 2 {
		t.Errorf("%d failures, want 2", n)
	}
}
