package sched

// lc follows net/netfilter/ipvs/ip_vs_lc.c.
type lc struct{}

func newLC(_, _ *Pool) scheduler { return new(lc) }

func (*lc) pick(p *Pool, _ Request) int {
	if i, ok := p.tree.leader(); ok {
		return i
	}
	best, least := -1, int64(0)
	servers := p.servers // a local slice avoids a bounds check
	for i := len(servers) - 1; i >= 0; i-- {
		s := &servers[i]
		if !s.available() {
			continue
		}
		if o := s.Load.overhead(); best < 0 || o < least {
			best, least = i, o
		}
	}
	return best
}

func (s *lc) peek(p *Pool, r Request) int { return s.pick(p, r) }

func (*lc) follow(_, _ *Pool) {}
