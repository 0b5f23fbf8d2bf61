package sched

// lblcr follows net/netfilter/ipvs/ip_vs_lblcr.c: as lblc, with a set of real servers for each
// destination. The set grows when its least loaded member has no room. If it has not changed for a
// day, the member with the most load leaves it. A real server that was removed stays a member, and
// is one again when it comes back.
type lblcr struct{ *locality }

func newLBLCR(_, before *Pool) scheduler {
	if before != nil && before.rule.Kind == LBLCR {
		return before.scheduler
	}
	return lblcr{newLocality()}
}

func (s lblcr) pick(p *Pool, r Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look(r.Now)
	e := s.find(r.Dst)
	if e != nil {
		e.used = r.Now
	}
	best := e.lightest(p)
	if e != nil && e.size > 1 && age(r.Now, e.modified) > localityStale {
		s.shrink(e, p, r.Now)
	}
	if best >= 0 && !p.crowded(best) {
		return best
	}
	if best = least(p); best >= 0 {
		s.grow(p, e, best, r)
	}
	return best
}

func (s lblcr) peek(p *Pool, r Request) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.look(r.Now)
	if i := s.find(r.Dst).lightest(p); i >= 0 && !p.crowded(i) {
		return i
	}
	return least(p)
}

// lightest returns the index of the available member with the least overhead for its weight, the
// newest of equals, or -1. e may be nil.
func (e *destination) lightest(p *Pool) int {
	if e == nil {
		return -1
	}
	best, least, weight := -1, int64(0), int64(0)
	for m := e.members; m != nil; m = m.next {
		i := m.in(p)
		if i < 0 || !p.servers[i].available() {
			continue
		}
		o, w := m.load.overhead(), int64(p.servers[i].Weight)
		if best < 0 || least*w > o*weight {
			best, least, weight = i, o, w
		}
	}
	return best
}

// shrink takes the member with the most overhead for its weight from a destination, the newest of
// equals. Members of weight 0 stay.
func (s lblcr) shrink(e *destination, p *Pool, now uint32) {
	var worst **member
	most, weight := int64(0), int64(0)
	for at := &e.members; *at != nil; at = &(*at).next {
		m := *at
		m.in(p) // reads its weight
		if o, w := m.load.overhead(), int64(m.weight); w > 0 && (worst == nil || most*w < o*weight) {
			worst, most, weight = at, o, w
		}
	}
	if worst != nil {
		s.dismiss(e, worst, now)
	}
}

// grow makes a real server a member of a destination, if it is not. e is the destination if it is
// known.
func (s lblcr) grow(p *Pool, e *destination, place int, r Request) {
	if e == nil {
		e = s.add(r.Dst, r.Now)
	}
	if e == nil {
		return
	}
	for m := e.members; m != nil; m = m.next {
		if m.load == p.servers[place].Load {
			return
		}
	}
	s.admit(e, p, place, r.Now)
}

func (lblcr) follow(_, _ *Pool) {}
