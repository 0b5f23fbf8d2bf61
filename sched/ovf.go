package sched

// ovf follows net/netfilter/ipvs/ip_vs_ovf.c: the real server of the greatest weight gets sessions
// until it has more active ones than its weight, then the next. UDP has no active sessions, so that
// nothing overflows. If all are full, there is no pick.
type ovf struct{}

func newOVF(_, _ *Pool) scheduler { return new(ovf) }

func (*ovf) pick(p *Pool, _ Request) int {
	if i, ok := p.tree.leader(); ok {
		return i
	}
	best, weight := -1, int32(0)
	servers := p.servers // a local slice avoids a bounds check
	for i := len(servers) - 1; i >= 0; i-- {
		s := &servers[i]
		if s.Weight > weight && !s.Load.Overloaded() && s.Load.Active() <= s.Weight {
			best, weight = i, s.Weight
		}
	}
	return best
}

func (s *ovf) peek(p *Pool, r Request) int { return s.pick(p, r) }

func (*ovf) follow(_, _ *Pool) {}
