package adopt

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// Link is a network interface.
type Link struct {
	Index int
	Name  string
	// AcceptRA is whether the interface takes router advertisements: the kernel's accept_ra, or ""
	// without IPv6.
	AcceptRA string
}

// Step is one step of a move.
type Step struct {
	Text     string // in the words of ip(8) or sysctl(8)
	do, undo action
}

// action is a request to the kernel, or the value of a switch.
type action struct {
	entry  entry
	remove bool
	file   string // of a switch; empty for an entry
	value  string
}

// site is all that the kernel has.
type site struct {
	names                         map[int]string // of interfaces, by index
	addresses, routes, neighbours []entry
}

// planner collects the steps of a move.
type planner struct {
	from, to Link
	steps    []Step
}

var words = [...]string{address: "address", route: "route", neighbour: "neighbour"}

// remove has an entry removed from its interface.
func (p *planner) remove(e *entry, l Link) {
	there := e.on(l)
	p.steps = append(p.steps, Step{
		Text: fmt.Sprintf("%s del %s dev %s", words[e.kind], e, l.Name),
		do:   action{entry: there, remove: true}, undo: action{entry: there},
	})
}

// add has an entry added to an interface.
func (p *planner) add(e *entry, l Link) {
	there := e.on(l)
	p.steps = append(p.steps, Step{
		Text: fmt.Sprintf("%s add %s dev %s", words[e.kind], e, l.Name),
		do:   action{entry: there}, undo: action{entry: there, remove: true},
	})
}

// plan returns the steps that move all of one interface to another. Entries are removed the last
// one first, and those that need others after them: routes need addresses, and gateways need the
// routes to them.
func plan(from, to Link, s *site) ([]Step, error) {
	p := &planner{from: from, to: to}
	addresses := s.addressesOf(from)
	routes, others, err := s.routesOf(from, addresses)
	if err != nil {
		return nil, err
	}
	neighbours := slices.DeleteFunc(slices.Clone(s.neighbours), func(e entry) bool {
		return e.link() != from.Index
	})
	if len(addresses)+len(routes)+len(neighbours) == 0 {
		return nil, nil
	}
	p.moveAdvertisements()
	p.removeAll(neighbours, from)
	for _, r := range slices.Backward(others) {
		p.remove(&r.entry, r.link)
	}
	p.removeAll(routes, from)
	p.removeAll(addresses, from)
	subnets := s.subnetsOf(from, addresses)
	p.removeAll(subnets, from)
	for i := range subnets {
		if !s.leads(to, subnets[i].destination()) {
			p.add(&subnets[i], to)
		}
	}
	for i := range addresses {
		if !s.has(to, addresses[i].local()) {
			p.add(&addresses[i], to)
		}
	}
	for i := range routes {
		p.add(&routes[i], to)
	}
	for _, r := range others {
		p.add(&r.entry, r.link)
	}
	for i := range neighbours {
		p.add(&neighbours[i], to)
	}
	return p.steps, nil
}

func (p *planner) removeAll(all []entry, l Link) {
	for _, e := range slices.Backward(all) {
		p.remove(&e, l)
	}
}

// moveAdvertisements has the other interface take router advertisements in place of this one, which
// would get its addresses again by them. If this one takes none, the other takes none either.
func (p *planner) moveAdvertisements() {
	if p.from.AcceptRA == "" || p.to.AcceptRA == "" { // without IPv6
		return
	}
	p.set(p.from.Name, p.from.AcceptRA, "0")
	p.set(p.to.Name, p.to.AcceptRA, p.from.AcceptRA)
}

func (p *planner) set(name, was, value string) {
	if was == value {
		return
	}
	file := acceptRA(name)
	p.steps = append(p.steps, Step{
		Text: fmt.Sprintf("sysctl net/ipv6/conf/%s/accept_ra=%s", name, value),
		do:   action{file: file, value: value}, undo: action{file: file, value: was},
	})
}

