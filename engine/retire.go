package engine

import (
	"math"
	"net/netip"
	"slices"

	"fulcrum/packet"
)

// A local address that a service no longer has is retired: its sessions go on, so the director
// answers for the address and steers its packets until the last of them has ended. It is neither
// announced nor defended, and no new session uses it. If it comes back, it is current again. If it
// becomes the address of another station, its sessions are lost.

// numberLocals gives each local address of a service a number, and retires those that the service
// has no longer. was holds the local addresses that sessions may use.
func (c *change) numberLocals(live *liveService, was []packet.Addr) {
	r, current := c.registry, setOf(live.settings.LocalAddresses)
	adopted := c.engine.adopted() >= live.retiredAt // of what was retired before
	for _, a := range was {
		if !current[a] {
			c.retire(live, a)
		}
	}
	for _, a := range live.settings.LocalAddresses {
		r.unretire(live, packet.AddrOf(a))
	}
	if live.numbers.lack(live.settings.LocalAddresses) {
		live.numbers = live.numbers.with(live.settings.LocalAddresses, func(number int) bool {
			a := live.numbers.addresses[number]
			return adopted && !current[a] && !slices.Contains(r.retired[a], live) && !r.used(live, a)
		})
	}
}

func setOf(addresses []netip.Addr) map[packet.Addr]bool {
	set := make(map[packet.Addr]bool, len(addresses))
	for _, a := range addresses {
		set[packet.AddrOf(a)] = true
	}
	return set
}

// all returns the addresses that have a number.
func (n *localNumbers) all() []packet.Addr {
	if n == nil {
		return nil
	}
	return n.addresses
}

// lack reports whether one of some addresses has no number.
func (n *localNumbers) lack(addresses []netip.Addr) bool {
	return slices.ContainsFunc(addresses, func(a netip.Addr) bool {
		return n == nil || !n.has(packet.AddrOf(a))
	})
}

func (n *localNumbers) has(a packet.Addr) bool {
	_, ok := n.of.get(addressKey(a))
	return ok
}

// with returns numbers for some addresses too. It uses free numbers again.
func (n *localNumbers) with(addresses []netip.Addr, free func(number int) bool) *localNumbers {
	more := &localNumbers{addresses: slices.Clone(n.all())}
	if n != nil {
		more.of = n.of
	}
	more.of = more.of.clone(len(addresses))
	next := 0
	for _, address := range addresses {
		a := packet.AddrOf(address)
		if more.has(a) {
			continue
		}
		for next < len(n.all()) && !free(next) {
			next++
		}
		more.give(next, a)
		next++
	}
	return more
}

// give assigns a number, which may be the next new one, to an address.
func (n *localNumbers) give(number int, a packet.Addr) {
	if number == len(n.addresses) {
		n.addresses = append(n.addresses, a)
	} else {
		n.of.remove(addressKey(n.addresses[number]))
		n.addresses[number] = a
	}
	n.of.set(addressKey(a), uint32(number))
}

// retire keeps a local address for the sessions of a service that has it no longer.
func (c *change) retire(live *liveService, a packet.Addr) {
	r := c.registry
	live.retiredAt = r.revision + 1
	c.changed = true
	if !slices.Contains(r.retired[a], live) {
		r.retired[a] = append(r.retired[a], live)
		c.touched = append(c.touched, a)
	}
}

// unretire reverses retire.
func (r *registry) unretire(live *liveService, a packet.Addr) {
	left := slices.DeleteFunc(r.retired[a], func(s *liveService) bool { return s == live })
	if len(left) == 0 {
		delete(r.retired, a)
	} else {
		r.retired[a] = left
	}
}

// dropRetired gives up the retired addresses of a service that is removed: its sessions' packets
// are dropped. Old snapshots may still use any of its addresses.
func (c *change) dropRetired(live *liveService) {
	live.retiredAt = c.registry.revision + 1
	for _, a := range live.numbers.all() {
		if slices.Contains(c.registry.retired[a], live) {
			c.registry.unretire(live, a)
			c.touched = append(c.touched, a)
		}
	}
}

