package lvs

import "fmt"

// Mode is a way of forwarding.
type Mode uint8

// The modes. Their order is that of the documentation; the number is no part of any interface.
const (
	DR Mode = iota
	NAT
	FullNAT
	IPIP
	NumModes
)

// Path is what a mode does to a packet on its way to the real server.
type Path uint8

// The paths.
const (
	Route     Path = iota // the packet goes on as it is
	Translate             // its addresses and ports are replaced
	Tunnel                // it travels inside another packet
)

// Source is whose address real servers see.
type Source uint8

// The sources.
const (
	Client Source = iota
	Local         // one of the director's local addresses
)

// Owner says which worker has a flow of a client.
type Owner uint8

// The owners.
const (
	Receiver  Owner = iota // the one that received it, where the device keeps a flow together
	ClientEnd              // a hash of the client's address and port, which both directions carry
)

// modes is the one table of modes.
var modes = [NumModes]struct {
	name      string
	path      Path
	source    Source
	owner     Owner
	twoWay    bool // answers pass the director
	fixedPort bool // real servers have the service's port
	onLink    bool // real servers are on a port's subnet
	mixed     bool // clients of IPv6 may have real servers of IPv4
	flag      string
	method    string
}{
	DR:      {name: "dr", path: Route, fixedPort: true, onLink: true, flag: "-g", method: "DR"},
	NAT:     {name: "nat", path: Translate, owner: ClientEnd, twoWay: true, flag: "-m", method: "NAT"},
	FullNAT: {name: "fullnat", path: Translate, source: Local, twoWay: true, mixed: true, flag: "--fullnat", method: "FNAT"},
	IPIP:    {name: "ipip", path: Tunnel, fixedPort: true, flag: "-i", method: "TUN"},
}

// ParseMode returns the mode with a name of the configuration.
func ParseMode(name string) (Mode, bool) {
	for m := range modes {
		if modes[m].name == name {
			return Mode(m), true
		}
	}
	return 0, false
}

// String returns the mode's name in the configuration.
func (m Mode) String() string {
	if m >= NumModes {
		return fmt.Sprintf("mode %d", uint8(m))
	}
	return modes[m].name
}

// Path returns what the mode does to a packet.
func (m Mode) Path() Path { return modes[m].path }

// Source returns whose address real servers see.
func (m Mode) Source() Source { return modes[m].source }

// Owner returns which worker has a client's flows.
func (m Mode) Owner() Owner { return modes[m].owner }

// TwoWay reports whether real servers' answers pass the director.
func (m Mode) TwoWay() bool { return modes[m].twoWay }

// FixedPort reports whether real servers have the service's port, since the mode rewrites none.
func (m Mode) FixedPort() bool { return modes[m].fixedPort }

// OnLink reports whether real servers have to be on a port's subnet, since the mode reaches them by their MAC address.
func (m Mode) OnLink() bool { return modes[m].onLink }

// Mixed reports whether clients of IPv6 may have real servers of IPv4.
func (m Mode) Mixed() bool { return modes[m].mixed }

// Flag returns ipvsadm's option for the mode; fullnat has Fulcrum's own.
func (m Mode) Flag() string { return modes[m].flag }

// Method returns keepalived's name of the mode (lvs_method).
func (m Mode) Method() string { return modes[m].method }
