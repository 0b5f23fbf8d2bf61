package engine

import (
	"slices"
	"sync"
	"sync/atomic"

	"fulcrum/packet"
)

// Announcements of new addresses: RFC 5227, section 1.1.
const (
	announceRounds   = 2
	announceInterval = 2000 // ms
	// announceChunk bounds the announcements of one turn.
	announceChunk = 32

	// While many batches are under way, later ones are collected for takeInterval, so that their
	// number stays small however often services change.
	manyBatches  = 32
	takeInterval = 100 // ms
)

// announcement is an address to announce on a port.
type announcement struct {
	port    int
	address packet.Addr
}

// announcements hands new addresses from control to the worker that announces them.
type announcements struct {
	added atomic.Uint64 // changes with new addresses so far

	mu      sync.Mutex // guards the fields below
	waiting []announcement
	known   map[announcement]bool // what is waiting; an address that comes and goes waits only once
}

// add hands new addresses over.
func (a *announcements) add(fresh []announcement) {
	if len(fresh) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil {
		a.known = map[announcement]bool{}
	}
	for _, n := range fresh {
		if !a.known[n] {
			a.known[n] = true
			a.waiting = append(a.waiting, n)
		}
	}
	a.added.Add(1)
}

// take returns the addresses handed over since the last call.
func (a *announcements) take() []announcement {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.waiting
	a.waiting, a.known = nil, nil
	return taken
}

// announcer is the worker's progress with one batch.
type announcer struct {
	batch  []announcement
	rounds int    // still to go
	next   int    // index of the next announcement of this round
	due    uint32 // ms: when the round may begin
}

// announce sends gratuitous ARP and unsolicited advertisements for the director's new addresses, so
// that switches and neighbours forget their former owner. It sends a bounded number a turn. One
// worker does it for all.
func (w *Worker) announce() {
	if w.number != 0 {
		return
	}
	w.takeAnnouncements()
	room := announceChunk
	for i := 0; i < len(w.announcers) && room > 0; i++ {
		room -= w.announceSome(&w.announcers[i], room)
	}
	if len(w.announcers) > 0 && w.announcers[0].rounds == 0 {
		w.announcers = slices.DeleteFunc(w.announcers, func(a announcer) bool { return a.rounds == 0 })
	}
}

// takeAnnouncements takes new addresses from control, and adopts the snapshot that has them.
func (w *Worker) takeAnnouncements() {
	added := w.engine.announcements.added.Load()
	if added == w.announced || len(w.announcers) >= manyBatches && w.now-w.taken < takeInterval {
		return
	}
	w.announced, w.taken = added, w.now
	batch := w.engine.announcements.take()
	w.announcers = append(w.announcers, announcer{batch: batch, rounds: announceRounds, due: w.now})
	w.update()
}

// announceSome sends at most n announcements of a batch and returns how many it sent.
func (w *Worker) announceSome(a *announcer, n int) int {
	if a.rounds == 0 || int32(w.now-a.due) < 0 {
		return 0
	}
	some := a.batch[a.next:min(a.next+n, len(a.batch))]
	for i := range some {
		w.announceOne(&some[i])
	}
	if a.next += len(some); a.next == len(a.batch) {
		a.rounds, a.next, a.due = a.rounds-1, 0, w.now+announceInterval
	}
	return len(some)
}

// announceOne announces an address, unless the director has given it up meanwhile.
func (w *Worker) announceOne(n *announcement) {
	switch {
	case !w.snap.announced(n.port, n.address):
	case !n.address.Is4():
		w.sendND(n.port, packet.AllNodesMAC, w.neighbours.Advertisement(uint16(n.port), n.address))
	default:
		w.sendARP(n.port, packet.Broadcast, packet.ARPFields{
			Op:        packet.ARPRequest,
			SenderMAC: w.snap.ports[n.port].mac,
			SenderIP:  n.address.V4(),
			TargetIP:  n.address.V4(),
		})
	}
}
