package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// HostInterface is what the host interface of a port has in the kernel. All of it may be wrong for
// the port: Site.Follow takes what fits.
type HostInterface struct {
	Port       int // index into Config.Ports
	Exists     bool
	Addresses  []netip.Prefix // each with its subnet's prefix length
	Routes     []HostRoute    // those with a gateway; each destination once
	Neighbours []Neighbour    // permanent ones, with Port
	// OnLink are the destinations of routes without a gateway that are on no address's subnet.
	OnLink []netip.Prefix
	ECMP   int // how many of Routes have several next hops in the kernel
	Excess int // how many entries were left out because there are too many
}

// HostRoute is a route by a host interface.
type HostRoute struct {
	To  netip.Prefix // masked
	Via netip.Addr
}

// Network is what surrounds the services of a configuration.
type Network struct {
	Ports      []Port
	Routes     []Route
	Neighbours []Neighbour
}

// Network returns the configuration's ports, routes and neighbours.
func (c *Config) Network() Network { return Network{c.Ports, c.Routes, c.Neighbours} }

// WithNetwork returns the configuration with other ports, routes and neighbours.
func (c *Config) WithNetwork(n Network) *Config {
	other := *c
	other.Ports, other.Routes, other.Neighbours = n.Ports, n.Routes, n.Neighbours
	return &other
}

// HostRefusal is something of a host interface that its port cannot have.
type HostRefusal struct {
	Port int    // index into Config.Ports
	Kind string // "address", "route" or "neighbour"
	What string // as in "10.0.0.9/24"
	Why  string
}

// Followed is the network of a file with what host interfaces add to it. Each list begins with what
// the file has.
type Followed struct {
	Network
	Refused []HostRefusal
}

// Follow adds to the network of the site's file what the host interfaces of its following ports
// have. What the file has stands. The site checks later changes against the result. A call replaces
// what the call before it has added.
func (s *Site) Follow(all []HostInterface) Followed {
	s.setNetwork(s.file)
	n := Network{
		slices.Clone(s.file.Ports), slices.Clip(s.file.Routes), slices.Clip(s.file.Neighbours),
	}
	f := &follower{Site: s, Followed: Followed{Network: n}}
	for i := range all {
		if f.Ports[all[i].Port].Follow {
			f.addAddresses(&all[i])
		}
	}
	s.setNetwork(f.Network) // gateways are checked against all addresses
	f.noteTaken()
	for i := range all {
		if f.Ports[all[i].Port].Follow {
			f.addRoutes(&all[i])
			f.addNeighbours(&all[i])
		}
	}
	s.setNetwork(f.Network)
	return f.Followed
}

// setNetwork notes ports, routes and neighbours, against which changes are checked.
func (s *Site) setNetwork(n Network) {
	s.config = s.config.WithNetwork(n)
	s.own, s.gateways = listed{}, listed{}
	for i, p := range n.Ports {
		for j, a := range p.Addresses {
			s.own[a.Addr()] = fmt.Sprintf("the address of port %q", p.Name)
			if j >= len(s.file.Ports[i].Addresses) {
				s.own[a.Addr()] += ", from " + p.Host
			}
		}
	}
	for _, r := range n.Routes {
		s.gateways[r.Via] = fmt.Sprintf("the gateway of the route to %s", r.To)
	}
	for _, n := range n.Neighbours {
		s.gateways[n.Address] = "a static neighbour"
	}
}

// follower adds to a network what host interfaces have.
type follower struct {
	*Site
	Followed
	routes     map[netip.Prefix]bool
	neighbours map[neighbourKey]bool
}

type neighbourKey struct {
	address netip.Addr
	port    int
}

// noteTaken notes what the file has.
func (f *follower) noteTaken() {
	f.routes, f.neighbours = map[netip.Prefix]bool{}, map[neighbourKey]bool{}
	for _, r := range f.Routes {
		f.routes[r.To] = true
	}
	for _, n := range f.Neighbours {
		f.neighbours[neighbourKey{n.Address, n.Port}] = true
	}
}

func (f *follower) refuse(port int, kind string, what fmt.Stringer, why string) {
	f.Refused = append(f.Refused, HostRefusal{port, kind, what.String(), why})
}

func (f *follower) addAddresses(h *HostInterface) {
	port := &f.Ports[h.Port]
	port.Addresses = slices.Clip(port.Addresses)
	for _, p := range h.Addresses {
		a := p.Addr()
		here := slices.ContainsFunc(port.Addresses, func(o netip.Prefix) bool { return o.Addr() == a })
		if _, owned := f.owned.holder(a); here || owned {
			continue
		}
		if why := f.wrongAddress(h.Port, p); why != "" {
			f.refuse(h.Port, "address", p, why)
			continue
		}
		port.Addresses = append(port.Addresses, p)
	}
}

// wrongAddress says why a port cannot have an address.
func (f *follower) wrongAddress(port int, p netip.Prefix) string {
	a := p.Addr()
	if !isUnicast(a) || p.Bits() == 0 {
		return "no host can have it"
	}
	if !isHost(p, a) {
		return "it is the " + reserved(p) + " of its subnet"
	}
	if who, held := holder(a, siteVIPs{f.Site}, f.lips, f.servers, f.gateways); held {
		return "it is " + who
	}
	if why := f.wrongSubnet(p); why != "" {
		return why
	}
	return f.wrongBeside(port, p)
}

