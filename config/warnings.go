package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"fulcrum/lvs"
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
func (c *Config) Warnings() []string { return c.warnings(allowedCPUs()) }

// warnings is Warnings in a process that may run on the given CPUs.
func (c *Config) warnings(cpus []int) []string {
	all := slices.Concat(c.otherCPUs(cpus), c.shortAddresses(), c.dividedVIPs(), c.dividedOwners(), c.idleGroup(),
		c.lonelyVIPs(), c.translatedFTP(), c.lostAnswers(), c.uncounted())
	if c.Session.RouteUnmatched {
		all = append(all, "session.route_unmatched: real servers of nat services can reach every "+
			"network of the director, and hosts of these networks can reach the real servers; "+
			"filter what must not pass")
	}
	if c.Session.IgnoreTunneled {
		all = append(all, "session.ignore_tunneled: has no effect; the director opens no tunnels, "+
			"so no packet comes out of one")
	}
	return all
}

// dividedVIPs returns a warning for each VIP whose services disagree about its announcement.
func (c *Config) dividedVIPs() (all []string) {
	var order []netip.Addr
	wants := map[netip.Addr]*[2][]string{} // names of the services of a VIP: silent ones, others
	for i := range c.Services {
		s := &c.Services[i]
		for _, vip := range c.VIPs(s) {
			if wants[vip] == nil {
				order, wants[vip] = append(order, vip), new([2][]string)
			}
			which := &wants[vip][0]
			if c.Director.Announces(s) {
				which = &wants[vip][1]
			}
			*which = append(*which, s.Name)
		}
	}
	for _, vip := range order {
		if w := wants[vip]; len(w[0]) > 0 && len(w[1]) > 0 {
			all = append(all, fmt.Sprintf("VIP %s is announced because of %s, although %s should not be",
				vip, servicesNamed(w[1]), servicesNamed(w[0])))
		}
	}
	return all
}

// dividedOwners returns a warning for each VIP that the host owns by one service and the director
// by another: it is announced whether the host holds it or not.
func (c *Config) dividedOwners() (all []string) {
	var order []netip.Addr
	owned := map[netip.Addr][]string{} // names of the services by which the host owns a VIP
	for i := range c.Services {
		if s := &c.Services[i]; s.VIPOwner == OwnedByHost {
			for _, vip := range c.VIPs(s) {
				if owned[vip] == nil {
					order = append(order, vip)
				}
				owned[vip] = append(owned[vip], s.Name)
			}
		}
	}
	if len(order) == 0 {
		return nil
	}
	others := map[netip.Addr][]string{}
	for i := range c.Services {
		if s := &c.Services[i]; s.VIPOwner != OwnedByHost && c.Director.Announces(s) {
			for _, vip := range c.VIPs(s) {
				if owned[vip] != nil {
					others[vip] = append(others[vip], s.Name)
				}
			}
		}
	}
	for _, vip := range order {
		if names := others[vip]; names != nil {
			all = append(all, fmt.Sprintf("VIP %s is announced because of %s, whether the host holds it or "+
				"not, although %s should leave that to the host", vip, servicesNamed(names),
				servicesNamed(owned[vip])))
		}
	}
	return all
}

// lonelyVIPs returns a warning for each service whose scheduler chooses by VIP, and which has one.
func (c *Config) lonelyVIPs() (all []string) {
	for i := range c.Services {
		s := &c.Services[i]
		if s.Scheduler.ByVIP() && len(s.RealServers) > 1 && c.hasOneVIP(s) {
			all = append(all, fmt.Sprintf("service %s: %s chooses by VIP, and the service has one: "+
				"its sessions go to one of its %d real servers", s.Name, s.Scheduler, len(s.RealServers)))
		}
	}
	return all
}

// hasOneVIP reports whether everything that a service claims is at one address.
func (c *Config) hasOneVIP(s *Service) bool {
	vips := map[netip.Addr]bool{}
	for _, m := range c.Claims(s) {
		vips[m.First], vips[m.Last] = true, true
	}
	return len(vips) == 1
}

// The ports of FTP's control connections, and of its data connections from the server (RFC 959).
const (
	portFTP     = 21
	portFTPData = 20
)

// translatedFTP returns a warning for each persistent service of FTP in a mode that translates
// addresses: those inside the control connection stay as they are.
func (c *Config) translatedFTP() (all []string) {
	for i := range c.Services {
		s := &c.Services[i]
		if s.Persistence != 0 && s.Address.Port() == portFTP && s.Protocol == lvs.TCP &&
			s.Mode.Path() == lvs.Translate {
			all = append(all, fmt.Sprintf("service %s: FTP in %s: the addresses that FTP sends inside "+
				"its control connection are not translated, so that data connections fail; "+
				"use dr or ipip", s.Name, s.Mode))
		}
	}
	return all
}

// shortAddresses returns a warning for each PCI address without a domain, as lspci prints it.
func (c *Config) shortAddresses() (all []string) {
	for _, p := range c.Ports {
		if short := shortPCI.FindString(p.Device); short != "" {
			all = append(all, fmt.Sprintf("port %s: device %q is read as %q: write the domain too",
				p.Name, short, "0000:"+strings.ToLower(short)))
		}
	}
	return all
}

// otherCPUs returns a warning if the workers' CPUs are not this process's: a director that is
// started in the same way cannot use them.
func (c *Config) otherCPUs(cpus []int) []string {
	var others []int
	for _, w := range slices.Compact(slices.Sorted(slices.Values(c.Director.Workers))) {
		if !slices.Contains(cpus, w) {
			others = append(others, w)
		}
	}
	if others == nil {
		return nil
	}
	return []string{fmt.Sprintf("director.workers: this process may run on CPUs %s, and not on %s: "+
		"the director must be started with more (CPUAffinity= of systemd, taskset)",
		cpuRanges(cpus), cpuRanges(others))}
}
