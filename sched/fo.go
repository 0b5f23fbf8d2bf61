package sched

// fo follows net/netfilter/ipvs/ip_vs_fo.c: fail-over by weight. All sessions go to one real
// server, while it is available.
type fo struct{}

func newFO(_, _ *Pool) scheduler { return new(fo) }

func (*fo) pick(p *Pool, _ Request) int { return heaviest(p) }

func (*fo) peek(p *Pool, _ Request) int { return heaviest(p) }

func (*fo) follow(_, _ *Pool) {}
