package main

import (
	"fulcrum/config"
	"fulcrum/ports"
	"fulcrum/steer"
)

// portSpreads returns how each port should spread packets over its queues. Package steer has the
// rule.
func portSpreads(c *config.Config) []ports.Spread {
	all := make([]steer.Port, len(c.Ports))
	for i, p := range c.Ports {
		all[i].Device = p.Device
	}
	for _, service := range c.Services {
		for _, server := range service.RealServers {
			if port, known := c.PortTo(server.Address.Addr()); known {
				all[port].Servers = append(all[port].Servers, service.ModeOf(server))
			}
		}
	}
	return steer.Spreads(all)
}
