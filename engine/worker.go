package engine

import (
	"math/rand/v2"
	"sync/atomic"

	"fulcrum/conntrack"
	"fulcrum/hostway"
	"fulcrum/modes"
	"fulcrum/neighbour"
	"fulcrum/packet"
	"fulcrum/ports"
)

// Worker polls its queue of every port and takes the packets through the pipeline. All methods run
// on its own thread.
type Worker struct {
	engine     *Engine
	number     int // index among the engine's workers
	queues     []ports.Queue
	sessions   *conntrack.Table
	neighbours neighbour.Table
	snap       *snapshot
	ways       *wayTable  // by the TCP state table in force
	guarding   guarding   // by IPVS's defences
	receives   []bool     // by port: whether this worker has a receive queue of its own
	incoming   []*handoff // by sending worker; nil for itself; empty with a single worker
	outgoing   []*handoff // by receiving worker
	stopping   bool       // no other worker takes packets over any more
	ahead      bool       // a worker to which it hands packets over is far behind
	unfinished bool       // work on sessions is left over for the next turn
	seen       uint64     // items of the engine's news that it has read
	now        uint32     // ms; read once a turn
	random     *rand.Rand

	rx ports.Burst
	batch
	key      packet.Key    // of the packet in hand, in the form for both families
	answers  packet.Flow   // the flow on which the packet in hand leaves
	arrival  arrival       // of the packet in hand, if it has no session
	decision decision      // about the packet in hand, if it has no session
	claim    lastClaim     // by the worker's snapshot
	lone     lone          // the datagram in hand of a one-packet service
	rival    holder        // the session whose local port the packet in hand may take
	out      []ports.Burst // by port: output of the next exchange
	made     ports.Burst   // buffer for one packet of the director's own
	freed    ports.Burst   // dropped packets, which the next exchange frees
	outerID  uint16        // identification of the last IPv4 packet that was made
	pieceID  uint32        // identification of the last IPv6 fragments
	scratch  [modes.MaxError]byte
	peers    []peer   // by real server id
	roads    []road   // by real server id
	tunnels  []tunnel // by real server id
	paving
	pass       serverPass
	flush      flushPass
	recount    recountPass
	youth      youth
	hopEpoch   uint32 // raised when the next hops that peers remember may be wrong
	burst      uint64 // counts bursts, and the turns before their first
	fragments  fragments
	announced  uint64 // announcements.added when it last looked for addresses to announce
	announcing bool   // some are still being announced

	stage stage // what it is doing, for the report of a panic
	at    int   // index of the packet in hand in the burst

	received      atomic.Uint64 // packets so far, for AwaitSilence
	effort        effort
	mail          mailbox
	tap           *tap          // nil unless a capture runs
	link          *hostway.Link // to the host; nil if no port has a host interface
	told          bool          // frames for the host were sent in this turn
	checks        checkFlows
	counters      counters
	published     published
	lastPublished uint32
	nextPublished int
}

// publishInterval is the interval in ms at which counters are copied for readers.
const publishInterval = 10

// Turn does one round: it adopts a newer snapshot, receives from every port, processes, sends, and
// does a bounded piece of the timed work. now is the time in ms, modulo 2^32. Turn returns how many
// packets came.
//
// A busy worker turns a few hundred times in a millisecond. So what only time can bring is looked
// at in the first turn of a millisecond, and in all turns only work that is left over.
func (w *Worker) Turn(now uint32) int {
	tick := w.effort.begin(w.now, now)
	w.now = now
	w.burst++ // what control has changed since the last turn counts from here on
	w.update()
	if tick || w.pass.unfinished() {
		w.lookAfterServers() // before the first packets, which need their next hops
	}
	if w.hasToAnnounce() {
		w.announce()
	}
	received := w.serve()
	if tick || w.unfinished {
		w.workOnSessions()
	}
	if tick {
		w.keepTime()
	}
	if l := w.mail.letter.Load(); l != nil {
		w.readMail(l)
	}
	w.effort.working = received > 0
	return received
}

// serve takes packets of all ports, of other workers and of the host, and returns how many came.
func (w *Worker) serve() int {
	received := 0
	for i := range w.queues {
		w.stage = stageExchange
		w.exchange(i, &w.rx)
		if w.rx.N > 0 {
			received += w.rx.N
			w.process(&w.rx)
		}
	}
	w.stage = stageHousekeeping
	if w.outgoing != nil {
		received += w.takeOver()
		w.publishHandoffs()
		w.listen()
	}
	if w.link != nil {
		received += w.serveHost()
	}
	return received
}

// workOnSessions does the next piece of what is due for sessions.
func (w *Worker) workOnSessions() {
	behind := w.sessions.Expire(w.now)
	w.dropEntries()
	w.flushSessions()
	w.recountSessions()
	w.unfinished = behind || w.flush.due || w.recount.due || w.guarding.dropsEntries()
}

// keepTime does what is due at this millisecond.
func (w *Worker) keepTime() {
	w.tickNeighbours()
	w.tickFragments(w.now)
	if w.now-w.lastPublished < publishInterval {
		return
	}
	w.lastPublished = w.now
	w.defend()
	w.publish()
	w.grow()
	w.sweepTemplates()
	w.sweepChecks()
}

// update adopts the newest snapshot.
func (w *Worker) update() {
	if s := w.engine.snap.Load(); s != w.snap {
		w.adopt(s)
	}
}

// adopt switches to a snapshot. The cost depends on what has changed: only another topology makes
// sessions look up next hops again.
func (w *Worker) adopt(s *snapshot) {
	old := w.snap
	w.snap, w.claim = s, lastClaim{}
	w.paved++
	if old == nil {
		w.youth.began = w.now
	}
	if old == nil || old.settings.Timeouts != s.settings.Timeouts {
		w.sessions.SetTimeouts(s.settings.Timeouts)
	}
	if old == nil && s.timed != 0 || old != nil && old.timed != s.timed {
		w.sessions.OwnTimeoutsChanged()
	}
	if old == nil || old.topology != s.topology {
		w.attend(w.setTopology())
		w.hopEpoch++
	} else if old.reuses != s.reuses {
		w.hopEpoch++ // an id now belongs to another real server
	}
	w.pass.again, w.unfinished = true, true
	w.defend()
	w.flushAfter(old, s)
	w.recountAfter(old, s)
	w.published.adopted.Store(s.revision)
}

// stop drops every packet that is still held and ends all sessions, so that the counts balance. No
// worker may be turning any more.
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
	if w.engine.kept == nil {
		w.sessions.EndAll()
	}
	for range len(w.snap.servers)/publishChunk + 1 {
		w.publish()
	}
}

// sendLast sends what waits for the devices, for a bounded time.
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