// used reports whether a session of a service, or of a removed real server, is from a local
// address.
func (r *registry) used(live *liveService, a packet.Addr) bool {
	for _, id := range live.servers {
		if r.live[id].use.Load().sessions(a) > 0 {
			return true
		}
	}
	return false
}

// releaseRetired gives up the retired addresses from which no session is left. It goes before what
// changes services: it reads their views.
func (c *change) releaseRetired() {
	adopted := c.engine.adopted()
	for a, services := range c.registry.retired {
		for _, live := range slices.Clone(services) {
			if adopted >= live.retiredAt && live.view.Load().sessionsFrom(a) == 0 {
				c.registry.unretire(live, a)
				c.touched, c.changed = append(c.touched, a), true
			}
		}
	}
}

// retiredLocal is a local address that is kept for the sessions of a service.
type retiredLocal struct {
	service *liveService
	address packet.Addr
}

// retiredLocals returns all that is retired.
func (r *registry) retiredLocals() (all []retiredLocal) {
	for a, services := range r.retired {
		for _, live := range services {
			all = append(all, retiredLocal{live, a})
		}
	}
	return all
}

// touchRetired marks the retired addresses among those of real servers, which may now be other
// stations'.
func (c *change) touchRetired(servers []RealServer) {
	if len(c.registry.retired) == 0 {
		return
	}
	for _, rs := range servers {
		if a := packet.AddrOf(rs.Address.Addr()); len(c.registry.retired[a]) > 0 {
			c.touched = append(c.touched, a)
		}
	}
}

// retains reports whether the director keeps a retired address: sessions may use it, and it has not
// become another station's.
func (c *change) retains(a packet.Addr) bool {
	return len(c.registry.retired[a]) > 0 && !c.stations()[a]
}

// stations returns the addresses that the settings give to other stations: static neighbours,
// gateways and real servers.
func (c *change) stations() map[packet.Addr]bool {
	if c.others != nil {
		return c.others
	}
	c.others = map[packet.Addr]bool{}
	for _, n := range c.new.topology.settings.neighbours {
		c.others[packet.AddrOf(n.Address)] = true
	}
	for _, r := range c.new.topology.settings.routes {
		c.others[packet.AddrOf(r.Via)] = true
	}
	for _, live := range c.registry.services {
		for _, rs := range live.settings.RealServers {
			c.others[packet.AddrOf(rs.Address.Addr())] = true
		}
	}
	return c.others
}

// announced reports whether a port announces an address: one for which it answers, unless only old
// sessions need it.
func (n *snapshot) announced(port int, a packet.Addr) bool {
	if kind, _ := n.kindOf(a); kind == retiredAddress {
		return n.ports[port].owns(a)
	}
	return n.answers(port, a)
}

// sessionAddresses returns the local addresses that sessions of a service may use before it gets
// other settings: those that it has, and those of older sessions. It returns none if the next
// settings do not matter to them.
func (c *change) sessionAddresses(live *liveService, next *Service) []packet.Addr {
	if live.configured && slices.Equal(live.settings.LocalAddresses, next.LocalAddresses) &&
		!c.registry.returns(live, next) {
		return nil
	}
	var had []packet.Addr
	for _, a := range live.settings.LocalAddresses {
		had = append(had, packet.AddrOf(a))
	}
	for _, a := range live.numbers.all() {
		if c.registry.used(live, a) {
			had = append(had, a)
		}
	}
	return had
}

// returns reports whether one of a service's next real servers was removed and is remembered.
func (r *registry) returns(live *liveService, next *Service) bool {
	return slices.ContainsFunc(next.RealServers, func(rs RealServer) bool {
		id, known := live.servers[rs.Address]
		return known && !r.live[id].gone.IsZero()
	})
}

// adopted returns the revision that all workers have adopted.
func (e *Engine) adopted() uint64 {
	least := uint64(math.MaxUint64)
	for _, w := range e.workers {
		least = min(least, w.published.adopted.Load())
	}
	return least
}
