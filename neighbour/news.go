package neighbour

import (
	"sync"
	"sync/atomic"
)

// newsSize is how many items are kept, a power of two. A worker that is further behind asks by
// itself.
const newsSize = 1024

// News shares what workers hear of neighbours, because an answer reaches only one worker. It is
// rarely written. Looking for new items costs one read of a cache line that every worker has.
// Anyone may use it.
type News struct {
	told atomic.Uint64 // items so far

	mu    sync.Mutex
	items [newsSize]Item // guarded by mu
}

// Item is a message of a neighbour.
type Item struct {
	Message
	Worker uint16 // the worker that received it
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

// Since copies the items after the first seen ones into buf, as far as they are still kept and fit.
// It returns them, and the new value of seen.
func (n *News) Since(seen uint64, buf []Item) ([]Item, uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	told := n.told.Load()
	if told-seen > newsSize {
		seen = told - newsSize
	}
	fits := 0
	for ; seen != told && fits < len(buf); seen++ {
		buf[fits] = n.items[seen%newsSize]
		fits++
	}
	return buf[:fits], seen
}
