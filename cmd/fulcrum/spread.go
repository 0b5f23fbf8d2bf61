package main

import (
	"slices"

	"fulcrum/config"
	"fulcrum/modes"
	"fulcrum/ports"
)

// portSpreads says by what each port is to spread packets over its queues. Mode nat keeps the client's address and port: they are
// the source of what clients send and the destination of what real servers answer, and so lead both to one worker. A port
// with both clients and real servers behind it can only go by the whole flow.
func portSpreads(c *config.Config) []ports.Spread {
	spreads := make([]ports.Spread, len(c.Ports))
	servers := natServerPorts(c)
	if !slices.Contains(servers, true) || !slices.Contains(servers, false) || haveBoth(devices(c.Ports), servers) {
		return spreads
	}
	for i := range spreads {
		spreads[i] = ports.SpreadSource
		if servers[i] {
			spreads[i] = ports.SpreadDestination
		}
	}
	return spreads
}

// haveBoth says whether a device leads to real servers by one VLAN and to clients by another: it spreads by one rule.
func haveBoth(all []device, servers []bool) bool {
	for _, one := range all {
		for _, i := range one.members {
			if servers[i] != servers[one.members[0]] {
				return true
			}
		}
	}
	return false
}

// natServerPorts says of each port whether it leads to a real server of mode nat.
func natServerPorts(c *config.Config) []bool {
	leads := make([]bool, len(c.Ports))
	for _, service := range c.Services {
		if service.Mode != modes.NAT.String() {
			continue
		}
		for _, server := range service.RealServers {
			if port, known := c.PortTo(server.Address.Addr()); known {
				leads[port] = true
			}
		}
	}
	return leads
}
