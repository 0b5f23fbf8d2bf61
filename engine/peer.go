package engine

import (
	"math/rand/v2"

	"fulcrum/neighbour"
	"fulcrum/packet"
)

// peer is what one worker keeps about a real server, indexed by its id, for its first packets and
// for those off the straight path; see road. It fills a cache line.
type peer struct {
	// What the answers of fullnat's next session have, found when the last one began: see recall.
	outHash  uint64      // of their key
	local    packet.Addr // the local address
	number   uint32      // of local
	from     uint32      // the turn from which it was found
	after    uint32      // the turn after it
	foreseen uint32      // the worker's paved then

	turn        uint32 // fullnat's next local address and port
	incarnation uint32 // of the real server that the other fields describe; 0 is none
	epoch       uint32 // the worker's hopEpoch when hop was found
	localPort   uint16 // of the next session
	port        uint16 // of the real server, to which the next session is foreseen
	hop         neighbour.Hop
	generation  uint16 // of the neighbour's place in the table
	protocol    uint8  // of the next session
	tight       bool   // the last search for a local port found no free one soon
}

// maxServers bounds the ids of real servers: the registry gives out no larger id. Memory is
// reserved for all ids, and used for those in use.
const maxServers = 1 << 22

// meet resets a peer if its id now belongs to another real server. The counters of its road go on:
// reports subtract what the id had counted before.
func (p *peer) meet(s *serverEntry, random *rand.Rand) {
	if p.incarnation == s.incarnation {
		return
	}
	p.incarnation, p.epoch, p.hop, p.turn = s.incarnation, 0, 0, random.Uint32()
}

// Bounds of the pass over real servers.
const (
	servedAtOnce  = 64     // real servers in one turn
	serveInterval = 20_000 // ms between passes; shorter than a neighbour is kept without renewal
)

// serverPass is a worker's progress in keeping the next hops of its real servers resolved.
type serverPass struct {
	next  int    // id
	due   uint32 // ms: when the next pass begins
	over  bool   // this pass has ended
	again bool   // another pass is due: this one began with an older snapshot
}

// unfinished reports whether a pass is under way or has to begin.
func (t *serverPass) unfinished() bool { return !t.over || t.again }

// lookAfterServers finds the next hops of real servers ahead of their first packet and keeps their
// neighbours resolved. Each turn of a pass handles some real servers. A new snapshot starts a pass
// only after the current one: otherwise no pass would end while services change all the time.
func (w *Worker) lookAfterServers() {
	t := &w.pass
	if !t.unfinished() && int32(w.now-t.due) < 0 {
		return
	}
	if t.over {
		*t = serverPass{}
	}
	end := min(t.next+servedAtOnce, len(w.snap.servers))
	for ; t.next < end; t.next++ {
		if s := w.snap.servers[t.next]; !s.gone {
			if h, v := w.serverHop(uint32(t.next), s); v == Taken {
				w.want(h)
			}
		}
	}
	if t.next == len(w.snap.servers) {
		t.over, t.due = true, w.now+serveInterval
	}
}
