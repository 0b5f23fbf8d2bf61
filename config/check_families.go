package config

import (
	"net/netip"

	"fulcrum/lvs"
)

// family returns the name of an address's IP version.
func family(a netip.Addr) string {
	if a.Is6() {
		return "IPv6"
	}
	return "IPv4"
}

// sameFamily reports whether two addresses have the same IP version. It is true if one is invalid.
func sameFamily(a, b netip.Addr) bool {
	return !a.IsValid() || !b.IsValid() || a.Is6() == b.Is6()
}

// checkFamily reports a real server that its mode does not reach from a VIP of the other IP
// version. A tunnel carries either version in either, and fullnat translates IPv6 to IPv4.
func (c *checker) checkFamily(v value, service *Service, rs RealServer) bool {
	vip, server, mode := service.Address.Addr(), rs.Address.Addr(), service.ModeOf(rs)
	if sameFamily(vip, server) || mode == lvs.NoMode || mode.Reaches(vip.Is6(), server.Is6()) {
		return true
	}
	others := lvs.ModesWith(func(m lvs.Mode) bool { return m.Reaches(vip.Is6(), server.Is6()) })
	v.reportf("use an "+family(vip)+" real server, or mode "+either(others),
		"%s is %s, but mode %s cannot forward to %s from an %s VIP",
		server, family(server), mode, family(server), family(vip))
	return false
}

// checkLocalFamilies reports an IP version that fullnat's real servers need and its local addresses
// lack. It also reports IPv6 local addresses under an IPv4 VIP.
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
				"%s is IPv6, but mode %s cannot forward to IPv6 from an IPv4 VIP",
				entry[0], either(lvs.ModesWith(hasLocals)))
		}
	}
	for _, server := range service.RealServers {
		a := server.Address.Addr()
		allowed := a.IsValid() && (service.Address.Addr().Is6() || a.Is4()) &&
			hasLocals(service.ModeOf(server))
		if of := family(a); allowed && len(locals) > 0 && !locals[of] {
			v.reportf("add "+of+" addresses", "has no %s address for the real server %s", of, a)
			locals[of] = true
		}
	}
}
