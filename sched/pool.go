package sched

import (
	"slices"
	"sync/atomic"

	"fulcrum/packet"
)

// Request is the first packet of a session as schedulers see it. It is so small that it travels in
// registers: most schedulers read nothing of it.
type Request struct {
	// Key is the packet's flow: Src is the client, Dst the VIP. The port of an echo request is its
	// identifier. rr, wrr and those that go by load alone do not read it. The interface of the
	// schedulers sends what it points to to the heap, so a caller keeps one Key and uses it again.
	*packet.Key
	// Now is the time in ms, modulo 2^32. Only lblc and lblcr read it. Workers may be some seconds
	// apart.
	Now uint32
}

// Server is one real server of a pool.
type Server struct {
	ID     uint32 // the engine's number of the real server; schedulers ignore it
	Weight int32  // share of the sessions, 0..65535; 0 drains
	Upper  int32  // overloaded once it has this many sessions; 0 = never
	Lower  int32  // free again below this many; 0 = below three quarters of Upper
	Load   *Load  // its live sessions; never nil
	// Share is what it gets in slow start: tenths of its full share, up to FullShare. 0 = it is not in
	// slow start. Only schedulers that may have slow start heed it.
	Share uint8

	Hashed uint32 // what mh hashes of it: HashedOf
	last   int32  // its latest weight above 0; NewPool sets it
}

// available reports whether a new session may go here.
func (s *Server) available() bool { return s.Weight > 0 && !s.Load.Overloaded() }

// Pool is the real servers of one service, ready to be picked from. Its servers never change: a
// change of the service is another pool.
type Pool struct {
	servers   []Server // file order: the kernel's list backwards, so that its walks go down
	scheduler scheduler
	tree      *tournament // nil in a small pool, and for schedulers that need none
	rule      Rule
	serial    uint64        // no other pool has it
	weighted  int32         // how many have a weight above 0
	hint      atomic.Uint32 // index of the one that Available found last
	out       []*Load       // real servers of the service that the pool leaves out
}

// serials counts pools, so that what outlives one can tell to which pool an index belongs. By an
// address it would keep the pool in memory.
var serials atomic.Uint64

// NewPool returns a pool of the real servers in file order. It goes on from where before stands,
// the pool that the service has now; nil begins a new service, which gets the servers one by one.
// Another kind than before's starts anew with the servers that before has.
//
// NewPool changes nothing that others see: it may be slow, and the pool may be thrown away. The
// pool keeps servers: the caller must not change the slice any more. Each Load belongs to one real
// server of one service.
func NewPool(rule Rule, servers []Server, before *Pool) *Pool {
	p := bare(rule, servers)
	p.keepWeights(before.plain())
	if rule.Kind.SlowStarts() && isSlow(servers) {
		p.scheduler = newSlow(p, before)
	} else {
		p.bind(before.plain())
	}
	return p
}

// bare returns a pool without scheduler.
func bare(rule Rule, servers []Server) *Pool {
	return &Pool{servers: servers, rule: rule, serial: serials.Add(1), weighted: weighted(servers)}
}

// bind gives a pool its scheduler, which goes on from where before stands.
func (p *Pool) bind(before *Pool) {
	p.scheduler = implementations[p.rule.Kind](p, before)
	p.tree = newTournament(p)
}

// keepWeights sets each real server's latest weight above 0. IPVS's last_weight is the weight of
// its addition, and then the latest one that is not 0 (__ip_vs_update_dest).
func (p *Pool) keepWeights(before *Pool) {
	var known map[*Load]int32
	for i := range p.servers {
		s := &p.servers[i]
		switch s.last = s.Weight; {
		case s.Weight > 0 || before == nil:
		case i < len(before.servers) && before.servers[i].Load == s.Load:
			s.last = before.servers[i].last
		default:
			if known == nil {
				known = before.lastWeights()
			}
			s.last = known[s.Load]
		}
	}
}

func (p *Pool) lastWeights() map[*Load]int32 {
	all := make(map[*Load]int32, len(p.servers))
	for i := range p.servers {
		all[p.servers[i].Load] = p.servers[i].last
	}
	return all
}

