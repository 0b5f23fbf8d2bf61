package config

import (
	"net/netip"
	"regexp"
	"strings"
)

func (c *checker) checkPorts() {
	names, devices := firsts{}, firsts{}
	var earlier []ownAddress
	for i, port := range c.Ports {
		names.unique(c.at("port", i, "name"), port.Name, "the name of another port", "give every port a name of its own")
		for _, id := range deviceIDs(port.Device) {
			devices.unique(c.at("port", i, "device"), id, "in use by another port", "give every port a device of its own")
		}
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

// shortPCI is a PCI address without its domain, which is 0000 then.
var shortPCI = regexp.MustCompile(`^[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]$`)

// deviceIDs gives the names that DPDK or the system know a device by, of which each can be taken once only: the vdev's
// name or the PCI address, and the kernel's interface below it.
func deviceIDs(device string) []string {
	name, args, _ := strings.Cut(device, ",")
	if shortPCI.MatchString(name) {
		name = "0000:" + name
	}
	ids := []string{strings.ToLower(name)}
	for arg := range strings.SplitSeq(args, ",") {
		if iface, ok := strings.CutPrefix(arg, "iface="); ok {
			ids = append(ids, "interface "+iface)
		}
	}
	return ids
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
	v.reportf("use the address of one host", "%s is the network or broadcast address of %s", a, subnet)
	return false
}
