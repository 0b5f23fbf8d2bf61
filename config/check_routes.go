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
			v.reportf("name an "+family(route.To.Addr())+" gateway", "%s is %s, and the destination %s %s",
				route.Via, family(route.Via), route.To, family(route.To.Addr()))
		}
		c.Routes[i].Port = c.nextHop(v, route.Via, "gateway")
	}
}

// checkDestination reports what a route cannot lead to. Routes may lie within each other: the longest prefix counts.
func (c *checker) checkDestination(v value, to netip.Prefix, taken firsts) {
	taken.unique(v, to.String(), "the destination of another route", "give every destination once")
	if to.Bits() > 0 && (to.Addr().IsMulticast() || to.Addr().IsLoopback()) {
		v.reportf("name a subnet of unicast addresses", "%s is not routed", to)
	}
	_, subnet, connected := c.network.port(to.Addr())
	if connected && subnet.Bits() <= to.Bits() {
		v.reportf("leave the route out: the director knows its ports' subnets", "%s is on the connected subnet %s", to, subnet)
	}
}

func (c *checker) checkNeighbours() {
	taken := firsts{}
	for i, neighbour := range c.Neighbours {
		v := c.at("neighbour", i, "address")
		if neighbour.Address.IsValid() {
			taken.unique(v, neighbour.Address.String(), "the address of another neighbour", "give every neighbour once")
		}
		c.Neighbours[i].Port = c.nextHop(v, neighbour.Address, "neighbour")
	}
}

// nextHop gives the port by which a gateway or neighbour is reached, and reports one that cannot be.
func (c *checker) nextHop(v value, a netip.Addr, what string) int {
	port, _, connected := c.network.port(a)
	switch who, held := holder(a, c.own, c.vips, c.lips); {
	case !a.IsValid():
	case held:
		v.reportf("name the "+what+"'s own address", "%s is held by the director itself: %s", a, who)
	case connected:
		c.isHostAddress(v, a)
	case c.whole:
		v.reportf("name a "+what+" that a port reaches directly", "%s is on no port's subnet", a)
	}
	return port
}
