package sched

// dh follows net/netfilter/ipvs/ip_vs_dh.c: one real server for each destination address. It is
// meant for caches, whose destinations are origins. With one VIP all sessions go to one of them.
type dh struct{ slots slots }

func newDH(p, _ *Pool) scheduler {
	s := new(dh)
	if len(p.servers) > 0 {
		s.slots.deal(p.servers, func(*Server) int32 { return 1 })
	}
	return s
}

func (s *dh) pick(p *Pool, r Request) int {
	if p.weighted == 0 {
		return -1
	}
	i := int(s.slots[goldenHash(fold(r.Dst), slotBits)])
	if !p.servers[i].available() {
		return -1
	}
	return i
}

func (s *dh) peek(p *Pool, r Request) int { return s.pick(p, r) }

func (*dh) follow(_, _ *Pool) {}
