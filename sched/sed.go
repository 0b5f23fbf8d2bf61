package sched

// sed follows net/netfilter/ipvs/ip_vs_sed.c: the expected delay, as if the real server had the new
// session already. Inactive sessions count nothing.
type sed struct{}

func newSED(_, _ *Pool) scheduler { return new(sed) }

func (*sed) pick(p *Pool, _ Request) int {
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
		if best < 0 || least*w > o*weight {
			best, least, weight = i, o, w
		}
	}
	return best
}

func (s *sed) peek(p *Pool, r Request) int { return s.pick(p, r) }

func (*sed) follow(_, _ *Pool) {}
