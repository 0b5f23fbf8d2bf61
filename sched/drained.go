package sched

// Drained reports whether the real server with a load has weight 0 in the pool. If no real server
// has weight 0, it looks at none; else it walks the pool.
func (p *Pool) Drained(load *Load) bool {
	if int(p.weighted) == len(p.servers) {
		return false
	}
	for i := range p.servers {
		if s := &p.servers[i]; s.Load == load {
			return s.Weight == 0
		}
	}
	return false
}
