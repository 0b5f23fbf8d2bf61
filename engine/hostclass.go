package engine

// HostClass divides what goes to the host by what depends on it.
type HostClass uint8

const (
	HostNeighbour  HostClass = iota // copies of ARP and of neighbour and router discovery
	HostRouting                     // VRRP, OSPF, BFD, BGP, IGMP, MLD, LLDP and LACP
	HostRest                        // SSH and everything else
	NumHostClasses                  // how many classes there are
)

// String returns the class's name as metrics and explanations show it.
func (c HostClass) String() string {
	return [NumHostClasses]string{"neighbour", "routing", "rest"}[c]
}

// hostLane is a part of a class with a bucket of its own, so that a flood in one lane takes nothing
// from the others.
type hostLane uint8

const (
	noLane          hostLane = iota // not for the host
	laneNeighbour                   // copies of ARP and of discovery
	laneRouting                     // protocols of stations on the link
	lanePeering                     // BGP connections on which the host has sent
	laneDistant                     // what asks for such a connection; BFD and OSPF from afar
	laneConnections                 // other connections and flows on which the host has sent
	laneOpen                        // new connections to ports where the host accepts them; DHCP
	laneGroup                       // multicast
	laneOther                       // everything else
	numHostLanes
)

// hostLanes has the bucket of each lane, which holds the tokens of one second, and the part of a
// worker's ring that the lane may fill. What strangers can send at will fills half of the ring at
// most, and each of their addresses has a share of it.
var hostLanes = [numHostLanes]struct {
	class     HostClass
	perSecond int
	quarters  int  // of the ring
	bySource  bool // see hostSourceRate
}{
	laneNeighbour:   {HostNeighbour, 1000, 3, false},
	laneRouting:     {HostRouting, 5000, 4, false},
	lanePeering:     {HostRouting, 50_000, 4, false},
	laneDistant:     {HostRouting, 2000, 2, true},
	laneConnections: {HostRest, 500_000, 3, false},
	laneOpen:        {HostRest, 2000, 2, true},
	laneGroup:       {HostRest, 1000, 2, true},
	laneOther:       {HostRest, 1000, 2, true},
}

// hostSourceRate is what one IPv4 address, or one IPv6 /64, may send to the host in all lanes with
// bySource.
var hostSourceRate = rate{200, 60}
