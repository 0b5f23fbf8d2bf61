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
	announceChunk    = 32   // in one turn, so that thousands of addresses do not hold it up
)

// announcement is an address that a port answers for.
type announcement struct {
	port    int
	address packet.Addr
}

// announcements takes new addresses from control to the worker that announces them.
type announcements struct {
	added atomic.Uint64 // batches so far

	mu      sync.Mutex
	batches [][]announcement // guarded by mu: those that the worker has not taken
}

// add hands a batch over.
func (a *announcements) add(batch []announcement) {
	if len(batch) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.batches = append(a.batches, batch)
	a.added.Add(1)
}

func (a *announcements) take() [][]announcement {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken := a.batches
	a.batches = nil
	return taken
}

// announcer is how far the worker has come with one batch.
type announcer struct {
	batch  []announcement
	rounds int    // still to go
	next   int    // index of the next announcement of this round
	due    uint32 // ms: when the round may begin
}

// announce tells the networks which addresses the director has now (gratuitous ARP, unsolicited
// advertisements), so that switches and neighbours forget a predecessor. It sends a bounded number at
// a time. One worker does so for all.
func (w *Worker) announce() {
	if w.number != 0 {
		return
	}
	if added := w.engine.announcements.added.Load(); added != w.announced {
		w.announced = added
		for _, batch := range w.engine.announcements.take() {
			w.announcers = append(w.announcers, announcer{batch: batch, rounds: announceRounds, due: w.now})
		}
	}
	room := announceChunk
	for i := 0; i < len(w.announcers) && room > 0; i++ {
		room -= w.announceSome(&w.announcers[i], room)
	}
	if len(w.announcers) > 0 && w.announcers[0].rounds == 0 {
		w.announcers = slices.DeleteFunc(w.announcers, func(a announcer) bool { return a.rounds == 0 })
	}
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

// announceOne announces an address, unless it has been given up meanwhile.
func (w *Worker) announceOne(n *announcement) {
	switch {
	case !w.snap.answers(n.port, n.address):
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
