package config

import (
	"net/netip"
)

func (c *checker) checkPorts() {
	names := firsts{}
	c.checkDevices()
	var earlier []ownAddress
	for i, port := range c.Ports {
		names.unique(c.at("port", i, "name"), port.Name, "the name of another port", "give every port a name of its own")
		for j, own := range port.Addresses {
			if own.IsValid() {
				this := ownAddress{own, i, port.Name, c.at("port", i, "addresses", j)}
				this.compare(earlier)
				earlier = append(earlier, this)
			}
		}
	}
}

// ownAddress is an address of the director's with the port it is on.
type ownAddress struct {
	netip.Prefix
	port  int
	name  string // the port's
	value value
}

// compare reports the first of the earlier addresses that this one does not go with. Within one port subnets may overlap.
func (o ownAddress) compare(earlier []ownAddress) {
	for _, e := range earlier {
		switch line := e.value.line(); {
		case o.Addr() == e.Addr():
			o.value.reportf("give every address once", "%s is given already on line %d", o.Addr(), line)
			return
		case o.port != e.port && o.Overlaps(e.Prefix):
			o.value.reportf("give every port subnets of its own",
				"%s overlaps with %s of port %q (line %d)", o.Masked(), e.Masked(), e.name, line)
			return
		}
	}
}

// firsts holds the first place of everything that may be given once only.
type firsts map[string]int

// unique reports what has been given before. The empty string stands for what could not be read.
func (f firsts) unique(v value, id, what, right string) {
	if id == "" {
		return
	}
	if line, taken := f[id]; taken {
		v.reportf(right, "%s is %s (line %d)", id, what, line)
		return
	}
	f[id] = v.line()
}

// isHostAddress reports the network and broadcast addresses of ports' subnets.
func (c *checker) isHostAddress(v value, a netip.Addr) bool {
	_, subnet, connected := c.network.port(a)
	if !connected || isHost(subnet, a) {
		return true
	}
	v.reportf("use the address of one host", "%s is the %s of %s", a, nobodys(subnet), subnet)
	return false
}
