package modes

import "fulcrum/packet"

// Route forwards a packet as it is, one hop on: all of dr.
func Route(ip packet.IPv4) { ip.DecrementTTL() }
