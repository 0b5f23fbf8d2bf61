package engine

import (
	"net/netip"

	"fulcrum/lvs"
	"fulcrum/match"
	"fulcrum/packet"
)

// What services claim: a single address and port is in a hash table, and all other matches are in
// a tree of ranges, which is asked afterwards. So the narrowest match decides.

// ranges is what a snapshot's services claim by matches of several addresses or ports. It is built
// anew when one of them changes.
type ranges struct {
	services *match.Table[*serviceEntry]
	// leaving holds the owner of clients' flows of each match that was given up and may have
	// sessions.
	leaving *match.Table[lvs.Owner]
	vips    match.Spans // the addresses of matches with several
	loud    match.Spans // those of services that want them announced
	// answering has the matches of services with Echo.
	answering *match.Table[*liveService]
}

// serviceAt returns the service that claims a destination.
func (n *snapshot) serviceAt(a packet.Addr, port uint16, protocol uint8) (*serviceEntry, bool) {
	e, ok := n.services.get(socketKey(a, port, protocol))
	if ok || n.ranges == nil {
		return e, ok
	}
	return n.ranges.services.Find(a, port, protocol)
}

// leavingAt returns the owner of clients' flows to a destination that a service claimed before.
func (n *snapshot) leavingAt(k *packet.Key) (lvs.Owner, bool) {
	owner, ok := n.leaving.get(socketKey(k.Dst, k.DstPort, k.Protocol))
	if ok || n.ranges == nil {
		return owner, ok
	}
	return n.ranges.leaving.Find(k.Dst, k.DstPort, k.Protocol)
}

// kindOf returns the kind of an address in one of the ranges.
func (r *ranges) kindOf(a packet.Addr) (addressKind, bool) {
	switch {
	case !r.vips.Has(a):
		return 0, false
	case r.loud.Has(a):
		return vip, true
	}
	return passiveVIP, true
}

// alive reports whether a service whose ranges have a VIP, and which answers echo requests, has a
// real server available.
func (r *ranges) alive(vip packet.Addr) (alive bool) {
	r.answering.Covering(vip, func(s *liveService) bool {
		alive = s.pool.Load().Available()
		return !alive
	})
	return alive
}

// entryKey returns the key under which a snapshot has a service, whatever it claims.
func entryKey(live *liveService) lookupKey {
	if live.id.Single() {
		return singleKey(live.id.Match())
	}
	return lookupKey{packet.Addr{Lo: uint64(live.number)}, 2 << 32}
}

// singleKey returns the key of a match of one address and port.
func singleKey(m lvs.Match) lookupKey {
	return socketKey(packet.AddrOf(m.First), m.Ports.First, uint8(m.Protocol))
}

// serviceOf returns a snapshot's entry of a service.
func (n *snapshot) serviceOf(live *liveService) (*serviceEntry, bool) {
	e, ok := n.services.get(entryKey(live))
	return e, ok && e.live == live
}

// claims returns what the service claims.
func (s *Service) claims() []lvs.Match {
	if len(s.Matches) > 0 || s.Mark != 0 || !s.Address.IsValid() {
		return s.Matches
	}
	return []lvs.Match{lvs.MatchOf(s.Protocol, s.Address)}
}

// addressed returns the matches with one address each, and spread returns those with several.
func (s *Service) addressed() []lvs.Match { return selected(s.claims(), lvs.Match.OneAddress) }

func (s *Service) spread() []lvs.Match {
	return selected(s.claims(), func(m lvs.Match) bool { return !m.OneAddress() })
}

// singles returns the matches with one address and port, and ranged returns all others.
func (s *Service) singles() (all []lvs.Match) { return selected(s.claims(), lvs.Match.Single) }

func (s *Service) ranged() []lvs.Match {
	return selected(s.claims(), func(m lvs.Match) bool { return !m.Single() })
}

func selected(all []lvs.Match, want func(lvs.Match) bool) (some []lvs.Match) {
	for _, m := range all {
		if want(m) {
			some = append(some, m)
		}
	}
	return some
}

// at returns the real server's address with a port in place of 0.
func (e *serverEntry) at(port uint16) netip.AddrPort {
	if e.port != 0 {
		return e.id.Address
	}
	return netip.AddrPortFrom(e.id.Address.Addr(), port)
}
