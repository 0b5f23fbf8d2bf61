package sched

// Server is one real server of a pool.
type Server struct {
	Weight int32 // share of the sessions, 0..65535; 0 drains
	Upper  int32 // overloaded once it has this many sessions; 0 = never
	Lower  int32 // free again below this many; 0 = below three quarters of Upper
	Load   *Load // its live sessions; never nil
}

// available reports whether a new session may go here.
func (s *Server) available() bool { return s.Weight > 0 && !s.Load.Overloaded() }

// Pool is the real servers of one service in one snapshot, ready to be picked from.
type Pool struct {
	servers []Server // file order: the kernel's list backwards, so that its walks go down
	state   *State
	pick    func(*Pool) int
	peek    func(*Pool) int

	step int32 // wrr: gcd of the weights, at least 1
	top  int32 // wrr: the highest weight level, 0 if no weight is above 0
}

// NewPool makes a pool of the real servers in file order, goes on from where state stands, and puts the thresholds in
// force. The pool keeps servers: the caller must not change the slice any more. Each State belongs to one service, and
// each Load to one real server of it. A pool is built to be published: the one before it may be picked from until then.
func NewPool(kind Kind, servers []Server, state *State) *Pool {
	p := &Pool{servers: servers, state: state, pick: schedulers[kind].pick, peek: schedulers[kind].peek}
	p.step, p.top = levels(servers)
	for i := range servers {
		servers[i].Load.limit(servers[i].Upper, servers[i].Lower)
	}
	state.follow(kind, p)
	return p
}

// Pick returns the index, in the order given to NewPool, of the real server for one new session; not ok (and -1) if
// none is available. The caller counts the session (Load.Begin) before it picks for the next one.
func (p *Pool) Pick() (index int, ok bool) {
	i := p.pick(p)
	return i, i >= 0
}

// Peek returns what Pick would, and moves nothing: it is for those who ask where a session would go.
func (p *Pool) Peek() (index int, ok bool) {
	i := p.peek(p)
	return i, i >= 0
}

// Available reports whether there is a real server for a new session.
func (p *Pool) Available() bool { return p.first(len(p.servers), 1) >= 0 }

// first walks the list from after the real server of index from (from the head: len(p.servers)) to its end, and returns
// the first available one of at least the given weight, or -1.
func (p *Pool) first(from int, weight int32) int {
	for i := from - 1; i >= 0; i-- {
		if s := &p.servers[i]; s.Weight >= weight && !s.Load.Overloaded() {
			return i
		}
	}
	return -1
}

// heaviest returns the first available one of the greatest weight, or -1.
func (p *Pool) heaviest() int {
	best, weight := -1, int32(0)
	for i := len(p.servers) - 1; i >= 0; i-- {
		if s := &p.servers[i]; s.Weight > weight && !s.Load.Overloaded() {
			best, weight = i, s.Weight
		}
	}
	return best
}
