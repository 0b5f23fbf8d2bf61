package sched

// wlc follows net/netfilter/ipvs/ip_vs_wlc.c: overheads per weight, compared by
// cross-multiplication. With weights up to 65535 the products fit 64 bits for any number of
// sessions.
type wlc struct{}

func newWLC(_, _ *Pool) scheduler { return new(wlc) }

func (*wlc) pick(p *Pool, _ Request) int {
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
		o, w := s.Load.overhead(), int64(s.Weight)
		if best < 0 || least*w > o*weight {
			best, least, weight = i, o, w
		}
	}
	return best
}

func (s *wlc) peek(p *Pool, r Request) int { return s.pick(p, r) }

func (*wlc) follow(_, _ *Pool) {}

// least returns wlc's pick, or -1, for other schedulers.
func least(p *Pool) int { return (*wlc)(nil).pick(p, Request{}) }
