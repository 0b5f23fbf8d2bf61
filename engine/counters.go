package engine

import (
	"sync/atomic"
	"time"

	"fulcrum/neighbour"
)

// Totals counts the packets of a worker, or of all workers, by their fate. At the end of each turn
// of a worker, Received + Originated + TakenOver + FromHost = Transmitted + Consumed + ToHost + the
// sum of Drops + Held + HandedOver. In the sum over all workers, Held includes packets between two
// workers.
type Totals struct {
	Received    uint64
	Originated  uint64 // made by the director: ARP, neighbour discovery, ICMP, fragments
	Transmitted uint64
	Consumed    uint64
	Held        uint64 // waiting now: for a neighbour, a first fragment, a device or another worker
	HandedOver  uint64 // given to other workers
	TakenOver   uint64 // received from other workers
	ToHost      uint64 // given to the host, copies aside
	FromHost    uint64 // taken from the host
	Drops       [NumVerdicts]uint64
	// Evicted counts half-open sessions evicted from a full table. They are not packets, and not
	// part of the law.
	Evicted uint64
	// DroppedEntries counts sessions that drop_entry has ended, likewise.
	DroppedEntries uint64
	// Resets counts the answers to packets of no session: TCP resets and ICMP errors. They are
	// part of Originated. ResetsSuppressed counts those that the limits kept back.
	Resets, ResetsSuppressed uint64
	// Routed counts packets of nat real servers that were routed without a session. They are sent,
	// held, or dropped on their way out like any other packet.
	Routed uint64
	// Unlimited counts sessions that began without the limits of their source, because its set of
	// the table of sources was full. SourcesForgotten counts sources that gave way to others before
	// their bucket was full again.
	Unlimited, SourcesForgotten uint64
}

// Balance returns zero if the conservation law holds, and otherwise the difference.
func (t *Totals) Balance() int64 {
	out := t.Transmitted + t.Consumed + t.ToHost + t.Held + t.HandedOver
	for _, n := range t.Drops {
		out += n
	}
	return int64(t.Received + t.Originated + t.TakenOver + t.FromHost - out)
}

// PortTotals counts the packets of one port.
type PortTotals struct {
	Received, Transmitted uint64
	// Conflicts counts messages by which other stations claimed an address of the director. They
	// are among those received.
	Conflicts uint64
	// PartialChecksums counts packets whose checksum was completed, because their sender had left
	// it to a network card. Oversized counts packets longer than the port's MTU: segments that a
	// sender left to a network card, or merged ones. Both are among those received.
	PartialChecksums, Oversized uint64
}

const numPortTotals = 5

// all returns the places of the counts.
func (t *PortTotals) all() [numPortTotals]*uint64 {
	return [numPortTotals]*uint64{
		&t.Received, &t.Transmitted, &t.Conflicts, &t.PartialChecksums, &t.Oversized,
	}
}

// Traffic counts what went to and came from a real server. Bytes are those of IP packets, as IPVS
// counts them.
type Traffic struct {
	Connections          uint64
	InPackets, InBytes   uint64
	OutPackets, OutBytes uint64
}

const numTraffic = 5

// all returns the places of the counts.
func (t *Traffic) all() [numTraffic]*uint64 {
	return [numTraffic]*uint64{
		&t.Connections, &t.InPackets, &t.InBytes, &t.OutPackets, &t.OutBytes,
	}
}

// counters are written by one worker with plain stores, packet by packet, and copied for readers
// every publishInterval. An atomic store per packet and counter would cost more than the packet's
// rewriting.
type counters struct {
	totals     Totals
	ports      []PortTotals
	handedOver []uint64 // by receiving worker
	host       [NumHostClasses]HostTotals
	before     countedBefore
}

// countedBefore is what the runs before have counted where the count of this run is kept elsewhere.
// It does not change while the worker turns.
type countedBefore struct {
	evicted, dropped     uint64 // sessions
	unanswered, refusals uint64 // of neighbours
}

// The places of published.totals: first the terms of the conservation law without drops, then the
// drop reasons.
const (
	numTerms   = 9
	firstDrop  = HandedToHost + 1
	numReasons = NumVerdicts - firstDrop
)

// terms returns the places of the terms, in the order of published.totals.
func (t *Totals) terms() [numTerms]*uint64 {
	return [numTerms]*uint64{
		&t.Received, &t.Originated, &t.Transmitted, &t.Consumed,
		&t.Held, &t.HandedOver, &t.TakenOver, &t.ToHost, &t.FromHost,
	}
}

// published is the readers' copy of a worker's counters.
type published struct {
	totals      [numTerms + numReasons]atomic.Uint64
	evicted     atomic.Uint64
	resets      atomic.Uint64
	suppressed  atomic.Uint64 // resets
	routed      atomic.Uint64
	dropped     atomic.Uint64 // sessions, by drop_entry
	dropEntry   atomic.Bool
	dropPacket  atomic.Bool
	unlimited   atomic.Uint64 // sessions
	forgotten   atomic.Uint64 // sources
	secureTCP   atomic.Bool
	turns       atomic.Uint64
	busy        atomic.Uint64 // ms
	turnTimes   [numTurnTimes]atomic.Uint64
	inTurns     atomic.Uint64                     // ns
	longestTurn atomic.Int64                      // ns
	unanswered  atomic.Uint64                     // neighbours that never answered and were given up
	refusals    atomic.Uint64                     // claims of other MACs that were refused
	refusal     atomic.Pointer[neighbour.Refusal] // the last one; nil if there was none
	sessions    atomic.Int64
	adopted     atomic.Uint64 // revision of the worker's snapshot
	handedOver  []atomic.Uint64
	ports       [][numPortTotals]atomic.Uint64
	host        [NumHostClasses][numHostTotals]atomic.Uint64
	servers     []publishedServer // by real server id
}

