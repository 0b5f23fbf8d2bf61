package config

import (
	"net/netip"

	"fulcrum/lvs"
)

// family names the version of IP that an address is of.
func family(a netip.Addr) string {
	if a.Is6() {
		return "IPv6"
	}
	return "IPv4"
}

// sameFamily says whether two addresses are of one version of IP, or not both known.
func sameFamily(a, b netip.Addr) bool {
	return !a.IsValid() || !b.IsValid() || a.Is6() == b.Is6()
}

// checkFamily reports a real server that its service's mode does not reach from a VIP of the other version of IP. A
// tunnel carries either in either, and fullnat translates IPv6 to IPv4.
func (c *checker) checkFamily(v value, server netip.Addr, service Service) bool {
	vip := service.Address.Addr()
	switch {
	case sameFamily(vip, server), service.Mode == lvs.NoMode,
		service.Mode.Reaches(vip.Is6(), server.Is6()):
		return true
	}
	others := lvs.ModesWith(func(m lvs.Mode) bool { return m.Reaches(vip.Is6(), server.Is6()) })
	v.reportf("use an "+family(vip)+" real server, or "+either(others),
		"%s is %s, which %s does not reach from an %s VIP", server, family(server), service.Mode, family(vip))
	return false
}

// checkLocalFamilies reports a version of IP that fullnat's real servers have and its local addresses have not, or that its VIP rules
// out.
func (c *checker) checkLocalFamilies(i int) {
	service, v := c.Services[i], c.at("service", i, "local_addresses")
	locals := map[string]bool{}
	for j, entry := range c.locals[i] {
		if len(entry) == 0 {
			return // could not be read
		}
		locals[family(entry[0])] = true
		if entry[0].Is6() && service.Address.Addr().Is4() {
			c.at("service", i, "local_addresses", j).reportf("use IPv4 addresses",
				"%s is IPv6, and %s does not lead from an IPv4 VIP to IPv6",
				entry[0], either(lvs.ModesWith(hasLocals)))
		}
	}
	for _, server := range service.RealServers {
		a := server.Address.Addr()
		if of := family(a); a.IsValid() && len(locals) > 0 && !locals[of] && (service.Address.Addr().Is6() || a.Is4()) {
			v.reportf("add "+of+" addresses", "has no %s address to reach the real server %s from", of, a)
			locals[of] = true
		}
	}
}
