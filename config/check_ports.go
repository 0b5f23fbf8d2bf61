package config

import (
	"net/netip"
)

func (c *checker) checkPorts() {
	names := firsts{}
	c.checkDevices()
	var earlier []ownAddress
	for i, port := range c.Ports {
		names.unique(c.at("port", i, "name"), port.Name, "the name of another port",
			"give every port its own name")
		for j, own := range port.Addresses {
			if own.IsValid() {
				this := ownAddress{own, i, port.Name, c.at("port", i, "addresses", j)}
				this.compare(earlier)
				earlier = append(earlier, this)
			}
		}
	}
}

// ownAddress is one of the director's own addresses, with its port.
type ownAddress struct {
	netip.Prefix
	port  int    // index into Config.Ports
	name  string // the port's
	value value
}

// compare reports the first earlier address that conflicts with this one. Subnets of one port may
// overlap, and every port may have link-local addresses.
func (o ownAddress) compare(earlier []ownAddress) {
	for _, e := range earlier {
		switch line := e.value.line(); {
		case o.port != e.port && isLinkLocal(o.Addr()) && isLinkLocal(e.Addr()):
		case o.Addr() == e.Addr():
			o.value.reportf("give every address once", "%s is already given on line %d", o.Addr(), line)
			return
		case o.port != e.port && o.Overlaps(e.Prefix):
			o.value.reportf("give every port its own subnets",
				"%s overlaps %s of port %q (line %d)", o.Masked(), e.Masked(), e.name, line)
			return
		}
	}
}

// firsts maps everything that may be given only once to the line of its first occurrence.
type firsts map[string]int

// unique reports an id that was given before. It skips the empty id, which could not be read.
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

// isHostAddress reports an address that is reserved in a port's subnet. It is true for all others.
func (c *checker) isHostAddress(v value, a netip.Addr) bool {
	_, subnet, connected := c.network.port(a)
	if !connected || isHost(subnet, a) {
		return true
	}
	v.reportf("use the address of one host", "%s is the %s of %s", a, reserved(subnet), subnet)
	return false
}
