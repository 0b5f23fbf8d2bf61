package config

import "net/netip"

// network answers questions about the ports' subnets and the routes behind them.
type network struct {
	ports  []Port
	routes []Route
}

// port gives the index of the port whose subnet holds an address, and that subnet.
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

// connected says whether an address is on a port's subnet.
func (n network) connected(a netip.Addr) bool {
	_, _, ok := n.port(a)
	return ok
}

// reachable says whether an address is on a port's subnet or behind a route.
func (n network) reachable(a netip.Addr) bool {
	for _, route := range n.routes {
		if route.To.Contains(a) {
			return true
		}
	}
	return n.connected(a)
}

// whole says whether every subnet of the file is known. Where one could not be read, nobody can say that an address is on
// none of them.
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
