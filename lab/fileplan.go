package lab

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"fulcrum/config"
	"fulcrum/lvs"
	"fulcrum/match"
)

// farNetwork is the network of all hosts that are not on a port's subnet. Each has its address
// alone, and the router leads to it by a route of its own.
const farNetwork = "far"

// The router's addresses on the far network, which no file can mean.
var (
	farRouter  = netip.MustParsePrefix("169.254.255.254/32")
	farRouter6 = netip.MustParsePrefix("fe80::fe/64")
)

// farClients are the subnets for clients behind a default route. The first one without an address
// of the file is taken.
var farClients = []netip.Prefix{
	clientNet, netip.MustParsePrefix("192.168.90.0/24"), netip.MustParsePrefix("172.31.90.0/24"),
	sixNet(clientNet), netip.MustParsePrefix("fd90::/120"),
}

// A fileHost is what a host of a file's lab needs besides its addresses.
type fileHost struct {
	vips        []netip.Prefix   // on lo
	decapsulate bool             // tunnelled packets reach it
	gateways    []netip.Addr     // at most one of each family
	tcp, udp    []netip.AddrPort // what it serves
	answers     string           // how its answers go: "router" or "director"
}

// draw plans the lab.
func (f *File) draw() error {
	d := &drawer{File: f, groups: map[netip.Prefix][]netip.Addr{}, hosts: map[netip.Addr]string{}}
	d.owners = ownersOf(f.config)
	f.plan.hosts = map[string]*fileHost{roleClient: {}}
	d.collect()
	d.drawPorts()
	if err := d.drawRealServers(); err != nil {
		return err
	}
	return d.drawClients()
}

// drawer is the state of planning a file's lab.
type drawer struct {
	*File
	used   []netip.Addr                  // addresses that the file gives
	ranges []lvs.Match                   // its VIPs
	owners *match.Table[int]             // services, by destination
	groups map[netip.Prefix][]netip.Addr // clients, by subnet
	hosts  map[netip.Addr]string         // roles of real servers
	macs   int                           // how many were given
}

func (d *drawer) collect() {
	for _, p := range d.config.Ports {
		for _, a := range p.Addresses {
			d.used = append(d.used, a.Addr())
		}
	}
	for _, r := range d.config.Routes {
		d.used = append(d.used, r.Via)
	}
	for i, s := range d.config.Services {
		d.ranges = append(d.ranges, d.config.Claims(&d.config.Services[i])...)
		d.used = append(d.used, s.LocalAddresses...)
		for _, rs := range s.RealServers {
			d.used = append(d.used, rs.Address.Addr())
		}
	}
}

// free takes up to n addresses of a subnet that nothing has, the lowest first.
func (d *drawer) free(subnet netip.Prefix, n int) (list []netip.Addr) {
	subnet = subnet.Masked()
	for a := subnet.Addr().Next(); len(list) < n && subnet.Contains(a); a = a.Next() {
		if end, taken := d.ranged(a); taken {
			a = end
			continue
		}
		last := a.Is4() && !subnet.Contains(a.Next()) // the subnet's broadcast address
		if !last && !slices.Contains(d.used, a) {
			list = append(list, a)
		}
	}
	d.used = append(d.used, list...)
	return list
}

// mac returns a locally administered MAC address that no other host has.
func (d *drawer) mac() net.HardwareAddr {
	d.macs++
	return net.HardwareAddr{2, 1, 0, 0, byte(d.macs >> 8), byte(d.macs)}
}

// drawPorts plans a network for each port, and the far one.
func (d *drawer) drawPorts() {
	for i, p := range d.config.Ports {
		n := network{name: portDevice(i)}
		n.ends = []end{{
			role: roleDirector, device: portDevice(i), plug: "dir-" + portDevice(i), mac: d.mac(),
		}}
		for _, subnet := range p.Addresses {
			n.routers = append(n.routers, d.routersOn(i, subnet)...)
		}
		d.plan.networks = append(d.plan.networks, n)
	}
	far := network{name: farNetwork, routers: []netip.Prefix{farRouter}}
	if d.has6() {
		far.routers = append(far.routers, farRouter6)
	}
	d.plan.networks = append(d.plan.networks, far)
}

