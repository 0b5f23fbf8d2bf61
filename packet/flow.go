package packet

// Flow4 is what the packets of one direction of an IPv4 session have in common, beside the protocol: source and
// destination as they stand in the packet, host-order numbers.
type Flow4 struct {
	Src, Dst         uint32
	SrcPort, DstPort uint16
}

// Key4 is a flow with its protocol: what tells one direction of a session from all others.
type Key4 struct {
	Flow4
	Protocol uint8
}

// Flow6 is Flow4 for IPv6.
type Flow6 struct {
	Src, Dst         Addr
	SrcPort, DstPort uint16
}

// Key6 is Key4 for IPv6.
type Key6 struct {
	Flow6
	Protocol uint8
}
