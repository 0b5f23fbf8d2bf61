package steer

import (
	"slices"

	"fulcrum/lvs"
	"fulcrum/ports"
)

// Port is what Spreads has to know of a port of the configuration.
type Port struct {
	Device  string     // name of the device; all ports of one device get the same spread
	Servers []lvs.Mode // the modes of the real servers behind the port
}

// Spreads returns how to ask each port to spread packets over its queues. A client's address and
// port are the source of its packets and the destination of its answers. Hashing that end leads
// both directions to one worker, as a mode needs whose flows belong to the client's end. A device
// with both clients and such real servers behind it can only hash the whole flow, and then all
// ports do.
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