func acceptRA(name string) string { return "/proc/sys/net/ipv6/conf/" + name + "/accept_ra" }

func (s *site) addressesOf(l Link) []entry {
	return slices.DeleteFunc(slices.Clone(s.addresses), func(e entry) bool { return e.link() != l.Index })
}

// has reports whether an interface has an address already, such as the link-local one.
func (s *site) has(l Link, a netip.Prefix) bool {
	return slices.ContainsFunc(s.addresses, func(e entry) bool {
		return e.link() == l.Index && e.local().Addr() == a.Addr()
	})
}

// linked is an entry with its interface.
type linked struct {
	entry
	link Link
}

// routesOf returns the routes by an interface, those without a gateway first, and routes by others
// whose packets have an address of the interface as their source: the kernel removes them with it.
func (s *site) routesOf(l Link, addresses []entry) (routes []entry, others []linked, err error) {
	for _, r := range s.routes {
		switch {
		case r.header[7] != unix.RTN_UNICAST || r.table() == unix.RT_TABLE_LOCAL:
		case r.hasHop(l.Index):
			return nil, nil, fmt.Errorf("the route to %s has several gateways, one of them by %s, and "+
				"cannot be moved: remove it, and add it again afterwards", r.destination(), l.Name)
		case r.link() == l.Index:
			if !r.followsFrom(addresses) {
				routes = append(routes, r)
			}
		case r.link() != 0 && isSource(addresses, r.addr(unix.RTA_PREFSRC)):
			others = append(others, linked{r, Link{Index: r.link(), Name: s.names[r.link()]}})
		}
	}
	slices.SortStableFunc(routes, func(a, b entry) int { return a.rank() - b.rank() })
	return routes, others, nil
}

// leads reports whether a route to a destination leads by an interface.
func (s *site) leads(l Link, to netip.Prefix) bool {
	return slices.ContainsFunc(s.routes, func(r entry) bool {
		return r.link() == l.Index && r.destination() == to && r.table() == unix.RT_TABLE_MAIN
	})
}

// subnetsOf returns the IPv6 routes that the kernel has made of an interface's addresses. It makes
// them with the first address, and leaves them behind when an address with a lifetime goes.
func (s *site) subnetsOf(l Link, addresses []entry) (all []entry) {
	for _, r := range s.routes {
		if r.link() == l.Index && r.header[0] == unix.AF_INET6 && r.followsFrom(addresses) {
			all = append(all, r)
		}
	}
	return all
}

// rank is 0 for a route that gateways may need.
func (e *entry) rank() int {
	if e.get(unix.RTA_GATEWAY) == nil && e.get(unix.RTA_VIA) == nil {
		return 0
	}
	return 1
}

// hasHop reports whether a route with several next hops has one by an interface.
func (e *entry) hasHop(index int) bool {
	const header = 8 // of a next hop: length, flags, weight, interface
	for list := e.get(unix.RTA_MULTIPATH); len(list) >= header; {
		length := int(binary.NativeEndian.Uint16(list))
		hop := entry{kind: neighbour, header: list[:header]} // the interface is at the same place
		if hop.link() == index {
			return true
		}
		if length < header || length > len(list) {
			break
		}
		list = list[min((length+3)&^3, len(list)):]
	}
	return false
}

// followsFrom reports whether the kernel makes a route by itself: that to the subnet of an address.
func (e *entry) followsFrom(addresses []entry) bool {
	if e.header[5] != unix.RTPROT_KERNEL || e.rank() != 0 {
		return false
	}
	return slices.ContainsFunc(addresses, func(a entry) bool {
		return a.local().Masked() == e.destination() && a.flags()&unix.IFA_F_NOPREFIXROUTE == 0
	})
}

func isSource(addresses []entry, source netip.Addr) bool {
	return source.IsValid() && slices.ContainsFunc(addresses, func(a entry) bool {
		return a.local().Addr() == source
	})
}
