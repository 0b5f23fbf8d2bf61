package hostnet

import (
	"net/netip"
	"slices"

	"fulcrum/config"
	"fulcrum/hostway"
)

// The limits of what is followed. What exceeds them is counted.
const (
	mostRoutes     = 10_000 // of each IP version
	mostAddresses  = 1_000  // of an interface
	mostNeighbours = 1_000  // of an interface
	mostHeld       = 65_536 // addresses of all interfaces that may be VIPs
)

// links are the interfaces that are watched.
type links struct {
	names   []string // "" for a port without host interface
	indices []int    // by name; 0 while there is none
	// routed and stationed say that the interfaces have any routes and permanent neighbours: then a
	// message that takes the place of one counts too.
	routed, stationed bool
}

func newLinks(names []string) links { return links{names: names, indices: make([]int, len(names))} }

func (l *links) hasIndex(i int) bool   { return l.placeOf(i) >= 0 }
func (l *links) hasName(n string) bool { return n != "" && slices.Contains(l.names, n) }

// placeOf returns the place of the interface with an index, or -1.
func (l *links) placeOf(index int) int {
	if index == 0 {
		return -1
	}
	return slices.Index(l.indices, index)
}

// facts are what the kernel has on some interfaces.
type facts struct {
	addresses []address // of the interfaces, in the kernel's order
	routes    []route   // with a next hop by one of them
	stations  []station
	excess    int // entries that exceed a limit
}

// of returns what each of the interfaces has. Its Port is its place among the names.
func (f *facts) of(l *links) []config.HostInterface {
	all := make([]config.HostInterface, len(l.names))
	for i := range all {
		all[i] = config.HostInterface{Port: i, Exists: l.indices[i] != 0}
	}
	onLink := make([][]netip.Prefix, len(all))
	f.addRoutes(l, all, onLink)
	for _, a := range f.addresses {
		if i := l.placeOf(a.link); i >= 0 && a.usable && !hostway.IsReserved(a.prefix.Addr()) {
			addAddress(&all[i], widened(a.prefix, onLink[i]))
		}
	}
	for i := range all {
		noteOnLink(&all[i], onLink[i])
	}
	for _, s := range f.stations {
		if i := l.placeOf(s.link); i >= 0 && !hostway.IsReserved(s.address) {
			addNeighbour(&all[i], s)
		}
	}
	return all
}

// addRoutes adds of each destination the route that the kernel prefers: the one with the lowest
// metric, or the first.
func (f *facts) addRoutes(l *links, all []config.HostInterface, onLink [][]netip.Prefix) {
	best := map[netip.Prefix]int{} // the index in routes
	var order []netip.Prefix
	for i, r := range f.routes {
		if hostway.IsReserved(r.to.Addr()) {
			continue // of health checks
		}
		switch was, there := best[r.to]; {
		case !there:
			order = append(order, r.to)
			best[r.to] = i
		case r.metric < f.routes[was].metric:
			best[r.to] = i
		}
	}
	for _, to := range order {
		r := &f.routes[best[to]]
		h := r.hops[slices.IndexFunc(r.hops, func(h hop) bool { return l.hasIndex(h.link) })]
		i := l.placeOf(h.link)
		if !h.via.IsValid() {
			onLink[i] = append(onLink[i], to)
			continue
		}
		if len(r.hops) > 1 {
			all[i].ECMP++
		}
		all[i].Routes = append(all[i].Routes, config.HostRoute{To: to, Via: h.via})
	}
}

// widened gives a single address the subnet that a route says to be on the link: DHCPv6 gives
// addresses without their subnet, and a router advertises it (RFC 5942).
func widened(p netip.Prefix, onLink []netip.Prefix) netip.Prefix {
	if !p.IsSingleIP() {
		return p
	}
	longest := 0
	for _, to := range onLink {
		if to.Contains(p.Addr()) && !to.IsSingleIP() {
			longest = max(longest, to.Bits())
		}
	}
	if longest == 0 {
		return p
	}
	return netip.PrefixFrom(p.Addr(), longest)
}

func addAddress(n *config.HostInterface, p netip.Prefix) {
	if len(n.Addresses) == mostAddresses {
		n.Excess++
		return
	}
	n.Addresses = append(n.Addresses, p)
}

func addNeighbour(n *config.HostInterface, s station) {
	if len(n.Neighbours) == mostNeighbours {
		n.Excess++
		return
	}
	n.Neighbours = append(n.Neighbours,
		config.Neighbour{Address: s.address, MAC: s.mac, Port: n.Port})
}

// noteOnLink notes the routes without a gateway that no address has as its subnet.
func noteOnLink(n *config.HostInterface, all []netip.Prefix) {
	for _, to := range all {
		covers := func(a netip.Prefix) bool { return a.Bits() <= to.Bits() && a.Contains(to.Addr()) }
		if !slices.ContainsFunc(n.Addresses, covers) && !to.Addr().IsMulticast() {
			n.OnLink = append(n.OnLink, to)
		}
	}
}
