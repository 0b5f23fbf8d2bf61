package steer

import (
	"slices"

	"fulcrum/lvs"
	"fulcrum/ports"
)

// Port is what the request has to know of a port of the configuration.
type Port struct {
	Device  string     // ports of one device are asked to spread by one rule
	Servers []lvs.Mode // the modes of the real servers behind the port
}

// Spreads returns how each port is to be asked to spread packets over its queues. A client's
// address and port are the source of what it sends and the destination of what real servers answer.
// In a mode whose flows belong to the client's end they so lead both directions to one worker. A
// device with both clients and such real servers behind it can only go by the whole flow, and then
// all do.
func Spreads(all []Port) []ports.Spread {
	spreads := make([]ports.Spread, len(all))
	servers := make([]bool, len(all))
	for i, p := range all {
		servers[i] = slices.ContainsFunc(p.Servers, byClientEnd)
	}
	on, off := slices.Contains(servers, true), slices.Contains(servers, false)
	if !on || !off || haveBoth(all, servers) {
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

func byClientEnd(m lvs.Mode) bool { return m.Owner() == lvs.ClientEnd }

// haveBoth reports whether a device leads to real servers by one VLAN and to clients by another.
func haveBoth(all []Port, servers []bool) bool {
	of := map[string]bool{}
	for i, p := range all {
		if leads, known := of[p.Device]; known && leads != servers[i] {
			return true
		}
		of[p.Device] = servers[i]
	}
	return false
}
