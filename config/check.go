package config

import (
	"fmt"
	"net/netip"
)

// checker looks at what the values mean together. It fills in what follows from that: the ports of routes and neighbours.
// A value that could not be read has been reported. It is zero by now, a mode lvs.NoMode; the
// checker asks nothing more of it.
type checker struct {
	doc *document
	*draft
	network network
	whole   bool    // the network's
	own     holders // of the ports' own addresses
	vips    holders
	lips    holders // of local addresses
	servers holders // of real servers' addresses
}

func newChecker(doc *document, d *draft) *checker {
	c := &checker{doc: doc, draft: d, network: network{ports: d.Ports, routes: d.Routes}}
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

// checkSessions reports IPv6 services without sessions.
func (c *checker) checkSessions() {
	if v6 := c.sessionsV6(); c.Session.MaxV6 == 0 && v6 > 0 {
		c.at("session", "max_v6").reportf(fmt.Sprintf("leave the key out, which stands for %d here", v6), "is 0, and a VIP is IPv6")
	}
}

// holders says of an address who holds it.
type holders interface {
	holder(a netip.Addr) (who string, held bool)
}

// listed are the holders in a file, with their lines.
type listed map[netip.Addr]string

func (l listed) holder(a netip.Addr) (string, bool) {
	who, held := l[a]
	return who, held
}

// enlist notes who holds which address.
func (c *checker) enlist() {
	own, vips, lips, servers := listed{}, listed{}, listed{}, listed{}
	c.own, c.vips, c.lips, c.servers = own, vips, lips, servers
	for i, port := range c.Ports {
		for j, address := range port.Addresses {
			c.hold(own, address.Addr(), "port %q's own address", port.Name, c.at("port", i, "addresses", j))
		}
	}
	for i, service := range c.Services {
		c.hold(vips, service.Address.Addr(), "the VIP of service %q", service.Name, c.at("service", i, "address"))
		for j, server := range service.RealServers {
			at := c.at("service", i, "real_server", j, "address")
			c.hold(servers, server.Address.Addr(), "a real server of service %q", service.Name, at)
		}
		c.enlistLocals(lips, i)
	}
}

func (c *checker) enlistLocals(lips listed, i int) {
	for j, entry := range c.locals[i] {
		for _, local := range entry {
			at := c.at("service", i, "local_addresses", j)
			c.hold(lips, local, "a local address of service %q", c.Services[i].Name, at)
		}
	}
}

// hold notes the first holder of an address.
func (c *checker) hold(in listed, a netip.Addr, what, name string, v value) {
	if _, held := in[a]; !held && a.IsValid() {
		in[a] = fmt.Sprintf(what, name) + fmt.Sprintf(" (line %d)", v.line())
	}
}

// holder gives who holds an address in the first of the lists that has it.
func holder(a netip.Addr, lists ...holders) (string, bool) {
	for _, list := range lists {
		if who, held := list.holder(a); held {
			return who, true
		}
	}
	return "", false
}

// at gives the value at a place, written as keys and indices.
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
