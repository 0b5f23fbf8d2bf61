package engine

import (
	"sync"
	"sync/atomic"

	"fulcrum/packet"
)

// loreSize is how many lessons are kept, a power of two. A worker that is further behind asks for itself.
const loreSize = 1024

// lore is what workers learn of neighbours from ARP, for all the others: an answer reaches one worker only. It is written
// seldom, so that looking whether there is something new costs a read of a line that everybody has.
type lore struct {
	told atomic.Uint64 // lessons so far

	mu      sync.Mutex
	lessons [loreSize]lesson // guarded by mu
}

// lesson is the MAC of a neighbour.
type lesson struct {
	address packet.Addr
	port    uint16
	teller  uint16
	mac     packet.MAC
}

func (l *lore) tell(n lesson) {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.told.Load()
	l.lessons[told%loreSize] = n
	l.told.Store(told + 1)
}

// since copies the lessons after the first seen ones, as far as they are still there and as many as to holds, and returns
// them with how many lessons have been seen then.
func (l *lore) since(seen uint64, to []lesson) ([]lesson, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.told.Load()
	if told-seen > loreSize {
		seen = told - loreSize
	}
	n := 0
	for ; seen != told && n < len(to); seen++ {
		to[n] = l.lessons[seen%loreSize]
		n++
	}
	return to[:n], seen
}

// lessonsAtOnce is how many lessons a worker takes in one turn.
const lessonsAtOnce = 32

// listen takes in what other workers have learned.
func (w *Worker) listen() {
	if w.engine.lore.told.Load() == w.heard {
		return
	}
	var room [lessonsAtOnce]lesson
	var lessons []lesson
	lessons, w.heard = w.engine.lore.since(w.heard, room[:])
	for _, l := range lessons {
		if int(l.teller) == w.number {
			continue
		}
		if h, ok := w.neighbours.find(l.address, l.port, w.now); ok {
			w.learn(h, l.mac)
		}
	}
}
