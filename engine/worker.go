package engine

import (
	"math/rand/v2"
	"sync/atomic"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// Worker polls its queue of every port and takes what comes through the pipeline.
type Worker struct {
	engine     *Engine
	number     int // among the engine's workers
	queues     []ports.Queue
	sessions   *conntrack.Table
	neighbours neighbourTable
	snap       *snapshot
	receives   []bool     // by port: it has a receive queue of this worker's own
	incoming   []*handoff // by worker that hands packets over; nil for itself, and as a whole if there is no other
	outgoing   []*handoff // by worker that takes packets over
	stopping   bool       // nobody would take anything over any more
	ahead      bool       // of a worker to which it hands packets over
	heard      uint64     // lessons of the engine's lore
	now        uint32     // ms; read once a turn
	random     *rand.Rand

	rx ports.Burst
	batch
	key        packet.Key    // of the packet in hand, where both families are treated alike
	answers    packet.Flow   // of the session in the making
	out        []ports.Burst // by port: what goes out with the next exchange
	made       ports.Burst   // room for one packet of the director's own
	freed      ports.Burst   // what was dropped and is freed with the next exchange
	outerID    uint16        // identification of the last packet of IPv4 that was made
	pieceID    uint32        // identification of the last pieces of IPv6
	scratch    [modes.MaxError]byte
	localTurns []uint32 // by real server id: fullnat's next local address and port
	hops       []hop    // by real server id: its next hop; none if it could not be pinned
	icmpTokens tokens
	fragments  fragments
	announcer  announcer

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
	if s := w.engine.snap.Load(); s != w.snap {
		w.adopt(s)
	}
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

// adopt goes over to a snapshot: sessions get its timeouts, per-server state gets room, next hops of real servers and gateways are
// pinned and asked for, and the addresses are announced.
func (w *Worker) adopt(s *snapshot) {
	w.snap = s
	w.sessions.SetTimeouts(s.settings.Timeouts)
	w.resizeServers(len(s.servers))
	for len(w.localTurns) < len(s.servers) {
		w.localTurns = append(w.localTurns, w.random.Uint32())
	}
	w.neighbours.unbind()
	w.setStatic()
	w.hops = make([]hop, len(s.servers))
	for i := range s.servers {
		if !s.servers[i].gone {
			w.hops[i] = w.pin(s.servers[i].address)
		}
	}
	for i := range s.routes {
		if g := s.routes[i].gateway; g != (packet.Addr{}) {
			w.pin(g)
		}
	}
	if w.number == 0 {
		w.announcer = announcer{rounds: announceRounds, due: w.now}
		w.announce()
	}
}

// askFirst asks for a neighbour that will be needed. One worker does so for all; the others ask if they have not been told in
// time.
func (w *Worker) askFirst(h hop) {
	if w.number == 0 {
		w.ask(h)
		return
	}
	w.neighbours.entries[h].since = w.now
}

// setStatic enters the configured neighbours.
func (w *Worker) setStatic() {
	for _, s := range w.snap.settings.Neighbours {
		h, ok := w.neighbours.find(packet.AddrOf(s.Address), uint16(s.Port), w.now)
		if !ok {
			continue
		}
		w.learn(h, s.MAC)
		w.neighbours.entries[h].state = static
	}
}

// pin resolves the next hop of an address ahead of the first packet, and keeps it. It returns none where there is no
// route or no room.
func (w *Worker) pin(address packet.Addr) hop {
	h, v := w.nextHop(address)
	if v != Taken {
		return 0
	}
	n := &w.neighbours.entries[h]
	n.pinned, n.source = true, w.snap.ports[n.port].sourceTowards(n.address)
	if n.state == incomplete && n.tries == 0 {
		w.askFirst(h)
	}
	return h
}

// stop gives back every packet that is still held and ends all sessions, so that the counts come out even. No worker may be
// turning any more.
func (w *Worker) stop() {
	w.stopping = true
	for w.outgoing != nil && w.takeOver() > 0 {
	}
	w.dropFragments()
	w.sendLast()
	for i := range w.neighbours.entries {
		w.dropWaiting(&w.neighbours.entries[i], DropStopped)
	}
	for i := range w.out {
		w.dropAll(&w.out[i])
	}
	w.queues[0].Exchange(nil, &w.freed, nil)
	w.sessions.EndAll()
	for range len(w.counters.servers)/publishChunk + 1 {
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