// wrongSubnet says why a subnet does not fit the services and routes.
func (f *follower) wrongSubnet(p netip.Prefix) string {
	for _, r := range f.file.Routes {
		if p.Contains(r.To.Addr()) && p.Bits() <= r.To.Bits() {
			return fmt.Sprintf("its subnet has the destination of the route to %s", r.To)
		}
	}
	for _, a := range reservedOf(p) {
		if who, held := holder(a, siteVIPs{f.Site}, f.lips, f.servers, f.gateways); held {
			return fmt.Sprintf("%s would be the %s of its subnet, and is %s", a, reserved(p), who)
		}
	}
	return ""
}

// wrongBeside says which other port's addresses do not admit an address.
func (f *follower) wrongBeside(port int, p netip.Prefix) string {
	local := isLinkLocal(p.Addr())
	for i := range f.Ports {
		for _, own := range f.Ports[i].Addresses {
			switch {
			case i == port:
			case local && isLinkLocal(own.Addr()):
				if f.linkLocals > 0 {
					return "services have link-local addresses, so that only one port can have some"
				}
			case own.Overlaps(p):
				return fmt.Sprintf("its subnet overlaps %s of port %q", own.Masked(), f.Ports[i].Name)
			}
		}
	}
	return ""
}

// reservedOf returns the addresses of a subnet that no host may have.
func reservedOf(p netip.Prefix) []netip.Addr {
	first := p.Masked().Addr()
	switch {
	case p.Bits() >= first.BitLen()-1:
		return nil
	case first.Is6():
		return []netip.Addr{first}
	}
	last := first.As4()
	for i := p.Bits(); i < 32; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	return []netip.Addr{first, netip.AddrFrom4(last)}
}

// isUnicast reports an address that one host can have, in the form that packets carry.
func isUnicast(a netip.Addr) bool {
	return a.IsValid() && !a.Is4In6() && a.Zone() == "" && !a.IsUnspecified() && !a.IsLoopback() &&
		!a.IsMulticast() && a != broadcast
}

func (f *follower) addRoutes(h *HostInterface) {
	for _, r := range h.Routes {
		if f.routes[r.To] {
			continue
		}
		if why := f.wrongRoute(h.Port, r); why != "" {
			f.refuse(h.Port, "route", r, why)
			continue
		}
		f.routes[r.To] = true
		f.Routes = append(f.Routes, Route{To: r.To, Via: r.Via, Port: h.Port})
	}
	for _, to := range h.OnLink {
		f.refuse(h.Port, "route", to, "it has no gateway, and is on the subnet of no address")
	}
}

// String returns the route as in "10.2.0.0/16 via 10.0.0.254".
func (r HostRoute) String() string { return r.To.String() + " via " + r.Via.String() }

// wrongRoute says why a port cannot have a route.
func (f *follower) wrongRoute(port int, r HostRoute) string {
	to := r.To.Addr()
	switch {
	case r.To.Bits() > 0 && !isUnicast(to):
		return "its destination is no unicast subnet"
	case isLinkLocal(to):
		return "its destination is link-local"
	case to.Is6() != r.Via.Is6():
		return "its gateway is of another IP version"
	}
	if _, subnet, connected := (network{ports: f.Ports}).port(to); connected && subnet.Bits() <= r.To.Bits() {
		return fmt.Sprintf("its destination is on the connected subnet %s", subnet)
	}
	return f.wrongHop(port, r.Via, "gateway")
}

// wrongHop says why a port has no such next hop.
func (f *follower) wrongHop(port int, a netip.Addr, what string) string {
	of := network{ports: f.Ports[port : port+1]}
	_, subnet, connected := of.port(a)
	switch {
	case !isUnicast(a):
		return "no host can have the address of the " + what
	case !connected:
		return fmt.Sprintf("the %s %s is on no subnet of the port", what, a)
	case !isHost(subnet, a):
		return fmt.Sprintf("the %s %s is the %s of %s", what, a, reserved(subnet), subnet)
	}
	own := func(p netip.Prefix) bool { return p.Addr() == a }
	if slices.ContainsFunc(f.Ports[port].Addresses, own) {
		return fmt.Sprintf("the %s %s is the port's own address", what, a)
	}
	if who, held := holder(a, siteVIPs{f.Site}, f.lips); held {
		return fmt.Sprintf("the %s %s is %s", what, a, who)
	}
	return ""
}

func (f *follower) addNeighbours(h *HostInterface) {
	for _, n := range h.Neighbours {
		if f.neighbours[neighbourKey{n.Address, h.Port}] {
			continue
		}
		why := f.wrongHop(h.Port, n.Address, "neighbour")
		if len(n.MAC) != 6 || n.MAC[0]&1 == 1 || n.MAC.String() == "00:00:00:00:00:00" {
			why = "its MAC address is not that of one station"
		}
		if why != "" {
			f.refuse(h.Port, "neighbour", n.Address, why)
			continue
		}
		f.neighbours[neighbourKey{n.Address, h.Port}] = true
		f.Neighbours = append(f.Neighbours, n)
	}
}
