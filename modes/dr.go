package modes

import "fulcrum/packet"

// Route forwards a packet as it is, one hop on: all of dr.
func Route(ip packet.IPv4) { ip.DecrementTTL() }

// Route6 is Route for IPv6, whose header has no checksum.
func Route6(ip packet.IPv6) { ip.SetHopLimit(ip.HopLimit() - 1) }
