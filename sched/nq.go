package sched

// nq follows net/netfilter/ipvs/ip_vs_nq.c: an idle real server gets the session however light it
// is, and sed decides when none is idle.
type nq struct{}

func newNQ(_, _ *Pool) scheduler { return new(nq) }

func (*nq) pick(p *Pool, _ Request) int {
	if i, ok := p.tree.leader(); ok {
		return i
	}
	best, least, weight := -1, int64(0), int64(0)
	servers := p.servers // a local slice avoids a bounds check
	for i := len(servers) - 1; i >= 0; i-- {
		s := &servers[i]
		if !s.available() {
			continue
		}
		o, w := s.Load.delay(), int64(s.Weight)
		if o == 1 {
			return i
		}
		if best < 0 || least*w > o*weight {
			best, least, weight = i, o, w
		}
	}
	return best
}

func (s *nq) peek(p *Pool, r Request) int { return s.pick(p, r) }

func (*nq) follow(_, _ *Pool) {}
