package neighbour

import (
	"sync"
	"sync/atomic"

	"fulcrum/packet"
)

// newsSize is how many items are kept, a power of two. A worker that is further behind asks for
// itself.
const newsSize = 1024

// News is what workers learn of neighbours, for all the others: an answer reaches one worker only.
// It is written seldom: looking whether there is something new costs a read of a line that every
// worker has. Anyone may use it.
type News struct {
	told atomic.Uint64 // items so far

	mu    sync.Mutex
	items [newsSize]Item // guarded by mu
}

// Item is the MAC of a neighbour.
type Item struct {
	Address packet.Addr
	Port    uint16
	Worker  uint16 // the one that has learnt it
	MAC     packet.MAC
}

// Told returns how many items there have been.
func (n *News) Told() uint64 { return n.told.Load() }

// Tell adds an item.
func (n *News) Tell(i Item) {
	n.mu.Lock()
	defer n.mu.Unlock()
	told := n.told.Load()
	n.items[told%newsSize] = i
	n.told.Store(told + 1)
}

// Since copies items into room: those after the first seen ones, as far as they are still kept and
// fit. It returns them, and how many items have been seen then.
func (n *News) Since(seen uint64, room []Item) ([]Item, uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	told := n.told.Load()
	if told-seen > newsSize {
		seen = told - newsSize
	}
	fits := 0
	for ; seen != told && fits < len(room); seen++ {
		room[fits] = n.items[seen%newsSize]
		fits++
	}
	return room[:fits], seen
}
