package neighbour

import (
	"slices"
	"testing"

	"fulcrum/packet"
)

// TestNewsForgetsTheOldest: a worker that is far behind gets the newest items.
func TestNewsForgetsTheOldest(t *testing.T) {
	n := new(News)
	for i := range uint32(newsSize + 10) {
		n.Tell(Item{Message: Message{Address: packet.AddrOf4(i)}})
	}
	var seen uint64
	var heard []Item
	for room := make([]Item, 300); seen != n.Told(); {
		var some []Item
		some, seen = n.Since(seen, room)
		heard = append(heard, slices.Clone(some)...)
	}
	first, last := heard[0].Address.V4(), heard[len(heard)-1].Address.V4()
	if len(heard) != newsSize || first != 10 || last != newsSize+9 {
		t.Fatalf("%d items, from %d to %d", len(heard), first, last)
	}
}
