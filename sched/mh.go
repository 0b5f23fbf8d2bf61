package sched

import (
	"math/bits"

	"fulcrum/lvs"
	"fulcrum/packet"
)

const maglevSlots = lvs.MaglevSlots

// The keys of mh's two hashes (ip_vs_mh.c, generate_hash_secret).
var (
	maglevPick = sipKey{2654435761, 2654435761} // a client's slot, and a real server's first
	maglevSkip = sipKey{2654446892, 2654446892} // the step between a real server's slots
)

// HashedOf returns what mh hashes of a real server. IPVS reads its address in the family of the
// service: of an IPv6 address it sees only the first word if the VIP is an IPv4 address.
func HashedOf(vip, address packet.Addr, port uint16) uint32 {
	if vip.Is4() && !address.Is4() {
		return uint32(address.Hi>>32) + uint32(port)
	}
	return fold(address) + uint32(port)
}

// mh follows net/netfilter/ipvs/ip_vs_mh.c: Maglev hashing (D. E. Eisenbud and others, "Maglev: A
// Fast and Reliable Software Network Load Balancer", 3.4). The table is built with the pool, off
// the workers. It goes by the latest weights above 0, so that weight 0 moves no other client: a
// drained real server keeps its slots, and an overloaded one too.
type mh struct {
	slots [maglevSlots]uint16 // indices of real servers
	empty bool                // no real server ever had a weight
}

func newMH(p, _ *Pool) scheduler {
	s := new(mh)
	servers := p.servers[:min(len(p.servers), maglevSlots)] // more would not fit
	turns := turnsOf(servers)
	if s.empty = turns == nil; !s.empty {
		s.fill(servers, turns)
	}
	return s
}

// walk is one real server's way through the table.
type walk struct {
	at, skip uint32 // the slot that it would take next, and the step to the one after
	turn     int32  // how many slots it takes at a time; 0 = none
}

// turnsOf returns the walks of the real servers, or nil if none has a latest weight. A turn is the
// latest weight divided by the gcd of all, and by a power of two that leaves the greatest 6 bits.
func turnsOf(servers []Server) []walk {
	divisor, most := int32(0), int32(0)
	for i := range servers {
		divisor, most = gcd(servers[i].last, divisor), max(most, servers[i].last)
	}
	if divisor == 0 {
		return nil
	}
	shift := max(0, bits.Len32(uint32(most/divisor))-6)
	walks := make([]walk, len(servers))
	for i := range servers {
		s := &servers[i]
		walks[i] = walk{
			at:   maglevPick.of(s.Hashed) % maglevSlots,
			skip: maglevSkip.of(s.Hashed)%(maglevSlots-1) + 1,
		}
		if s.last > 0 {
			walks[i].turn = max(1, s.last/divisor>>shift)
		}
	}
	return walks
}

// fill has the real servers take free slots by turns, in the kernel's order, until none is left.
func (s *mh) fill(servers []Server, walks []walk) {
	var taken [maglevSlots]bool
	left := maglevSlots
	for {
		for i := len(servers) - 1; i >= 0; i-- {
			w := &walks[i]
			for range w.turn {
				for taken[w.at] {
					w.at = (w.at + w.skip) % maglevSlots
				}
				taken[w.at], s.slots[w.at] = true, uint16(i)
				if left--; left == 0 {
					return
				}
			}
		}
	}
}

func (s *mh) pick(p *Pool, r Request) int {
	if s.empty || p.weighted == 0 {
		return -1
	}
	client := clientOf(p, r)
	h := maglevPick.of(client) % maglevSlots
	i := int(s.slots[h])
	if p.servers[i].available() {
		return i
	}
	if p.rule.Flags&lvs.SchedFallback == 0 || !p.Available() {
		return -1
	}
	return s.fallback(p, client, h)
}

// fallback hashes the client with other numbers until it meets an available real server: each of
// the slots' numbers once, beginning with the client's own slot. It may miss one with few slots.
func (s *mh) fallback(p *Pool, client, h uint32) int {
	for k := range uint32(maglevSlots) {
		i := int(s.slots[maglevPick.of(client+(h+k)%maglevSlots)%maglevSlots])
		if p.servers[i].available() {
			return i
		}
	}
	return -1
}

func (s *mh) peek(p *Pool, r Request) int { return s.pick(p, r) }

func (*mh) follow(_, _ *Pool) {}
