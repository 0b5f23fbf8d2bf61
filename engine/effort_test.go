package engine

import (
	"testing"
	"time"

	"fulcrum/modes"
)

// TestEffort: the time of turns that bring packets is busy, that of others is not, and every turn counts.
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

// effort is the only worker's part of the report, up to now.
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
