package modes

import "fulcrum/packet"

// Route forwards a packet as it is, one hop on: it decrements the TTL, and dr does no more.
func Route(ip packet.IPv4) { ip.DecrementTTL() }

// Route6 is Route for IPv6. It decrements the hop limit; the header has no checksum.
func Route6(ip packet.IPv6) { ip.SetHopLimit(ip.HopLimit() - 1) }
