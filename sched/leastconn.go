package sched

// pickLC follows net/netfilter/ipvs/ip_vs_lc.c.
func (p *Pool) pickLC() int {
	best, least := -1, int64(0)
	for i := len(p.servers) - 1; i >= 0; i-- {
		s := &p.servers[i]
		if !s.available() {
			continue
		}
		if o := s.Load.overhead(); best < 0 || o < least {
			best, least = i, o
		}
	}
	return best
}

// pickWLC follows net/netfilter/ipvs/ip_vs_wlc.c: overheads per weight, compared by cross-multiplication. With weights
// up to 65535 the products fit 64 bits for any number of sessions.
func (p *Pool) pickWLC() int {
	best, least, weight := -1, int64(0), int64(0)
	for i := len(p.servers) - 1; i >= 0; i-- {
		s := &p.servers[i]
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
