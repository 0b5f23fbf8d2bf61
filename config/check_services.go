package config

import (
	"fmt"
	"net/netip"
	"slices"

	"fulcrum/lvs"
)

func (c *checker) checkServices() {
	names, echoing, claimed := firsts{}, firsts{}, newClaimants()
	c.checkMarks(claimed)
	for i, service := range c.Services {
		names.unique(c.at("service", i, "name"), service.Name, "the name of another service",
			"give every service its own name")
		c.checkClaims(i, claimed)
		c.checkLocals(i)
		c.checkRealServers(i)
		c.checkMostServers(i)
		c.checkMSS(i)
		c.checkEngine(i)
		c.checkEcho(i, echoing)
		c.checkPings(i)
		c.checkOnePacket(i)
		c.checkSlowStart(i)
		c.checkAnnounce(i)
		c.checkHealth(i)
		c.checkVIPOwner(i)
	}
}

// checkMostServers reports more real servers than a scheduler's table has room for.
func (c *checker) checkMostServers(i int) {
	s := &c.Services[i]
	if most := s.Scheduler.MostServers(); most != 0 && len(s.RealServers) > most {
		c.at("service", i, "scheduler").reportf("use another scheduler, or divide the service",
			"%s has room for %d real servers, and this service has %d", s.Scheduler, most,
			len(s.RealServers))
	}
}

func (c *checker) checkRealServers(i int) {
	taken := firsts{}
	for j, server := range c.Services[i].RealServers {
		c.checkThresholds(i, j)
		if !server.Address.IsValid() {
			continue
		}
		v := c.at("service", i, "real_server", j, "address")
		taken.unique(v, server.Address.String(), "already a real server of this service",
			"give every real server once")
		c.checkServerAddress(v, i, server)
	}
	for j, address := range c.Services[i].SorryServers {
		if !address.IsValid() {
			continue
		}
		v := c.at("service", i, "sorry_servers", j)
		taken.unique(v, address.String(), "already a real server of this service",
			"give every server once")
		c.checkServerAddress(v, i, RealServer{Address: address})
	}
}

// checkServerAddress reports a real server that the service cannot have.
func (c *checker) checkServerAddress(v value, i int, server RealServer) {
	s, a := &c.Services[i], server.Address.Addr()
	if who, held := holder(a, c.own, c.vips); held {
		v.reportf("use the real server's own address", "%s belongs to the director: %s", a, who)
	} else if c.checkFamily(v, s, server) && c.isUnambiguous(v, a) && c.isHostAddress(v, a) {
		c.checkReach(v, a, s.ModeOf(server))
	}
	c.checkServerPort(v, i, server)
}

// unreached are real servers that most likely cannot be reached for the same reason: a subnet of
// usual size, and what modes demand.
type unreached struct {
	subnet netip.Prefix
	onLink bool
}

func neighbourhood(a netip.Addr, onLink bool) unreached {
	const usualV4, usualV6 = 24, 64
	bits := usualV4
	if a.Is6() {
		bits = usualV6
	}
	return unreached{netip.PrefixFrom(a, bits).Masked(), onLink}
}

// checkReach reports a real server that its mode cannot reach. One route may be missing
// for many: it reports the first of a neighbourhood.
func (c *checker) checkReach(v value, a netip.Addr, mode lvs.Mode) {
	if !c.whole || mode == lvs.NoMode || c.network.connected(a) || c.follows() {
		return
	}
	near := neighbourhood(a, mode.OnLink())
	switch said := c.unreached[near]; {
	case said:
		return
	case mode.OnLink():
		v.reportf(
			"use a real server on a port's subnet, since "+mode.String()+
				" forwards by MAC address, or use another mode",
			"%s is not on any port's subnet", a)
	case !c.network.reachable(a):
		v.reportf("add a [[route]] to it, or use a real server on a port's subnet",
			"%s is not on any port's subnet and no route leads to it", a)
	default:
		return
	}
	c.unreached[near] = true
}

