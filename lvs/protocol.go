package lvs

import "strconv"

// Protocol is an IP protocol number. Zero stands for a missing or unknown protocol.
type Protocol uint8

// The protocols of services, and those of echo sessions.
const (
	ICMP   Protocol = 1
	TCP    Protocol = 6
	UDP    Protocol = 17
	ICMPv6 Protocol = 58
	SCTP   Protocol = 132
)

// protocols is the one table of protocols that services can have, in the order of the
// documentation.
var protocols = [...]struct {
	number         Protocol
	name           string
	flag, longFlag string // ipvsadm's; the same where it has no letter
}{
	{TCP, "tcp", "-t", "--tcp-service"},
	{UDP, "udp", "-u", "--udp-service"},
	{SCTP, "sctp", "--sctp-service", "--sctp-service"},
}

// Protocols returns the protocols that services can have.
func Protocols() []Protocol {
	var all []Protocol
	for _, p := range protocols {
		all = append(all, p.number)
	}
	return all
}

// ParseProtocol returns the protocol of services with a name, or zero and false.
func ParseProtocol(name string) (Protocol, bool) {
	for _, p := range protocols {
		if p.name == name {
			return p.number, true
		}
	}
	return 0, false
}

// String returns the protocol's name in the configuration, "icmp" for ICMP and ICMPv6, or else the
// number.
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

// Flag returns ipvsadm's option for services of the protocol, or "" for a protocol that services
// cannot have.
func (p Protocol) Flag() string {
	for _, known := range protocols {
		if known.number == p {
			return known.flag
		}
	}
	return ""
}

// LongFlag returns the long form of Flag, or Flag itself where there is no letter.
func (p Protocol) LongFlag() string {
	for _, known := range protocols {
		if known.number == p {
			return known.longFlag
		}
	}
	return ""
}
