package lvs

import "strconv"

// Protocol is an IP protocol number.
type Protocol uint8

// The protocols of services, and those of echo sessions.
const (
	ICMP   Protocol = 1
	TCP    Protocol = 6
	UDP    Protocol = 17
	ICMPv6 Protocol = 58
	SCTP   Protocol = 132
)

// protocols are those that services can have, in the order of the documentation.
var protocols = [...]struct {
	number Protocol
	name   string
}{{TCP, "tcp"}, {UDP, "udp"}, {SCTP, "sctp"}}

// Protocols returns the protocols that services can have.
func Protocols() []Protocol {
	var all []Protocol
	for _, p := range protocols {
		all = append(all, p.number)
	}
	return all
}

// ParseProtocol returns the protocol of services with a name.
func ParseProtocol(name string) (Protocol, bool) {
	for _, p := range protocols {
		if p.name == name {
			return p.number, true
		}
	}
	return 0, false
}

// String returns the protocol's name in the configuration, icmp for that of either family, or else the number.
func (p Protocol) String() string {
	for _, known := range protocols {
		if known.number == p {
			return known.name
		}
	}
	if p == ICMP || p == ICMPv6 {
		return "icmp"
	}
	return strconv.Itoa(int(p))
}