// routersOn returns the router's addresses on a port's subnet: all gateways there, or else a free
// address.
func (d *drawer) routersOn(port int, subnet netip.Prefix) (list []netip.Prefix) {
	add := func(a netip.Addr) {
		if p := withBits(a, subnet); !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	for _, r := range d.config.Routes {
		if r.Port == port && subnet.Contains(r.Via) {
			add(r.Via)
		}
	}
	if len(list) == 0 && !subnet.Addr().IsLinkLocalUnicast() {
		for _, a := range d.free(subnet, 1) {
			add(a)
		}
	}
	return list
}

// onLink returns the port and its subnet that have an address.
func (d *drawer) onLink(a netip.Addr) (port int, subnet netip.Prefix, found bool) {
	for i, p := range d.config.Ports {
		for _, s := range p.Addresses {
			if s.Contains(a) {
				return i, s, true
			}
		}
	}
	return 0, netip.Prefix{}, false
}

// gateway returns the router's address on a subnet of a port.
func (d *drawer) gateway(port int, subnet netip.Prefix) (gateway netip.Addr, found bool) {
	for _, r := range d.plan.networks[port].routers {
		if subnet.Contains(r.Addr()) {
			return r.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// plug connects a host to a port's network, or gives it more addresses there.
func (d *drawer) plug(role, device, plug string, port int, addresses []netip.Prefix) {
	n := &d.plan.networks[port]
	for i := range n.ends {
		if e := &n.ends[i]; e.role == role {
			e.addresses = append(e.addresses, addresses...)
			return
		}
	}
	n.ends = append(n.ends, end{
		role: role, device: device, plug: plug, mac: d.mac(), addresses: addresses,
	})
}

// plugFar connects a host to the far network. The router has routes to its addresses.
func (d *drawer) plugFar(role, device, plug string, addresses []netip.Addr) {
	n := &d.plan.networks[len(d.config.Ports)]
	var alone []netip.Prefix
	for _, a := range addresses {
		alone = append(alone, netip.PrefixFrom(a, a.BitLen()))
	}
	n.hosts = append(n.hosts, addresses...)
	d.plug(role, device, plug, len(d.config.Ports), alone)
}

// farGateway is the far network's router for an address.
func farGateway(a netip.Addr) netip.Addr {
	if a.Is4() {
		return farRouter.Addr()
	}
	return farRouter6.Addr()
}

// drawRealServers plans a host for each address of real servers.
func (d *drawer) drawRealServers() error {
	for i, s := range d.config.Services {
		probes, vips := d.probes(i), d.vips(&d.config.Services[i])
		for j, rs := range s.RealServers {
			role, err := d.realServer(rs.Address.Addr(), s.ModeOf(rs),
				"service", i, "real_server", j, "address")
			if err != nil {
				return err
			}
			h := d.plan.hosts[role]
			if mode := s.ModeOf(rs); !mode.TwoWay() {
				h.hold(vips)
				h.decapsulate = h.decapsulate || mode.Path() == lvs.Tunnel
			}
			h.serve(probes, rs, s.ModeOf(rs))
		}
	}
	return nil
}

// realServer returns the role of a real server's host, prepared for a mode too.
func (d *drawer) realServer(a netip.Addr, mode lvs.Mode, path ...any) (string, error) {
	role, planned := d.hosts[a]
	if !planned {
		if len(d.hosts) == MaxRealServers {
			return "", d.problem(fmt.Sprintf("a lab has at most %d real servers", MaxRealServers),
				"take some out of a copy of the file", path...)
		}
		role = fmt.Sprintf("rs%d", len(d.hosts)+1)
		d.hosts[a] = role
		d.plan.realServers = append(d.plan.realServers, RealServer{Name: role})
		d.plan.hosts[role] = &fileHost{}
		d.plugRealServer(role, a)
	}
	return role, d.routeAnswers(d.plan.hosts[role], a, mode, path...)
}

func (d *drawer) plugRealServer(role string, a netip.Addr) {
	if port, subnet, found := d.onLink(a); found {
		d.plug(role, "eth0", role, port, []netip.Prefix{withBits(a, subnet)})
		return
	}
	d.plugFar(role, "eth0", role, []netip.Addr{a})
}

// routeAnswers gives a real server the gateway that a mode needs: the director in nat, which may
// serve fullnat too, otherwise the router.
func (d *drawer) routeAnswers(h *fileHost, a netip.Addr, mode lvs.Mode, path ...any) error {
	port, subnet, near := d.onLink(a)
	translated := mode.TwoWay() && mode.Source() == lvs.Client
	switch {
	case translated && !near:
		return d.problem(fmt.Sprintf("%s is behind a gateway, and the lab's router would route its "+
			"answers past the director in %s", a, mode),
			"give it an address on a port's subnet in a copy of the file", path...)
	case translated && h.answers == "router" && len(h.vips) > 0,
		!mode.TwoWay() && h.answers == "director":
		return d.problem(fmt.Sprintf("%s is a real server of nat and of dr or ipip, which need "+
			"different gateways", a), "give it two addresses in a copy of the file", path...)
	case translated:
		h.answers, h.gateways = "director", []netip.Addr{subnet.Addr()}
	case h.answers == "" && !near:
		h.answers, h.gateways = "router", []netip.Addr{farGateway(a)}
	case h.answers == "":
		h.answers = "router"
		if gateway, found := d.gateway(port, subnet); found {
			h.gateways = []netip.Addr{gateway}
		}
	}
	return nil
}

// hold gives a host the VIPs of a service.
func (h *fileHost) hold(vips []netip.Prefix) {
	for _, p := range vips {
		h.vips = addOnce(h.vips, p)
	}
}

// serve lets a host serve what clients try of a service, as one of its real servers.
func (h *fileHost) serve(probes []probe, rs config.RealServer, mode lvs.Mode) {
	for _, p := range probes {
		at := p.AddrPort
		switch {
		case mode.TwoWay() && rs.Address.Port() == 0:
			at = netip.AddrPortFrom(rs.Address.Addr(), at.Port())
		case mode.TwoWay():
			at = rs.Address
		}
		if p.protocol == lvs.TCP {
			h.tcp = addOnce(h.tcp, at)
		} else {
			h.udp = addOnce(h.udp, at)
		}
	}
}

func addOnce[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}
