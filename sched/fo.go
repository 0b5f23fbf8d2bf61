package sched

// fo follows net/netfilter/ipvs/ip_vs_fo.c: fail-over by weight. All sessions go to one real
// server, while it is available.
type fo struct{}

func newFO(_, _ *Pool) scheduler { return new(fo) }

func (*fo) pick(p *Pool, _ Request) int {
	if i, ok := p.tree.leader(); ok {
		return i
	}
	return heaviest(p)
}

func (s *fo) peek(p *Pool, r Request) int { return s.pick(p, r) }

func (*fo) follow(_, _ *Pool) {}
