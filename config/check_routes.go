package config

import "net/netip"

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
		c.Routes[i].Port = c.nextHop(v, route.Via, "gateway")
	}
}

// checkDestination reports a destination that no route can have. Destinations may contain each
// other: the longest prefix decides.
func (c *checker) checkDestination(v value, to netip.Prefix, taken firsts) {
	taken.unique(v, to.String(), "the destination of another route", "give every destination once")
	if to.Bits() > 0 && (to.Addr().IsMulticast() || to.Addr().IsLoopback()) {
		v.reportf(`use a unicast subnet, such as "10.2.0.0/16"`, "%s is not a unicast subnet", to)
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
		v := c.at("neighbour", i, "address")
		if neighbour.Address.IsValid() {
			taken.unique(v, neighbour.Address.String(), "the address of another neighbour",
				"give every neighbour once")
		}
		c.Neighbours[i].Port = c.nextHop(v, neighbour.Address, "neighbour")
	}
}

// nextHop returns the index of the port that reaches a gateway or neighbour directly. It reports an
// address that no port reaches.
func (c *checker) nextHop(v value, a netip.Addr, what string) int {
	port, _, connected := c.network.port(a)
	switch who, held := holder(a, c.own, c.vips, c.lips); {
	case !a.IsValid():
	case held:
		v.reportf("use the "+what+"'s own address", "%s belongs to the director: %s", a, who)
	case connected:
		c.isHostAddress(v, a)
	case c.whole:
		v.reportf("use a "+what+" on a port's subnet", "%s is not on any port's subnet", a)
	}
	return port
}
