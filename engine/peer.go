package engine

import (
	"math/rand/v2"

	"fulcrum/neighbour"
)

// peer is what one worker keeps about a real server, by its id: what it counts, and where the server is
// reached. It is a cache line, written by that worker alone.
type peer struct {
	traffic     Traffic
	turn        uint32 // fullnat's next local address and port
	incarnation uint32 // of the real server that the rest is about; 0 is none
	epoch       uint32 // the worker's hopEpoch when hop was found
	hop         neighbour.Hop
	generation  uint16 // of the neighbour's place in the table
	_           [8]byte
}

// maxServers bounds the ids of real servers: the registry gives out no others. Memory is reserved
// for all of them, and taken for those
// that there are.
const maxServers = 1 << 22

// meet begins anew if the id is another real server's now. What was counted goes on: reports subtract
// what the id had counted before.
func (p *peer) meet(s *serverEntry, random *rand.Rand) {
	if p.incarnation == s.incarnation {
		return
	}
	p.incarnation, p.epoch, p.hop, p.turn = s.incarnation, 0, 0, random.Uint32()
}

// Bounds of the pass over real servers.
const (
	servedAtOnce  = 64     // in one turn
	serveInterval = 20_000 // ms between passes, shorter than a neighbour is wanted for
)

// serverPass is how far a worker has come with looking after the next hops of its real servers.
type serverPass struct {
	next  int    // id
	due   uint32 // ms: when the next pass begins
	over  bool   // this pass is done
	again bool   // another pass is due after this one: it began with an older snapshot
}

// lookAfterServers finds the next hops of real servers ahead of their first packet, and has their
// neighbours kept. It goes over some of them in each turn of a pass. A new snapshot begins a pass,
// once the one under way is over: else none would come to its end where services change all the
// time.
func (w *Worker) lookAfterServers() {
	t := &w.pass
	if t.over && !t.again && int32(w.now-t.due) < 0 {
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
