package neighbour

import (
	"testing"

	"fulcrum/packet"
)

// takeHints gives a table n hints about strangers.
func (w *world) takeHints(n uint32, proven bool) {
	for i := range n {
		hint := Hint{packet.AddrOf4(0x0a010000 + i), 0, packet.MAC{2, 0, 0, 1}, proven}
		w.table.TakeHint(&hint, w.now)
	}
}

// TestHintsAreBounded: they have the standing that their entries had, and no more places.
func TestHintsAreBounded(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/8")
	w.takeHints(MaxEntries+1000, false)
	if w.check(); w.table.Len() != limits[unproven] {
		t.Errorf("%d unproven hints, want %d", w.table.Len(), limits[unproven])
	}
	w = newWorld(t, 0, "10.0.0.1/8")
	w.takeHints(MaxEntries+1000, true)
	if w.check(); w.table.Len() != MaxEntries {
		t.Errorf("%d hints, want %d", w.table.Len(), MaxEntries)
	}
}

// TestUnusedHintsGiveWay: in a table full of hints a stranger takes the place of one that was not
// used, and of no other.
func TestUnusedHintsGiveWay(t *testing.T) {
	w := newWorld(t, 0, "10.0.0.1/8")
	w.takeHints(MaxEntries, true)
	for i := range uint32(10) {
		h, _ := w.table.Lookup(packet.AddrOf4(0x0a010000+i), 0)
		w.table.At(h).Used = true
	}
	found := 0
	for range 11 { // those in use are passed over, one by one
		if _, ok := w.table.Find(packet.AddrOf4(0x0b000000), 0, w.now); ok {
			found++
		}
	}
	if w.check(); found != 1 || !w.knows(9) || w.knows(10) {
		t.Errorf("found %d times; a used one is known: %t, an unused one: %t", found, w.knows(9),
			w.knows(10))
	}
}
