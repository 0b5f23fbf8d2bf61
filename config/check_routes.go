package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

func (c *checker) checkRoutes() {
	taken := firsts{}
	for i, route := range c.Routes {
		if route.To.IsValid() {
			c.checkDestination(c.at("route", i, "to"), route.To, taken)
		}
		v := c.at("route", i, "via")
		if !sameFamily(route.To.Addr(), route.Via) {
			v.reportf("use an "+family(route.To.Addr())+" gateway", "%s is %s, but the destination %s is %s",
				route.Via, family(route.Via), route.To, family(route.To.Addr()))
		}
		c.Routes[i].Port = c.nextHop(v, route.Via, "gateway", c.namedPort("route", i, c.routePorts[i]))
	}
}

// checkDestination reports a destination that no route can have. Destinations may contain each
// other: the longest prefix decides.
func (c *checker) checkDestination(v value, to netip.Prefix, taken firsts) {
	taken.unique(v, to.String(), "the destination of another route", "give every destination once")
	if to.Bits() > 0 && (to.Addr().IsMulticast() || to.Addr().IsLoopback()) {
		v.reportf(`use a unicast subnet, such as "10.2.0.0/16"`, "%s is not a unicast subnet", to)
	}
	if isLinkLocal(to.Addr()) {
		v.reportf("leave the route out", "%s is link-local, and no router forwards to it", to)
		return
	}
	_, subnet, connected := c.network.port(to.Addr())
	if connected && subnet.Bits() <= to.Bits() {
		v.reportf("leave the route out: the director needs none to its ports' subnets",
			"%s is on the connected subnet %s", to, subnet)
	}
}

func (c *checker) checkNeighbours() {
	taken := firsts{}
	for i, neighbour := range c.Neighbours {
		v, named := c.at("neighbour", i, "address"), c.namedPort("neighbour", i, c.neighbourPorts[i])
		port := c.nextHop(v, neighbour.Address, "neighbour", named)
		c.Neighbours[i].Port = port
		if neighbour.Address.IsValid() {
			taken.unique(v, c.identity(neighbour.Address, port), "the address of another neighbour",
				"give every neighbour once")
		}
	}
}

// identity names a neighbour: by its port too if it is link-local.
func (c *checker) identity(a netip.Addr, port int) string {
	if isLinkLocal(a) && port < len(c.Ports) {
		return a.String() + " on port " + c.Ports[port].Name
	}
	return a.String()
}

// namedPort is a port that a table of the file names.
type namedPort struct {
	table value
	value value
	given bool
	name  string
	index int // into Config.Ports; -1 if none has that name
}

func (c *checker) namedPort(table string, i int, name string) namedPort {
	p := namedPort{table: c.at(table, i), value: c.at(table, i, "port"), name: name, index: -1}
	_, p.given = c.doc.lines[p.value.at]
	var known []string
	for j, port := range c.Ports {
		known = append(known, port.Name)
		if port.Name == name {
			p.index = j
		}
	}
	if p.index < 0 && name != "" && len(known) > 0 {
		p.value.reportf(suggest(name, known), "unknown port %q", name)
	}
	return p
}

// nextHop returns the index of the port that reaches a gateway or neighbour directly: the one that
// is named, or whose subnet contains the address. It reports an address that no port reaches, or
// several do.
func (c *checker) nextHop(v value, a netip.Addr, what string, named namedPort) int {
	port := c.nextHopPort(v, a, named)
	switch who, held := c.heldOn(port, a); {
	case !a.IsValid():
	case held:
		v.reportf("use the "+what+"'s own address", "%s belongs to the director: %s", a, who)
	case c.network.connected(a):
		c.isHostAddress(v, a)
	case c.whole:
		v.reportf("use a "+what+" on a port's subnet", "%s is not on any port's subnet", a)
	}
	return port
}

func (c *checker) nextHopPort(v value, a netip.Addr, named namedPort) int {
	reaching := c.network.reaching(a)
	port, _, _ := c.network.port(a)
	switch {
	case !named.given && len(reaching) > 1:
		named.table.missing("port", fmt.Sprintf("%s is link-local on several ports: name one, %s", a,
			c.portNames(reaching)))
	case named.index < 0:
	case slices.Contains(reaching, named.index):
		return named.index
	case len(reaching) > 0:
		named.value.reportf("name that port, or leave the key out", "%s is on a subnet of port %q, not %q",
			a, c.Ports[reaching[0]].Name, named.name)
	}
	return port
}

// heldOn is holder for an address on a port's network: a link-local address of the director's may
// be another station's on another port.
func (c *checker) heldOn(port int, a netip.Addr) (who string, held bool) {
	if !isLinkLocal(a) || port >= len(c.Ports) {
		return holder(a, c.own, c.vips, c.lips)
	}
	own := func(p netip.Prefix) bool { return p.Addr() == a }
	if slices.ContainsFunc(c.Ports[port].Addresses, own) {
		return fmt.Sprintf("the address of port %q", c.Ports[port].Name), true
	}
	return holder(a, c.vips, c.lips)
}

// isLinkLocal reports whether an address is IPv6 and of one link only (RFC 4291, 2.5.6).
func isLinkLocal(a netip.Addr) bool { return a.Is6() && a.IsLinkLocalUnicast() }

// isUnambiguous reports a link-local address that stations of several ports may have.
func (c *checker) isUnambiguous(v value, a netip.Addr) bool {
	reaching := c.network.reaching(a)
	if len(reaching) < 2 {
		return true
	}
	v.reportf("use an address that is not link-local",
		"%s is link-local, and several ports have such addresses: %s", a, c.portNames(reaching))
	return false
}

func (c *checker) portNames(ports []int) string {
	var names []string
	for _, port := range ports {
		names = append(names, c.Ports[port].Name)
	}
	return strings.Join(names, ", ")
}