// checkServerPort reports a port that differs from the service's in a mode that cannot rewrite it.
func (c *checker) checkServerPort(v value, i int, rs RealServer) {
	server, mode := rs.Address, c.Services[i].ModeOf(rs)
	want, one := c.portOf(i)
	switch {
	case !mode.FixedPort() || server.Port() == 0 || want == 0:
	case !one:
		v.reportf("write the address without port, or use mode "+either(lvs.ModesWith(rewritesPorts)),
			"the service has several ports, and mode %s does not rewrite ports", mode)
	case server.Port() != want:
		right := netip.AddrPortFrom(server.Addr(), want).String()
		v.reportf(`write "`+right+`", or use mode `+either(lvs.ModesWith(rewritesPorts)),
			"port %d differs from the service's port %d, but mode %s does not rewrite ports",
			server.Port(), want, mode)
	}
}

// portOf returns a port of a service, and whether it is the only one.
func (c *checker) portOf(i int) (port uint16, one bool) {
	claims := c.Claims(&c.Services[i])
	if s := &c.Services[i]; s.Mark == 0 && len(s.Addresses) == 0 {
		return s.Address.Port(), true
	}
	if len(claims) == 0 {
		return 0, false
	}
	port = claims[0].Ports.First
	other := func(m lvs.Match) bool { return m.Ports.First != port || m.Ports.Last != port }
	return port, !slices.ContainsFunc(claims, other)
}

func rewritesPorts(m lvs.Mode) bool { return !m.FixedPort() }

func (c *checker) checkThresholds(i, j int) {
	server, v := c.Services[i].RealServers[j], c.at("service", i, "real_server", j, "lower_threshold")
	switch {
	case server.LowerThreshold == 0:
	case server.UpperThreshold == 0:
		v.report("has no effect without upper_threshold", "add upper_threshold, or leave the key out")
	case server.LowerThreshold > server.UpperThreshold:
		v.reportf(fmt.Sprintf("write at most %d", server.UpperThreshold),
			"%d is above upper_threshold = %d", server.LowerThreshold, server.UpperThreshold)
	}
}

// checkLocals reports missing, superfluous and wrong local addresses. Services may share local
// addresses.
func (c *checker) checkLocals(i int) {
	service, v := &c.Services[i], c.at("service", i, "local_addresses")
	_, given := c.doc.lines[v.at]
	switch {
	case hasLocals(service.Mode) && !given:
		c.at("service", i).missing("local_addresses",
			"give the source addresses of mode "+service.Mode.String()+localsExample)
	case !given:
		c.checkNoLocals(i)
	case !service.HasLocals() && service.Mode != lvs.NoMode &&
		!slices.Contains(service.Modes(), lvs.NoMode):
		v.reportf("leave the key out, or use mode "+either(lvs.ModesWith(hasLocals)),
			"mode %s has no local addresses", either(service.Modes()))
	default:
		c.checkEntries(i)
		c.checkLocalFamilies(i)
	}
}

const localsExample = `, such as ["10.1.0.50-10.1.0.53"]`

// checkNoLocals reports the first real server whose mode needs the local addresses that its service
// lacks.
func (c *checker) checkNoLocals(i int) {
	for j, rs := range c.Services[i].RealServers {
		if mode := c.Services[i].ModeOf(rs); hasLocals(mode) {
			c.at("service", i, "real_server", j, "mode").reportf(
				"add local_addresses to the service"+localsExample+", or use another mode",
				"mode %s needs local addresses, and the service has none", mode)
			return
		}
	}
}

func hasLocals(m lvs.Mode) bool { return m.Source() == lvs.Local }

// checkMSS reports a maximum segment size for a protocol other than TCP.
func (c *checker) checkMSS(i int) {
	s := c.Services[i]
	if s.MSS != 0 && s.Protocol != lvs.TCP && s.Protocol != 0 {
		c.at("service", i, "mss").reportf("leave the key out",
			"protocol %s has no maximum segment size", s.Protocol)
	}
}

