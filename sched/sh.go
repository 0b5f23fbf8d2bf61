package sched

import "fulcrum/lvs"

// sh follows net/netfilter/ipvs/ip_vs_sh.c. Its table is dealt out anew with every change of the
// real servers or of a weight, so that such a change moves most clients. A real server of weight 0
// keeps a slot in each turn.
type sh struct{ slots slots }

func newSH(p, _ *Pool) scheduler {
	s := new(sh)
	if len(p.servers) > 0 {
		s.slots.deal(p.servers, func(s *Server) int32 { return s.Weight })
	}
	return s
}

func (s *sh) pick(p *Pool, r Request) int {
	if p.weighted == 0 {
		return -1
	}
	h := goldenHash(clientOf(p, r), slotBits)
	i := int(s.slots[h])
	if p.servers[i].available() {
		return i
	}
	if p.rule.Flags&lvs.SchedFallback == 0 {
		return -1
	}
	return s.fallback(p, h)
}

// fallback looks from slot 2h on: the kernel adds an offset to the hash that begins at h itself.
func (s *sh) fallback(p *Pool, h uint32) int {
	for k := range uint32(len(s.slots)) {
		i := int(s.slots[(2*h+k)%uint32(len(s.slots))])
		if p.servers[i].available() {
			return i
		}
	}
	return -1
}

func (s *sh) peek(p *Pool, r Request) int { return s.pick(p, r) }

func (*sh) follow(_, _ *Pool) {}
