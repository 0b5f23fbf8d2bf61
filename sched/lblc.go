package sched

// lblc follows net/netfilter/ipvs/ip_vs_lblc.c: all sessions to one destination go to one real
// server, while that has room. It is meant for caches, whose destinations are origins. With one VIP
// all sessions go to one real server. A remembered real server gets sessions beyond its upper
// threshold, too: the kernel does not ask for that mark here.
type lblc struct{ *locality }

func newLBLC(_, before *Pool) scheduler {
	if before != nil && before.rule.Kind == LBLC {
		return before.scheduler
	}
	return lblc{newLocality()}
}

func (s lblc) pick(p *Pool, r Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look(r.Now)
	e := s.find(r.Dst)
	if e != nil {
		e.used = r.Now
	}
	if i := s.remembered(p, e); i >= 0 {
		return i
	}
	i := least(p)
	if i >= 0 {
		s.remember(p, e, i, r)
	}
	return i
}

func (s lblc) peek(p *Pool, r Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look(r.Now)
	if i := s.remembered(p, s.find(r.Dst)); i >= 0 {
		return i
	}
	return least(p)
}

// remembered returns the real server of a destination, or -1 if there is none or it has no room.
func (s lblc) remembered(p *Pool, e *destination) int {
	if e == nil || e.members == nil {
		return -1
	}
	i := e.members.in(p)
	if i < 0 || p.servers[i].Weight == 0 || p.crowded(i) {
		return -1
	}
	return i
}

// remember makes a real server that of a destination. e is the destination if it is known.
func (s lblc) remember(p *Pool, e *destination, place int, r Request) {
	if e == nil {
		e = s.add(r.Dst, r.Now)
	}
	if e == nil {
		return
	}
	for e.members != nil {
		s.dismiss(e, &e.members, r.Now)
	}
	s.admit(e, p, place, r.Now)
}

func (lblc) follow(_, _ *Pool) {}
