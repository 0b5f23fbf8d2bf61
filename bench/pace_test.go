package bench

import (
	"testing"

	"fulcrum/ports"
)

// TestPace: the rate is kept to the packet, even with irregular turns.
func TestPace(t *testing.T) {
	p, sent := newPace(10e6), 0
	for now := int64(0); now <= 1_000_000; now += 50 + now%777 {
		sent += p.take(now, ports.MaxBurst)
	}
	sent += p.take(1_000_000, ports.MaxBurst)
	if sent != 10_000 || p.missed != 0 {
		t.Errorf("%d packets in a millisecond at 10 Mpps, %d missed", sent, p.missed)
	}
}

// TestLateness: after a long pause the generator catches up only a little, and counts the rest.
func TestLateness(t *testing.T) {
	p, sent := newPace(1e6), 0
	for range 100 {
		sent += p.take(10_000_000, ports.MaxBurst)
	}
	if want := 50 + ports.MaxBurst; sent != want || p.missed != uint64(10_000-want) {
		t.Errorf("%d sent, %d missed", sent, p.missed)
	}
}

func TestNoPace(t *testing.T) {
	p := newPace(0)
	if n := p.take(0, 17); n != 17 {
		t.Errorf("%d of 17 packets are due", n)
	}
}
