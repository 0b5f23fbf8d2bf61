package engine

import "testing"

// TestIdler: a worker sleeps only after many turns without a packet, never with packets to send,
// and never if busy is set.
func TestIdler(t *testing.T) {
	var i idler
	for n := range spins - 1 {
		if i.turn(false, false) {
			t.Fatalf("it slept after %d turns without a packet", n+1)
		}
	}
	if !i.turn(false, false) {
		t.Error("it polls on for ever")
	}
	if i.turn(false, true) {
		t.Error("it slept with a packet to send")
	}
	if !i.turn(false, false) {
		t.Error("what it had to send made it forget how long nothing had come")
	}
	if i.turn(true, false) || i.turn(false, false) {
		t.Error("it slept after a packet")
	}
	busy := idler{busy: true}
	for range 2 * spins {
		if busy.turn(false, false) {
			t.Fatal("it slept although it is to be busy")
		}
	}
}
