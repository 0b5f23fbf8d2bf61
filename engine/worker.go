package engine

import (
	"math/rand/v2"
	"sync/atomic"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// Worker polls its queue of every port and takes what comes through the pipeline.
type Worker struct {
	engine     *Engine
	number     int // among the engine's workers
	queues     []ports.Queue
	sessions   *conntrack.Table
	neighbours neighbour.Table
	snap       *snapshot
	receives   []bool     // by port: it has a receive queue of this worker's own
	incoming   []*handoff // by worker that hands packets over; nil for itself, and as a whole if there is no other
	outgoing   []*handoff // by worker that takes packets over
	stopping   bool       // nobody would take anything over any more
	ahead      bool       // of a worker to which it hands packets over
	seen       uint64     // items of the engine's news
	now        uint32     // ms; read once a turn
	random     *rand.Rand

	rx ports.Burst
	batch
	key        packet.Key    // of the packet in hand, where both families are treated alike
	answers    packet.Flow   // on which the packet in hand leaves
	arrival    arrival       // of the packet in hand, if it has no session
	decision   decision      // about it
	out        []ports.Burst // by port: what goes out with the next exchange
	made       ports.Burst   // room for one packet of the director's own
	freed      ports.Burst   // what was dropped and is freed with the next exchange
	outerID    uint16        // identification of the last packet of IPv4 that was made
	pieceID    uint32        // identification of the last pieces of IPv6
	scratch    [modes.MaxError]byte
	peers      []peer // by real server id
	pass       serverPass
	flush      flushPass
	hopEpoch   uint32 // raised when what peers remember of next hops may be wrong
	burst      uint64 // counts the bursts
	fragments  fragments
	announcers []announcer // batches that are being announced
	announced  uint64      // announcements.added when the last batch was taken
	taken      uint32      // ms: when that was

	stage stage // what it is doing, for the report of a panic
	at    int   // index in the burst

	received      atomic.Uint64 // packets, for those who wait for silence
	effort        effort
	mail          mailbox
	tap           *tap // nil unless packets are being captured
	counters      counters
	published     published
	lastPublished uint32
	nextPublished int
}

// publishInterval is how often counters are copied for readers, in ms.
const publishInterval = 10

// Turn does one round: it takes in a newer snapshot, receives from every port, processes, sends, and does a
// bounded piece of the work that time brings. It returns how many packets came.
func (w *Worker) Turn(now uint32) int {
	w.effort.begin(w.now, now)
	w.now = now
	w.update()
	received := 0
	for i := range w.queues {
		w.stage = stageExchange
		w.exchange(i, &w.rx)
		received += w.rx.N
		w.process(&w.rx)
	}
	if w.outgoing != nil {
		received += w.takeOver()
		w.publishHandoffs()
		w.listen()
	}
	w.sessions.Expire(now)
	w.tickNeighbours()
	w.lookAfterServers()
	w.flushSessions()
	w.tickFragments(now)
	w.announce()
	if now-w.lastPublished >= publishInterval {
		w.lastPublished = now
		w.publish()
	}
	w.readMail()
	w.effort.working = received > 0
	return received
}

// update goes over to the newest snapshot.
func (w *Worker) update() {
	if s := w.engine.snap.Load(); s != w.snap {
		w.adopt(s)
	}
}

// adopt goes over to a snapshot. What it costs depends on what has changed: only another topology has
// next hops looked up anew.
func (w *Worker) adopt(s *snapshot) {
	old := w.snap
	w.snap = s
	if old == nil || old.settings.Timeouts != s.settings.Timeouts {
		w.sessions.SetTimeouts(s.settings.Timeouts)
	}
	if old == nil || old.topology != s.topology {
		w.attend(w.setTopology())
		w.hopEpoch++
	} else if old.reuses != s.reuses {
		w.hopEpoch++ // an id has become another real server's
	}
	w.pass.again = true
	w.flushAfter(old, s)
}

// stop gives back every packet that is still held and ends all sessions, so that the counts come out even. No worker may be
// turning any more.
func (w *Worker) stop() {
	w.stopping = true
	for w.outgoing != nil && w.takeOver() > 0 {
	}
	w.dropFragments()
	w.sendLast()
	for h := range w.neighbours.Places() {
		w.dropWaiting(neighbour.Hop(h), DropStopped)
	}
	for i := range w.out {
		w.dropAll(&w.out[i])
	}
	w.queues[0].Exchange(nil, &w.freed, nil)
	w.sessions.EndAll()
	for range len(w.snap.servers)/publishChunk + 1 {
		w.publish()
	}
}

// sendLast sends what there is to send, with some patience for the devices.
func (w *Worker) sendLast() {
	for range patience {
		for i := range w.queues {
			w.exchange(i, nil)
		}
		if w.unsent() == 0 {
			return
		}
		nap(shortSleep)
	}
}

func (w *Worker) dropAll(b *ports.Burst) {
	for i := range b.Slice() {
		w.drop(&b.Packets[i], DropStopped)
	}
	b.N = 0
}
