package config

import (
	"net/netip"
	"slices"
)

// network answers questions about the ports' subnets and the routes behind them.
type network struct {
	ports  []Port
	routes []Route
}

// port returns the index of the port whose subnet contains an address, and that subnet.
func (n network) port(a netip.Addr) (int, netip.Prefix, bool) {
	for i, port := range n.ports {
		for _, own := range port.Addresses {
			if own.Contains(a) {
				return i, own.Masked(), true
			}
		}
	}
	return 0, netip.Prefix{}, false
}

// reaching returns the indices of the ports whose subnets contain an address: several for a
// link-local address, at most one for any other.
func (n network) reaching(a netip.Addr) (all []int) {
	for i, port := range n.ports {
		if slices.ContainsFunc(port.Addresses, func(own netip.Prefix) bool { return own.Contains(a) }) {
			all = append(all, i)
		}
	}
	return all
}

// PortTo returns the index into c.Ports of the port that leads to an address, and whether there
// is one. It is the port whose subnet contains the address. Otherwise it is the port of the route
// with the longest prefix that contains it.
func (c *Config) PortTo(a netip.Addr) (int, bool) {
	if port, _, connected := (network{ports: c.Ports}).port(a); connected {
		return port, true
	}
	best := Route{Port: -1}
	for _, route := range c.Routes {
		if route.To.Contains(a) && (best.Port < 0 || route.To.Bits() > best.To.Bits()) {
			best = route
		}
	}
	return best.Port, best.Port >= 0
}

// connected reports whether an address is on a port's subnet.
func (n network) connected(a netip.Addr) bool {
	_, _, ok := n.port(a)
	return ok
}

// reachable reports whether an address is on a port's subnet or behind a route.
func (n network) reachable(a netip.Addr) bool {
	for _, route := range n.routes {
		if route.To.Contains(a) {
			return true
		}
	}
	return n.connected(a)
}

// whole reports whether every subnet of the file is known. If one could not be read, any address
// may be on it.
func (n network) whole() bool {
	for _, port := range n.ports {
		for _, own := range port.Addresses {
			if !own.IsValid() {
				return false
			}
		}
		if len(port.Addresses) == 0 {
			return false
		}
	}
	for _, route := range n.routes {
		if !route.To.IsValid() {
			return false
		}
	}
	return len(n.ports) > 0
}
