package config

import (
	"fmt"
	"net/netip"
)

// checker checks the values against each other. It also fills in the ports of routes and
// neighbours. A value that could not be read has been reported already. It is zero, a mode is
// lvs.NoMode, and the checker skips it.
type checker struct {
	doc *document
	*draft
	network network
	whole   bool    // network.whole(): every subnet of the file is known
	own     holders // the ports' own addresses
	vips    holders // the services' addresses
	lips    holders // the services' local addresses
	servers holders // the real servers' addresses

	unreached map[unreached]bool // reported already
}

func newChecker(doc *document, d *draft) *checker {
	c := &checker{doc: doc, draft: d, network: network{ports: d.Ports, routes: d.Routes},
		unreached: map[unreached]bool{}}
	c.whole = c.network.whole()
	return c
}

func (c *checker) check() {
	c.enlist()
	c.checkPorts()
	c.checkRoutes()
	c.checkNeighbours()
	c.checkServices()
	c.checkSessions()
}

// checkSessions reports IPv6 services in a file that allows no IPv6 sessions.
func (c *checker) checkSessions() {
	if v6 := c.sessionsV6(); c.Session.MaxV6 == 0 && v6 > 0 {
		c.at("session", "max_v6").reportf(fmt.Sprintf("leave the key out for the default, %d here", v6),
			"is 0, but a service has an IPv6 VIP")
	}
}

// holders finds the holder of an address.
type holders interface {
	holder(a netip.Addr) (who string, held bool)
}

// listed holds the holders of one file, each with its line.
type listed map[netip.Addr]string

func (l listed) holder(a netip.Addr) (string, bool) {
	who, held := l[a]
	return who, held
}

// enlist records the holder of every address.
func (c *checker) enlist() {
	own, lips, servers := listed{}, listed{}, listed{}
	vips := &ranged{listed: listed{}}
	c.own, c.vips, c.lips, c.servers = own, vips, lips, servers
	for i, port := range c.Ports {
		for j, address := range port.Addresses {
			c.hold(own, address.Addr(), "the address of port %q", port.Name, c.at("port", i, "addresses", j))
		}
	}
	for i, service := range c.Services {
		c.enlistVIPs(vips, i)
		for j, server := range service.RealServers {
			at := c.at("service", i, "real_server", j, "address")
			c.hold(servers, server.Address.Addr(), "a real server of service %q", service.Name, at)
		}
		for j, sorry := range service.SorryServers {
			at := c.at("service", i, "sorry_servers", j)
			c.hold(servers, sorry.Addr(), "a sorry server of service %q", service.Name, at)
		}
		c.enlistLocals(lips, i)
	}
	vips.complete()
}

func (c *checker) enlistLocals(lips listed, i int) {
	for j, entry := range c.locals[i] {
		for _, local := range entry {
			at := c.at("service", i, "local_addresses", j)
			c.hold(lips, local, "a local address of service %q", c.Services[i].Name, at)
		}
	}
}

// hold records the first holder of an address.
func (c *checker) hold(in listed, a netip.Addr, what, name string, v value) {
	if _, held := in[a]; !held && a.IsValid() {
		in[a] = fmt.Sprintf(what, name) + fmt.Sprintf(" (line %d)", v.line())
	}
}

// holder returns the holder of an address from the first list that contains it.
func holder(a netip.Addr, lists ...holders) (string, bool) {
	for _, list := range lists {
		if who, held := list.holder(a); held {
			return who, true
		}
	}
	return "", false
}

// at returns the value at a place, which the steps name by keys and indices.
func (c *checker) at(steps ...any) value {
	v := value{doc: c.doc}
	for _, step := range steps {
		switch step := step.(type) {
		case string:
			v.at, v.key = v.at.key(step), joinKey(v.key, step)
		case int:
			v.at = v.at.index(step)
		}
	}
	return v
}
