package sched

import "sync/atomic"

// wrr follows net/netfilter/ipvs/ip_vs_wrr.c.
type wrr struct {
	place *wrrPlace
	step  int32 // gcd of the weights, at least 1
	top   int32 // the highest weight level, 0 if no weight is above 0
}

// wrrPlace is the place of a service's weighted round robin, shared by all its pools. It fills a
// cache line: workers write it for each new session.
type wrrPlace struct {
	cursor atomic.Uint64 // packed
	_      [56]byte
}

// A wrrCursor is a place. Any value is safe in any pool.
type wrrCursor struct {
	last  uint32 // index in file order of the last pick + 1; 0 = the head of the list
	level int32  // real servers of at least this weight are picked now; 0 = none had a weight
}

func unpack(word uint64) wrrCursor {
	return wrrCursor{last: uint32(word >> 32), level: int32(word)}
}

func (c wrrCursor) pack() uint64 { return uint64(c.last)<<32 | uint64(uint32(c.level)) }

func at(index int, level int32) wrrCursor {
	return wrrCursor{last: uint32(index) + 1, level: level}
}

// newWRR takes over the place of a wrr. For a service that had another scheduler it begins at the
// top of the real servers of that time: ip_vs_bind_scheduler gives them to wrr all at once. A new
// service adds its real servers one by one, and so begins at the lowest level.
func newWRR(p, before *Pool) scheduler {
	s := new(wrr)
	s.step, s.top = levels(p.servers)
	level := int32(0)
	switch {
	case before == nil:
	case before.rule.Kind == WRR:
		s.place = before.scheduler.(*wrr).place
		return s
	default:
		_, level = levels(before.servers)
	}
	s.place = new(wrrPlace)
	s.place.cursor.Store(wrrCursor{level: s.refit(level)}.pack())
	return s
}

// levels returns the step, the gcd of all weights, and the top level, the kernel's max - (gcd - 1).
func levels(servers []Server) (step, top int32) {
	for i := range servers {
		if w := servers[i].Weight; w > 0 {
			step, top = gcd(w, step), max(top, w)
		}
	}
	if step == 0 {
		return 1, 0
	}
	return step, top - (step - 1)
}

func gcd(a, b int32) int32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (s *wrr) pick(p *Pool, _ Request) int {
	if s.top == 0 {
		return -1
	}
	for {
		old := s.place.cursor.Load()
		i, next := s.walk(p, unpack(old))
		if s.place.cursor.CompareAndSwap(old, next.pack()) {
			return i
		}
	}
}

func (s *wrr) peek(p *Pool, _ Request) int {
	if s.top == 0 {
		return -1
	}
	i, _ := s.walk(p, unpack(s.place.cursor.Load()))
	return i
}

// follow starts at the head again and keeps the level, as IPVS's wrr does when a real server is
// added, removed or edited.
func (s *wrr) follow(_, _ *Pool) {
	for {
		old := s.place.cursor.Load()
		moved := wrrCursor{level: s.refit(unpack(old).level)}.pack()
		if moved == old || s.place.cursor.CompareAndSwap(old, moved) {
			return
		}
	}
}

// refit returns the level at which wrr goes on in a changed pool, as ip_vs_wrr_dest_changed does.
// Level 0 means that no real server had a weight. The first one that has a weight is alone then:
// its top is 1, and further additions keep that level.
func (s *wrr) refit(level int32) int32 {
	switch {
	case level > s.top:
		return s.top
	case level <= 0:
		return min(1, s.top)
	case s.step > 1:
		return level/s.step*s.step + 1
	}
	return level
}

// walk makes one step: it returns the pick, or -1, and where it leaves the cursor.
func (s *wrr) walk(p *Pool, c wrrCursor) (int, wrrCursor) {
	from, level := p.after(c.last), c.level
	if level <= 0 {
		level = s.top
	}
	if i := p.first(from, level); i >= 0 {
		return i, at(i, level)
	}
	below := s.below(level)
	if i := p.first(len(p.servers), below); i >= 0 {
		return i, at(i, below)
	}
	// The kernel goes down level by level with one walk each. The levels above the heaviest
	// available real server would find nothing. Skipping them saves up to 65535 walks if that
	// weight is overloaded.
	if i := heaviest(p); i >= 0 {
		return i, at(i, p.servers[i].Weight-s.step+1)
	}
	return -1, s.exhausted(p, from, level)
}

// below returns the level after this one; the top comes after the lowest.
func (s *wrr) below(level int32) int32 {
	if level > s.step {
		return level - s.step
	}
	return s.top
}

// exhausted returns where the kernel's walk ends when all are overloaded: at the real server where
// it began if that was on the lowest level, else at the top.
func (s *wrr) exhausted(p *Pool, from int, level int32) wrrCursor {
	if from < len(p.servers) && level <= s.step {
		return at(from, level)
	}
	return wrrCursor{level: s.top}
}

// heaviest returns the first available real server of the greatest weight, or -1.
func heaviest(p *Pool) int {
	best, weight := -1, int32(0)
	servers := p.servers
	for i := len(servers) - 1; i >= 0; i-- {
		if s := &servers[i]; s.Weight > weight && !s.Load.Overloaded() {
			best, weight = i, s.Weight
		}
	}
	return best
}
