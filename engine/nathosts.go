package engine

import (
	"slices"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// The registry counts the real servers at each address whose own packets are routed plainly. It
// counts none while route_unmatched is off.

// setRouting begins or ends counting when route_unmatched changes.
func (c *change) setRouting() {
	on := c.new.settings.RouteUnmatched
	if on == c.old.settings.RouteUnmatched {
		return
	}
	c.registry.natHosts = map[packet.Addr]int{}
	c.new.natHosts, c.own.natHosts = lookup[struct{}]{}, true
	for _, live := range c.registry.services {
		if live.configured {
			c.countHosts(&live.settings, 1)
		}
	}
}

// recountHosts follows the change of a service. It adds before it subtracts, so that the counts of
// addresses that stay are never zero.
func (c *change) recountHosts(was, is *Service) {
	same := func(a, b RealServer) bool {
		return a.Address.Addr() == b.Address.Addr() && a.Mode == b.Mode
	}
	if was.Mode == is.Mode && slices.EqualFunc(was.RealServers, is.RealServers, same) {
		return
	}
	c.countHosts(is, 1)
	c.countHosts(was, -1)
}

// countHosts adds by, 1 or -1, to the number of real servers at each address of a service whose
// gateway is the director: their answers pass it, addressed to the clients.
func (c *change) countHosts(s *Service, by int) {
	if !c.new.settings.RouteUnmatched {
		return
	}
	for _, rs := range s.RealServers {
		if mode := s.modeOf(&rs); !mode.TwoWay() || mode.Source() != lvs.Client {
			continue
		}
		a := packet.AddrOf(rs.Address.Addr())
		before := c.registry.natHosts[a]
		c.registry.natHosts[a] += by
		switch {
		case before == 0:
			ownLookup(c, &c.own.natHosts, &c.new.natHosts, 1).set(addressKey(a), struct{}{})
		case before+by == 0:
			delete(c.registry.natHosts, a)
			ownLookup(c, &c.own.natHosts, &c.new.natHosts, 0).remove(addressKey(a))
		}
	}
}
