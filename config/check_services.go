package config

import (
	"net/netip"

	"fulcrum/lvs"
)

func (c *checker) checkServices() {
	names, sockets, echoing := firsts{}, firsts{}, firsts{}
	for i, service := range c.Services {
		names.unique(c.at("service", i, "name"), service.Name, "the name of another service", "give every service a name of its own")
		v := c.at("service", i, "address")
		c.isHostAddress(v, service.Address.Addr())
		if service.Address.IsValid() && service.Protocol != 0 {
			sockets.unique(v, service.ID().String(), "the address of another service",
				"give every service an address, port or protocol of its own")
		}
		c.checkLocals(i)
		c.checkRealServers(i)
		c.checkMSS(i)
		c.checkEcho(i, echoing)
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
		taken.unique(v, server.Address.String(), "a real server of this service already", "give every real server once")
		if who, held := holder(server.Address.Addr(), c.own, c.vips); held {
			v.reportf("give the real server's own address", "%s is held by the director itself: %s", server.Address.Addr(), who)
		} else if c.checkFamily(v, server.Address.Addr(), c.Services[i]) && c.isHostAddress(v, server.Address.Addr()) {
			c.checkReach(v, server.Address.Addr(), c.Services[i].Mode)
		}
		c.checkServerPort(v, server.Address, c.Services[i])
	}
}

// checkReach reports a real server that its service's mode cannot get packets to.
func (c *checker) checkReach(v value, a netip.Addr, mode lvs.Mode) {
	switch {
	case !c.whole || mode == lvs.NoMode:
	case mode.OnLink() && !c.network.connected(a):
		v.reportf(
			"use a real server on a port's subnet, which "+mode.String()+
				" reaches by its MAC address, or another mode",
			"%s is on no port's subnet", a)
	case !c.network.reachable(a):
		v.reportf("add a [[route]] to it, or use a real server on a port's subnet", "%s is on no port's subnet and behind no route", a)
	}
}

// checkServerPort reports a port that differs from the service's in the modes that cannot rewrite it.
func (c *checker) checkServerPort(v value, server netip.AddrPort, service Service) {
	want := service.Address.Port()
	if service.Mode.FixedPort() && want != 0 && server.Port() != want {
		right := netip.AddrPortFrom(server.Addr(), want).String()
		v.reportf(`write "`+right+`", or use `+either(lvs.ModesWith(rewritesPorts)),
			"port %d differs from the service's %d, and %s does not rewrite ports", server.Port(), want, service.Mode)
	}
}

func rewritesPorts(m lvs.Mode) bool { return !m.FixedPort() }

func (c *checker) checkThresholds(i, j int) {
	server, v := c.Services[i].RealServers[j], c.at("service", i, "real_server", j, "lower_threshold")
	switch {
	case server.LowerThreshold == 0:
	case server.UpperThreshold == 0:
		v.report("a lower threshold without an upper one does nothing", "add upper_threshold, or leave lower_threshold out")
	case server.LowerThreshold > server.UpperThreshold:
		v.reportf("make it at most the upper threshold", "%d is above upper_threshold = %d",
			server.LowerThreshold, server.UpperThreshold)
	}
}

// checkLocals reports local addresses where there should be none, none where there should be some, and bad ones. Several
// services may share them.
func (c *checker) checkLocals(i int) {
	mode, v := c.Services[i].Mode, c.at("service", i, "local_addresses")
	_, given := c.doc.lines[v.at]
	switch {
	case hasLocals(mode) && !given:
		c.at("service", i).missing("local_addresses",
			"give the addresses that "+mode.String()+` sends from, such as ["10.1.0.50-10.1.0.53"]`)
	case !hasLocals(mode) && mode != lvs.NoMode && given:
		v.reportf("leave the key out, or use "+either(lvs.ModesWith(hasLocals)),
			"%s has no local addresses", mode)
	default:
		c.checkEntries(i)
		c.checkLocalFamilies(i)
	}
}

func hasLocals(m lvs.Mode) bool { return m.Source() == lvs.Local }

// checkMSS reports a segment size for a protocol that has none.
func (c *checker) checkMSS(i int) {
	if service := c.Services[i]; service.MSS != 0 && service.Protocol != lvs.TCP && service.Protocol != 0 {
		c.at("service", i, "mss").reportf("leave the key out", "%s has no maximum segment size", service.Protocol)
	}
}

// checkEcho reports a VIP whose echo requests would have two ways to go.
func (c *checker) checkEcho(i int, passing firsts) {
	vip := c.Services[i].Address.Addr()
	if c.Services[i].Echo || !vip.IsValid() {
		return
	}
	v := c.at("service", i, "echo")
	passing.unique(v, vip.String(), "the VIP of another service that wants its echo requests", "write false for one service of a VIP")
	if who, held := holder(vip, c.own); held {
		v.reportf("leave the key out, or use a VIP that is no port's address", "%s is %s, whose echo requests are the director's", vip, who)
	}
}

// checkEntries reports the first bad address of each entry: the others are mostly bad for the same reason.
func (c *checker) checkEntries(i int) {
	for j, entry := range c.locals[i] {
		for _, a := range entry {
			if !c.checkLocal(c.at("service", i, "local_addresses", j), a) {
				break
			}
		}
	}
}

// checkLocal reports an address that cannot be a local one.
func (c *checker) checkLocal(v value, a netip.Addr) bool {
	who, held := holder(a, c.own, c.vips, c.servers)
	switch {
	case held:
		v.reportf("use addresses that nobody else has", "%s is taken: %s", a, who)
	case c.network.connected(a):
		return c.isHostAddress(v, a)
	case c.whole:
		v.reportf("use addresses of a port's subnet, so that replies come back to that port", "%s is on no port's subnet", a)
	default:
		return true
	}
	return false
}
