package main

import (
	"fulcrum/config"
	"fulcrum/lvs"
	"fulcrum/ports"
	"fulcrum/steer"
)

// portSpreads returns how each port is asked to spread packets over its queues. Package steer has
// the rule.
func portSpreads(c *config.Config) []ports.Spread {
	all := make([]steer.Port, len(c.Ports))
	for i, p := range c.Ports {
		all[i].Device = p.Device
	}
	for _, service := range c.Services {
		mode, ok := lvs.ParseMode(service.Mode)
		if !ok {
			continue // an error in the checks of the configuration
		}
		for _, server := range service.RealServers {
			if port, known := c.PortTo(server.Address.Addr()); known {
				all[port].Servers = append(all[port].Servers, mode)
			}
		}
	}
	return steer.Spreads(all)
}