type publishedTraffic [numTraffic]atomic.Uint64

func (p *published) setTotals(t *Totals) {
	p.evicted.Store(t.Evicted)
	p.dropped.Store(t.DroppedEntries)
	p.resets.Store(t.Resets)
	p.suppressed.Store(t.ResetsSuppressed)
	p.routed.Store(t.Routed)
	p.unlimited.Store(t.Unlimited)
	p.forgotten.Store(t.SourcesForgotten)
	for i, v := range t.terms() {
		p.totals[i].Store(*v)
	}
	for i, v := range t.Drops[firstDrop:] {
		p.totals[numTerms+i].Store(v)
	}
}

func (p *published) addTotals(t *Totals) {
	t.Evicted += p.evicted.Load()
	t.DroppedEntries += p.dropped.Load()
	t.Resets += p.resets.Load()
	t.ResetsSuppressed += p.suppressed.Load()
	t.Routed += p.routed.Load()
	t.Unlimited += p.unlimited.Load()
	t.SourcesForgotten += p.forgotten.Load()
	for i, v := range t.terms() {
		*v += p.totals[i].Load()
	}
	for i := range t.Drops[firstDrop:] {
		t.Drops[int(firstDrop)+i] += p.totals[numTerms+i].Load()
	}
}

func (p *published) setDefences(a ActiveDefences) {
	p.dropEntry.Store(a.DropEntry)
	p.dropPacket.Store(a.DropPacket)
	p.secureTCP.Store(a.SecureTCP)
}

func (p *published) defences() ActiveDefences {
	return ActiveDefences{p.dropEntry.Load(), p.dropPacket.Load(), p.secureTCP.Load()}
}

func (p *published) setTurnTimes(t *TurnTimes) {
	p.inTurns.Store(uint64(t.Total))
	p.longestTurn.Store(int64(t.Longest))
	for i, n := range t.Counts {
		p.turnTimes[i].Store(n)
	}
}

func (p *published) readTurnTimes() TurnTimes {
	t := TurnTimes{
		Total: time.Duration(p.inTurns.Load()), Longest: time.Duration(p.longestTurn.Load()),
	}
	for i := range t.Counts {
		t.Counts[i] = p.turnTimes[i].Load()
	}
	return t
}

func (p *published) setPort(i int, t PortTotals) {
	for j, n := range t.all() {
		p.ports[i][j].Store(*n)
	}
}

func (p *published) addPort(i int, t *PortTotals) {
	for j, n := range t.all() {
		*n += p.ports[i][j].Load()
	}
}

func (p *publishedTraffic) outPackets() uint64 { return p[3].Load() }

func (p *publishedTraffic) set(t *Traffic) {
	for i, v := range t.all() {
		p[i].Store(*v)
	}
}

func (p *publishedTraffic) add(t *Traffic) {
	for i, v := range t.all() {
		*v += p[i].Load()
	}
}

// publishChunk is how many real servers' counters are copied in one turn. It bounds the turn of a
// worker with thousands of real servers.
const publishChunk = 64

// publishRefusals copies the last refused claim, if there is a new one.
func (w *Worker) publishRefusals() {
	n, last := w.neighbours.Refusals()
	if n += w.counters.before.refusals; n != w.published.refusals.Load() {
		w.published.refusal.Store(&last)
		w.published.refusals.Store(n)
	}
}

// publish copies the totals and the next chunk of the real servers' counters for readers.
func (w *Worker) publish() {
	w.sessions.Beat(w.now)
	w.publishTotals()
	n := len(w.snap.servers)
	for range min(publishChunk, n) {
		if w.nextPublished >= n {
			w.nextPublished = 0
		}
		w.publishServer(w.nextPublished)
		w.nextPublished++
	}
}

// publishTotals copies all counters but the real servers' for readers.
func (w *Worker) publishTotals() {
	before := &w.counters.before
	w.counters.totals.Held = w.held()
	w.counters.totals.Evicted = w.sessions.Evicted() + before.evicted
	w.counters.totals.DroppedEntries = w.sessions.Dropped() + before.dropped
	w.published.setTotals(&w.counters.totals)
	w.published.sessions.Store(int64(w.sessions.Len()))
	w.published.turns.Store(w.effort.turns)
	w.published.busy.Store(w.effort.busy)
	w.published.setTurnTimes(&w.effort.times)
	w.published.unanswered.Store(w.neighbours.Unanswered() + before.unanswered)
	w.publishRefusals()
	for i, n := range w.counters.handedOver {
		w.published.handedOver[i].Store(n)
	}
	for i, t := range w.counters.ports {
		w.published.setPort(i, t)
	}
	if w.link != nil {
		w.published.setHost(&w.counters.host)
	}
}

// held counts the packets that wait for a neighbour, for the first fragment of their datagram or
// for a device.
func (w *Worker) held() uint64 {
	return uint64(w.neighbours.Held() + w.fragments.table.Waiting() + w.unsent())
}

// unsent counts the packets that wait for a device.
func (w *Worker) unsent() int {
	n := 0
	for i := range w.out {
		n += w.out[i].N
	}
	return n
}
