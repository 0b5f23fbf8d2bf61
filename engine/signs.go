package engine

import (
	"sync/atomic"

	"fulcrum/conntrack"
)

// publishedServer is what one worker shows of a real server, by its id. It fills a cache line.
type publishedServer struct {
	traffic publishedTraffic

	// The other fields are about the real server of this incarnation; 0 is none.
	incarnation atomic.Uint32
	signs       atomic.Uint32 // set of sign
	heard       atomic.Uint32 // ms: when its last packet was published; valid with answered
	asked       atomic.Uint32 // ms: its last SYN without an answer; valid with unanswered
	unanswered  atomic.Uint64 // sessions that ended without an answer to their SYN
}

// sign is something that a worker has noticed about a real server.
type sign = uint32

const (
	unresolved      sign = 1 << iota // the MAC of its next hop is not known
	answered                         // a packet came from it
	unanswered                       // a session ended without an answer to its SYN
	neighbourFailed                  // it is its own next hop, which was asked for and did not answer
)

const (
	// signMemory is how long, in ms, answered and unanswered are remembered. It is longer than a
	// half-open session lasts by default, and far shorter than half of the clock's 49 days.
	signMemory = 600_000
	// answerTime is how long, in ms, a real server has for its answer to a SYN: the time after which
	// TCP sends it again (RFC 6298, 2.1).
	answerTime = 1000
)

// meet begins anew if the id now belongs to another real server.
func (s *publishedServer) meet(incarnation uint32) {
	if s.incarnation.Load() == incarnation {
		return
	}
	s.signs.Store(0)
	s.unanswered.Store(0)
	s.incarnation.Store(incarnation)
}

// publishServer copies a real server's counters, and notes whether it was heard of.
func (w *Worker) publishServer(id int) {
	p, t, s := &w.peers[id], &w.roads[id].traffic, &w.published.servers[id]
	s.meet(p.incarnation)
	was := s.signs.Load()
	is := was &^ unresolved
	if !w.unresolved(p) {
		is &^= neighbourFailed
	} else if is |= unresolved; w.isUnreachable(id, p) {
		is |= neighbourFailed
	}
	if t.OutPackets != s.traffic.outPackets() {
		s.heard.Store(w.now)
		is |= answered
	}
	if w.now-s.heard.Load() > signMemory {
		is &^= answered
	}
	if w.now-s.asked.Load() > signMemory {
		is &^= unanswered
	}
	s.traffic.set(t)
	if is != was {
		s.signs.Store(is)
	}
}

// unresolved reports whether the next hop of a real server is known and its MAC is not.
func (w *Worker) unresolved(p *peer) bool {
	if p.epoch != w.hopEpoch {
		return false // it is looked up soon
	}
	n := w.neighbours.At(p.hop)
	return n.Generation == p.generation && !n.HasMAC()
}

// noteSilence counts a session that ends without an answer to its SYN, or to its SCTP INIT. Only in
// nat and fullnat does the director see answers.
func (w *Worker) noteSilence(s *conntrack.Session) {
	if s.PacketsOut != 0 || s.Flags&conntrack.TwoWay == 0 || !s.State.HalfOpen() ||
		w.now-s.LastSeen < answerTime {
		return
	}
	to := &w.published.servers[s.Server]
	to.meet(w.peers[s.Server].incarnation)
	to.unanswered.Store(to.unanswered.Load() + 1)
	if signs := to.signs.Load(); signs&unanswered == 0 || int32(s.LastSeen-to.asked.Load()) > 0 {
		to.asked.Store(s.LastSeen)
		to.signs.Store(signs | unanswered)
	}
}

// signsOf sums up what the workers have noticed about a real server.
func (e *Engine) signsOf(server *liveServer) (all ServerSigns) {
	var heard, asked newest
	all.SYNsUnanswered = server.silences
	for _, w := range e.workers {
		if w.published.servers == nil {
			continue // after Close
		}
		s := &w.published.servers[server.number]
		if s.incarnation.Load() != server.incarnation {
			continue
		}
		all.SYNsUnanswered += s.unanswered.Load()
		signs := s.signs.Load()
		all.Unresolved = all.Unresolved || signs&unresolved != 0
		heard.see(signs&answered != 0, s.heard.Load())
		asked.see(signs&unanswered != 0, s.asked.Load())
	}
	all.Silent = asked.any && (!heard.any || int32(asked.at-heard.at) > 0)
	return all
}

// ServerSigns are what the workers have noticed about a real server.
type ServerSigns struct {
	// Unresolved: a worker does not know the MAC of its next hop.
	Unresolved bool
	// SYNsUnanswered counts the sessions that ended without an answer to their SYN, or to their SCTP
	// INIT. It is 0 in modes whose answers do not pass.
	SYNsUnanswered uint64
	// Silent: no packet came from the real server since the last such SYN, which is ten minutes old
	// at most.
	Silent bool
}

// newest is the newest of some times in ms.
type newest struct {
	any bool
	at  uint32
}

func (n *newest) see(valid bool, at uint32) {
	if valid && (!n.any || int32(at-n.at) > 0) {
		*n = newest{true, at}
	}
}
