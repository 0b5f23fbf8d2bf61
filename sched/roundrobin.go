package sched

// pickRR follows net/netfilter/ipvs/ip_vs_rr.c: the rest of the list after the last pick, then all of it.
func (p *Pool) pickRR() int {
	for {
		old := p.state.cursor.Load()
		i := p.next(unpack(old))
		if i < 0 || p.state.cursor.CompareAndSwap(old, at(i, 0).pack()) {
			return i
		}
	}
}

func (p *Pool) peekRR() int { return p.next(unpack(p.state.cursor.Load())) }

// next is the first available one after the last pick, or -1.
func (p *Pool) next(c cursor) int {
	if i := p.first(p.place(c), 1); i >= 0 {
		return i
	}
	return p.first(len(p.servers), 1)
}

// pickWRR follows net/netfilter/ipvs/ip_vs_wrr.c.
func (p *Pool) pickWRR() int {
	if p.top == 0 {
		return -1
	}
	for {
		old := p.state.cursor.Load()
		i, next := p.walk(unpack(old))
		if p.state.cursor.CompareAndSwap(old, next.pack()) {
			return i
		}
	}
}

func (p *Pool) peekWRR() int {
	if p.top == 0 {
		return -1
	}
	i, _ := p.walk(unpack(p.state.cursor.Load()))
	return i
}

// walk makes one step of wrr: the pick, or -1, and where it leaves the cursor.
func (p *Pool) walk(c cursor) (int, cursor) {
	from, level := p.place(c), c.level
	if level <= 0 {
		level = p.top
	}
	if i := p.first(from, level); i >= 0 {
		return i, at(i, level)
	}
	below := p.below(level)
	if i := p.first(len(p.servers), below); i >= 0 {
		return i, at(i, below)
	}
	// The kernel goes down level by level, a walk each. All levels down to that of the heaviest available one would find
	// nothing: go there at once, so that an overloaded real server of weight 65535 does not cost 65535 walks.
	if i := p.heaviest(); i >= 0 {
		return i, at(i, p.servers[i].Weight-p.step+1)
	}
	return -1, p.exhausted(from, level)
}

// exhausted returns where the kernel's walk ends when all are overloaded: at the real server it began after if that
// was on the lowest level, else at the top.
func (p *Pool) exhausted(from int, level int32) cursor {
	if from < len(p.servers) && level <= p.step {
		return at(from, level)
	}
	return cursor{level: p.top}
}

// below returns the level after this one; the top comes after the lowest.
func (p *Pool) below(level int32) int32 {
	if level > p.step {
		return level - p.step
	}
	return p.top
}

// refit returns the level at which wrr goes on in a changed pool.
func (p *Pool) refit(level int32) int32 {
	if level <= 0 || level > p.top {
		return p.top
	}
	if p.step > 1 {
		return level/p.step*p.step + 1
	}
	return level
}

// place returns the index the walk goes on from; the head is len(p.servers).
func (p *Pool) place(c cursor) int {
	if c.last == 0 || int(c.last) > len(p.servers) {
		return len(p.servers)
	}
	return int(c.last) - 1
}

func at(index int, level int32) cursor { return cursor{last: uint32(index) + 1, level: level} }

// levels returns wrr's step, the gcd of all weights, and its top level, the kernel's max - (gcd - 1).
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
