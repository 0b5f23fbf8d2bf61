package bench

import (
	"reflect"
	"testing"

	"fulcrum/packet"
)

// TestSymbols: every address of a function has its name, also those of what is inlined into it.
func TestSymbols(t *testing.T) {
	if _, s, err := ownSymbols(); err == nil && s.at(1) != outside {
		t.Errorf("address 1 is in %s", s.at(1))
	}
	s, entry := symbols{}, uint64(reflect.ValueOf(packet.Parse).Pointer())
	for at := entry; at < entry+200; at++ {
		if s.at(at) != "fulcrum/packet.Parse" {
			t.Fatalf("%d bytes into packet.Parse is %s", at-entry, s.at(at))
		}
	}
}
