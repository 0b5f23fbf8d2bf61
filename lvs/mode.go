package lvs

import (
	"fmt"
	"slices"
	"strings"
)

// Mode is a way of forwarding.
type Mode uint8

// The modes, in the order of the documentation. The numbers are not part of any interface.
const (
	DR Mode = iota
	NAT
	FullNAT
	IPIP
	NumModes
)

// NoMode stands for a missing or unknown mode. Each of its properties is zero.
const NoMode = NumModes

// Path is what a mode does to a packet on its way to the real server.
type Path uint8

// The paths.
const (
	Route     Path = iota // the packet goes on as it is
	Translate             // its addresses and ports are replaced
	Tunnel                // it travels inside another packet
)

// Source is the client address that real servers see.
type Source uint8

// The sources.
const (
	Client Source = iota // the client's own
	Local                // one of the director's local addresses
)

// Owner says which worker has a client's flow.
type Owner uint8

// The owners.
const (
	Receiver  Owner = iota // the worker that received it, where the device keeps a flow together
	ClientEnd              // a hash of the client's address and port, which both directions carry
)

// modes is the table of modes.
var modes = [NumModes + 1]struct {
	name      string
	path      Path
	source    Source
	owner     Owner
	twoWay    bool   // answers pass the director
	fixedPort bool   // real servers have the service's port
	onLink    bool   // real servers are on a port's subnet
	mixed     bool   // IPv6 clients may have IPv4 real servers
	tunnel    string // the type of tunnel in ipvsadm and keepalived
	flag      string // ipvsadm's option; Fulcrum's own for fullnat, without a letter
	longFlag  string
	forward   string // in ipvsadm's lists; DPVS's name for fullnat
	method    string // keepalived's; DPVS's name for fullnat
}{
	DR: {
		name: "dr", path: Route, fixedPort: true, onLink: true,
		flag: "-g", longFlag: "--gatewaying", forward: "Route", method: "DR",
	},
	NAT: {
		name: "nat", path: Translate, owner: ClientEnd, twoWay: true,
		flag: "-m", longFlag: "--masquerading", forward: "Masq", method: "NAT",
	},
	FullNAT: {
		name: "fullnat", path: Translate, source: Local, twoWay: true, mixed: true,
		flag: "--fullnat", longFlag: "--fullnat", forward: "FullNat", method: "FNAT",
	},
	IPIP: {
		name: "ipip", path: Tunnel, fixedPort: true, tunnel: "ipip",
		flag: "-i", longFlag: "--ipip", forward: "Tunnel", method: "TUN",
	},
	NoMode: {},
}

// Modes returns every mode in the order of the documentation.
func Modes() []Mode { return upTo(NumModes) }

// ModesByCost returns every mode in the order of its cost for the director: modes whose answers
// pass the director come last.
func ModesByCost() []Mode {
	return append(ModesWith(func(m Mode) bool { return !m.TwoWay() }), ModesWith(Mode.TwoWay)...)
}

// ModesWith returns the modes that have a property, in the order of the documentation.
func ModesWith(property func(Mode) bool) []Mode {
	return slices.DeleteFunc(Modes(), func(m Mode) bool { return !property(m) })
}

// ParseMode returns the mode with a name of the configuration, or NoMode and false.
func ParseMode(name string) (Mode, bool) {
	return find(func(m Mode) bool { return modes[m].name == name })
}

// ParseFlag returns the mode with an option of ipvsadm, short or long, or NoMode and false.
func ParseFlag(flag string) (Mode, bool) {
	return find(func(m Mode) bool { return modes[m].flag == flag || modes[m].longFlag == flag })
}

// ParseMethod returns the mode with one of keepalived's names (lvs_method), in upper or lower case,
// or NoMode and false.
func ParseMethod(method string) (Mode, bool) {
	return find(func(m Mode) bool { return strings.EqualFold(modes[m].method, method) })
}

func find(is func(Mode) bool) (Mode, bool) {
	for m := range NumModes {
		if is(m) {
			return m, true
		}
	}
	return NoMode, false
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

// Source returns which address real servers see.
func (m Mode) Source() Source { return modes[m].source }

// Other returns the other rule.
func (o Owner) Other() Owner { return ClientEnd - o }

// Owner returns which worker has a client's flows.
func (m Mode) Owner() Owner { return modes[m].owner }

// TwoWay reports whether real servers' answers pass the director.
func (m Mode) TwoWay() bool { return modes[m].twoWay }

// FixedPort reports whether real servers must have the service's port, because the mode rewrites
// none.
func (m Mode) FixedPort() bool { return modes[m].fixedPort }

// OnLink reports whether real servers must be on a port's subnet, because the mode reaches them by
// their MAC address.
func (m Mode) OnLink() bool { return modes[m].onLink }

// Mixed reports whether IPv6 clients may have IPv4 real servers.
func (m Mode) Mixed() bool { return modes[m].mixed }

// Reaches reports whether real servers of one family can serve a VIP of the other or the same
// family.
func (m Mode) Reaches(vip6, server6 bool) bool {
	return vip6 == server6 || modes[m].path == Tunnel || modes[m].mixed && vip6
}

// TunnelType returns the type of the mode's tunnel in ipvsadm and keepalived, or "" for a mode
// without one.
func (m Mode) TunnelType() string { return modes[m].tunnel }

// Flag returns ipvsadm's option for the mode; fullnat has Fulcrum's own.
func (m Mode) Flag() string { return modes[m].flag }

// LongFlag returns the long form of Flag, or Flag itself where there is no letter.
func (m Mode) LongFlag() string { return modes[m].longFlag }

// Forward returns the mode's name in the column Forward of ipvsadm's lists.
func (m Mode) Forward() string { return modes[m].forward }

// Method returns keepalived's name of the mode (lvs_method).
func (m Mode) Method() string { return modes[m].method }
