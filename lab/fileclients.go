package lab

import (
	"fmt"
	"net/netip"
	"slices"

	"fulcrum/config"
	"fulcrum/lvs"
)

// A fileService is what clients ask of one service of a file.
type fileService struct {
	config.Service
	probes  []probe         // what they ask
	sources []netip.Addr    // the clients' addresses
	servers map[string]bool // roles of the real servers that may answer
}

// A hostRoute leads the router to VIPs by way of the director.
type hostRoute struct {
	to  netip.Prefix
	via netip.Addr
}

// drawClients plans clients for each service.
func (d *drawer) drawClients() error {
	for i, s := range d.config.Services {
		sources, err := d.clients(i)
		if err != nil {
			return err
		}
		f := fileService{
			Service: s, probes: d.probes(i), sources: sources, servers: map[string]bool{},
		}
		for _, rs := range s.RealServers {
			if rs.Weight > 0 {
				f.servers[d.hosts[rs.Address.Addr()]] = true
			}
		}
		d.plan.services = append(d.plan.services, f)
		web := slices.IndexFunc(f.probes, func(p probe) bool { return p.protocol == lvs.TCP })
		if web >= 0 && !d.plan.web.IsValid() {
			d.plan.web = f.probes[web].AddrPort
		}
	}
	if far := len(d.config.Ports); len(d.plan.networks[far].ends) == 0 {
		d.plan.networks = d.plan.networks[:far]
	}
	return nil
}

// clients returns the addresses of a service's clients: behind the default route, or else on the
// subnet of all of its VIPs, or behind another route.
func (d *drawer) clients(service int) ([]netip.Addr, error) {
	s := &d.config.Services[service]
	vip := d.config.Claims(s)[0].First
	port, subnet, near := d.onLink(vip)
	near = near && len(d.outside(s, subnet)) == 0
	for _, r := range d.config.Routes {
		if r.To.Bits() == 0 && r.To.Addr().Is4() == vip.Is4() {
			return d.farClients(service, r, d.farSubnet(vip.Is4()))
		}
	}
	if near && !d.answersDirectly(s, subnet) {
		if list := d.nearClients(port, subnet); len(list) > 0 {
			return list, nil
		}
	}
	for _, r := range d.config.Routes {
		if r.To.Addr().Is4() == vip.Is4() {
			return d.farClients(service, r, r.To)
		}
	}
	return nil, d.noClients(service, "no address of its subnet is left for clients that get answers "+
		"through the director, and no route leads to others", "add a default route")
}

func (d *drawer) noClients(service int, why, right string) error {
	return d.problem(why, right+" to a copy of the file", "service", service, "address")
}

// outside returns the VIPs of a service that are on none of some subnets.
func (d *drawer) outside(s *config.Service, subnets ...netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(d.vips(s), func(p netip.Prefix) bool {
		return slices.ContainsFunc(subnets, func(n netip.Prefix) bool { return n.Contains(p.Addr()) })
	})
}

// answersDirectly reports whether real servers would answer clients on a subnet past the director,
// although answers are to be translated.
func (d *drawer) answersDirectly(s *config.Service, subnet netip.Prefix) bool {
	return slices.ContainsFunc(s.RealServers, func(rs config.RealServer) bool {
		mode := s.ModeOf(rs)
		return mode.TwoWay() && mode.Source() == lvs.Client && subnet.Contains(rs.Address.Addr())
	})
}

// clientsOn returns the clients on a subnet. The first time it takes addresses, and plugs them.
func (d *drawer) clientsOn(subnet netip.Prefix, plug func([]netip.Addr)) []netip.Addr {
	list, planned := d.groups[subnet]
	if !planned {
		if list = d.free(subnet, clientCount); len(list) > 0 {
			d.groups[subnet] = list
			plug(list)
		}
	}
	return list
}

// nearClients returns clients on a port's subnet.
func (d *drawer) nearClients(port int, subnet netip.Prefix) []netip.Addr {
	return d.clientsOn(subnet, func(list []netip.Addr) {
		var addresses []netip.Prefix
		for _, a := range list {
			addresses = append(addresses, withBits(a, subnet))
		}
		d.plug(roleClient, portDevice(port), "cl-"+portDevice(port), port, addresses)
	})
}

// farSubnet returns a subnet for clients that nothing in the file means.
func (d *drawer) farSubnet(four bool) netip.Prefix {
	for _, subnet := range farClients {
		meant := slices.ContainsFunc(d.used, subnet.Contains) && d.groups[subnet] == nil ||
			slices.ContainsFunc(d.ranges, func(m lvs.Match) bool {
				return m.Has(subnet.Addr()) || subnet.Contains(m.First)
			}) ||
			slices.ContainsFunc(d.config.Routes, func(r config.Route) bool {
				return r.To.Bits() > 0 && r.To.Overlaps(subnet)
			})
		if subnet.Addr().Is4() == four && !meant && !d.isPorts(subnet) {
			return subnet
		}
	}
	return netip.Prefix{}
}

// isPorts reports whether a port's subnet overlaps another subnet.
func (d *drawer) isPorts(subnet netip.Prefix) bool {
	return slices.ContainsFunc(d.config.Ports, func(p config.Port) bool {
		return slices.ContainsFunc(p.Addresses, subnet.Overlaps)
	})
}

// farClients returns clients behind a route's gateway. The router reaches VIPs through the director
// if no port's subnet has them.
func (d *drawer) farClients(
	service int, r config.Route, subnet netip.Prefix,
) ([]netip.Addr, error) {
	list := d.clientsOn(subnet, func(list []netip.Addr) {
		d.plugFar(roleClient, farNetwork, "cl-"+farNetwork, list)
		client := d.plan.hosts[roleClient]
		client.gateways = append(client.gateways, farGateway(list[0]))
	})
	if len(list) == 0 {
		return nil, d.noClients(service, "no subnet is left for clients", "use fewer addresses")
	}
	var subnets []netip.Prefix
	for _, p := range d.config.Ports {
		subnets = append(subnets, p.Addresses...)
	}
	far := d.outside(&d.config.Services[service], subnets...)
	if len(far) == 0 {
		return list, nil
	}
	for _, own := range d.config.Ports[r.Port].Addresses {
		if own.Addr().Is4() == list[0].Is4() && !own.Addr().IsLinkLocalUnicast() {
			for _, p := range far {
				d.plan.viaDirector = addOnce(d.plan.viaDirector, hostRoute{to: p, via: own.Addr()})
			}
			return list, nil
		}
	}
	return nil, d.noClients(service, fmt.Sprintf("the lab's router needs an address of the director "+
		"on port %q to reach the VIP", d.config.Ports[r.Port].Name), "give the port one")
}