func weighted(servers []Server) (n int32) {
	for i := range servers {
		if servers[i].Weight > 0 {
			n++
		}
	}
	return n
}

// Publish puts the thresholds in force, moves the scheduler's place as the kernel would for this
// change, and stores the pool in at. at must hold the pool that NewPool was given as before, or the
// last one of a removed service that begins anew.
// Publish costs O(servers) and allocates nothing, but for rr where the last pick was removed.
// Control only, one caller at a time per service.
func (p *Pool) Publish(at *atomic.Pointer[Pool]) {
	before := at.Load()
	p.limit(before)
	now, was := p.plain(), before.plain()
	if was != nil && was.rule.Kind == now.rule.Kind && !slices.EqualFunc(was.servers, now.servers, isSame) {
		now.scheduler.follow(now, was)
	}
	now.take(was)
	at.Store(p)
}

// isSame reports whether two entries are alike to a scheduler's place.
func isSame(a, b Server) bool {
	a.last, a.Share = b.last, b.Share
	return a == b
}

// take has the real servers tell this pool's tournament of their changes instead of the last one's.
// Workers that still pick from the pool before walk through it until they see this one.
func (p *Pool) take(before *Pool) {
	if before != nil && before != p {
		before.tree.end()
	}
	if p.tree != nil {
		p.tree.begin()
	}
	if before != nil && before != p {
		before.tree.leave()
	}
}

// limit puts the thresholds in force. It leaves alone a Load whose thresholds did not change:
// workers write it.
func (p *Pool) limit(before *Pool) {
	for i := range p.servers {
		s := &p.servers[i]
		if before == nil || i >= len(before.servers) || !s.limitedAs(&before.servers[i]) {
			s.Load.limit(s.Upper, s.Lower)
		}
	}
}

// limitedAs reports whether two entries are one real server with the same thresholds.
func (s *Server) limitedAs(o *Server) bool {
	return s.Load == o.Load && s.Upper == o.Upper && s.Lower == o.Lower
}

// Pick returns the index, in the order given to NewPool, of the real server for one new session. ok
// is false (and the index -1) if none is available. The caller counts the session (Load.Begin)
// before it picks for the next one. Pick keeps nothing of r.
func (p *Pool) Pick(r Request) (index int, ok bool) {
	i := p.scheduler.pick(p, r)
	return i, i >= 0
}

// Peek returns the result of Pick without a change of state: it tells where a session would go.
func (p *Pool) Peek(r Request) (index int, ok bool) {
	i := p.scheduler.peek(p, r)
	return i, i >= 0
}

// Available reports whether a real server is available. It first tries the one that it found last,
// and walks the pool only when that one is overloaded. If all are overloaded, every call walks all
// of them. If all have weight 0, it looks at none.
func (p *Pool) Available() bool {
	if p.weighted == 0 {
		return false
	}
	if p.servers[p.hint.Load()].available() {
		return true
	}
	i := p.first(len(p.servers), 1)
	if i >= 0 {
		p.hint.Store(uint32(i))
	}
	return i >= 0
}

// Len returns the number of real servers.
func (p *Pool) Len() int { return len(p.servers) }

// At returns the real server of an index. The caller must not change it.
func (p *Pool) At(i int) *Server { return &p.servers[i] }

// ID returns the id of the real server of an index.
func (p *Pool) ID(i int) uint32 { return p.servers[i].ID }

// Kind returns the pool's scheduler.
func (p *Pool) Kind() Kind { return p.rule.Kind }

// first walks the list from after the real server of index from (from the head: len(p.servers)) to
// its end. It returns the first available one of at least the given weight, or -1.
func (p *Pool) first(from int, weight int32) int {
	for i := from - 1; i >= 0; i-- {
		if s := &p.servers[i]; s.Weight >= weight && !s.Load.Overloaded() {
			return i
		}
	}
	return -1
}

// after returns the index from which first continues after a last pick, which is that index + 1, or
// 0 for the head. Any number is safe: one beyond the pool means the head.
func (p *Pool) after(last uint32) int {
	if last == 0 || int(last) > len(p.servers) {
		return len(p.servers)
	}
	return int(last) - 1
}
