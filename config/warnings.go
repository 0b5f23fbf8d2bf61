package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// mostNamed bounds how many services a warning names.
const mostNamed = 4

func servicesNamed(names []string) string {
	text := "service "
	if len(names) > 1 {
		text = "services "
	}
	text += strings.Join(names[:min(len(names), mostNamed)], ", ")
	if more := len(names) - mostNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Warnings returns what is valid in the configuration, but hardly meant, or opens what is closed by
// default: one sentence each.
func (c *Config) Warnings() []string {
	all := c.dividedVIPs()
	if c.Session.RouteUnmatched {
		all = append(all, "session.route_unmatched: real servers of nat services can reach every "+
			"network of the director, and hosts of these networks can reach the real servers; "+
			"filter what must not pass")
	}
	return all
}

// dividedVIPs returns a warning for each VIP of which some services want it announced and others do
// not.
func (c *Config) dividedVIPs() (all []string) {
	var order []netip.Addr
	wants := map[netip.Addr]*[2][]string{} // names of the services of a VIP: silent ones, others
	for i := range c.Services {
		s := &c.Services[i]
		vip := s.Address.Addr()
		if wants[vip] == nil {
			order, wants[vip] = append(order, vip), new([2][]string)
		}
		which := &wants[vip][0]
		if c.Director.Announces(s) {
			which = &wants[vip][1]
		}
		*which = append(*which, s.Name)
	}
	for _, vip := range order {
		if w := wants[vip]; len(w[0]) > 0 && len(w[1]) > 0 {
			all = append(all, fmt.Sprintf("VIP %s is announced because of %s, although %s should not be",
				vip, servicesNamed(w[1]), servicesNamed(w[0])))
		}
	}
	return all
}
