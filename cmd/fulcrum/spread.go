package main

import (
	"slices"

	"fulcrum/config"
	"fulcrum/lvs"
	"fulcrum/ports"
)

// portSpreads says by what each port is to spread packets over its queues. Mode nat keeps the client's address and port: they are
// the source of what clients send and the destination of what real servers answer, and so lead both to one worker. A port
// with both clients and real servers behind it can only go by the whole flow.
func portSpreads(c *config.Config) []ports.Spread {
	spreads := make([]ports.Spread, len(c.Ports))
	servers := ownedServerPorts(c)
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

// ownedServerPorts says of each port whether it leads to a real server whose answers belong to the
// worker that has the client's address and port.
func ownedServerPorts(c *config.Config) []bool {
	leads := make([]bool, len(c.Ports))
	for _, service := range c.Services {
		if service.Mode.Owner() != lvs.ClientEnd {
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