// checkEngine reports a persistence engine that has nothing to do, or cannot do it.
func (c *checker) checkEngine(i int) {
	s, v := c.Services[i], c.at("service", i, "persistence_engine")
	of := s.PersistenceEngine
	switch {
	case of == lvs.NoEngine:
	case s.Mark != 0:
		v.reportf("leave the key out, or use address and protocol "+of.Protocol().String(),
			"%s is read in protocol %s only, and the service has a mark", of, of.Protocol())
	case s.Protocol != of.Protocol() && s.Protocol != 0:
		v.reportf("leave the key out, or use protocol "+of.Protocol().String(),
			"%s is read in protocol %s only, and the service has %s", of, of.Protocol(), s.Protocol)
	case s.Persistence == 0:
		v.report("has no effect without persistence", `add persistence = "5m", or leave the key out`)
	}
}

// checkEcho reports a VIP whose echo requests would have two receivers.
func (c *checker) checkEcho(i int, passing firsts) {
	if c.Services[i].Echo {
		return
	}
	v := c.at("service", i, "echo")
	for _, m := range c.Claims(&c.Services[i]) {
		if !m.OneAddress() {
			v.reportf("leave the key out, or give single addresses",
				"%s is a range, where the director answers echo requests", m.Destination())
			return
		}
	}
	for _, vip := range c.VIPs(&c.Services[i]) {
		passing.unique(v, vip.String(), "the VIP of another service with echo = false",
			"write false for only one service of a VIP")
		if who, held := holder(vip, c.own); held {
			v.reportf("leave the key out, or use a VIP that is not a port's address",
				"%s is %s, where the director answers echo requests", vip, who)
		}
	}
}

// checkPings reports the first real server that echo requests to the VIP cannot reach, although all
// real servers are to get some.
func (c *checker) checkPings(i int) {
	service := &c.Services[i]
	if service.Echo {
		return
	}
	for _, rs := range service.RealServers {
		vip, server, mode := service.Address.Addr(), rs.Address.Addr(), service.ModeOf(rs)
		if !sameFamily(vip, server) && mode.Mixed() {
			c.at("service", i, "echo").reportf(
				"leave the key out, or use "+family(vip)+" real servers in this mode",
				"the real server %s is %s, and mode %s translates no echo requests of %s clients",
				server, family(server), mode, family(vip))
			return
		}
	}
}

// checkEntries reports the first wrong address of each entry. The others of the entry mostly have
// the same fault.
func (c *checker) checkEntries(i int) {
	for j, entry := range c.locals[i] {
		for _, a := range entry {
			if !c.checkLocal(c.at("service", i, "local_addresses", j), a) {
				break
			}
		}
	}
}

// checkLocal reports an address that cannot be a local address.
func (c *checker) checkLocal(v value, a netip.Addr) bool {
	who, held := holder(a, c.own, c.vips, c.servers)
	switch {
	case held:
		v.reportf("use an address that is not in use", "%s is in use: %s", a, who)
	case c.network.connected(a):
		return c.isUnambiguous(v, a) && c.isHostAddress(v, a)
	case c.whole:
		v.reportf("use addresses on a port's subnet, so that replies return to that port",
			"%s is not on any port's subnet", a)
	default:
		return true
	}
	return false
}

// checkAnnounce reports a VIP that is to be passive although the director answers for it in any
// case.
func (c *checker) checkAnnounce(i int) {
	if c.Services[i].Announce != AnnounceOff {
		return
	}
	for _, vip := range c.VIPs(&c.Services[i]) {
		if who, held := holder(vip, c.own); held {
			c.at("service", i, "announce").reportf(
				"leave the key out, or use a VIP that is not a port's address",
				"%s is %s, which the director always answers for", vip, who)
		}
	}
}
