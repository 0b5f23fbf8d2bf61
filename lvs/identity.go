package lvs

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ServiceID identifies a service across configurations: by its first match, or by its mark and
// family. Counters, changes made live and sessions refer to it. It is comparable.
type ServiceID struct {
	Protocol Protocol // zero for a mark
	// Address is the VIP and its port; the first ones of a match with several. For a mark it is the
	// unspecified address of its family, with port 0.
	Address netip.AddrPort
	// Last and LastPort are the last address and port of a match with several; otherwise zero.
	Last     netip.Addr
	LastPort uint16
	Mark     uint32 // zero for a match
}

// IDOf returns the identity of a service whose first match is m.
func IDOf(m Match) ServiceID {
	id := ServiceID{Protocol: m.Protocol, Address: netip.AddrPortFrom(m.First, m.Ports.First)}
	if !m.Single() {
		id.Last, id.LastPort = m.Last, m.Ports.Last
	}
	return id
}

// IDOfMark returns the identity of the service of a mark and a family.
func IDOfMark(mark uint32, is6 bool) ServiceID {
	family := netip.IPv4Unspecified()
	if is6 {
		family = netip.IPv6Unspecified()
	}
	return ServiceID{Address: netip.AddrPortFrom(family, 0), Mark: mark}
}

// ProtocolName returns the protocol of the service, or "any" for a mark.
func (id ServiceID) ProtocolName() string {
	if id.Mark != 0 {
		return "any"
	}
	return id.Protocol.String()
}

// Single reports whether the service is known by a single address and port.
func (id ServiceID) Single() bool { return id.Mark == 0 && !id.Last.IsValid() }

// Is6 reports whether the service's clients come over IPv6.
func (id ServiceID) Is6() bool { return id.Address.Addr().Is6() }

// BeginsAs reports whether both are known by matches of one protocol that begin at the same address
// and port. IPVS has no ranges: it can name a range only by its beginning, with port 0 for every
// port.
func (id ServiceID) BeginsAs(o ServiceID) bool {
	return id.Mark == 0 && o.Mark == 0 && id.Protocol == o.Protocol && id.Address == o.Address
}

// Match returns the match by which the service is known. It is meaningless for a mark.
func (id ServiceID) Match() Match {
	if id.Single() {
		return MatchOf(id.Protocol, id.Address)
	}
	return Match{id.Protocol, id.Address.Addr(), id.Last, Ports{id.Address.Port(), id.LastPort}}
}

// Destination returns the addresses and ports of the match, as in "10.0.0.0/28:*", or the mark, as
// in "mark 7" or "mark 7 ipv6".
func (id ServiceID) Destination() string {
	switch {
	case id.Mark == 0:
		return id.Match().Destination()
	case id.Is6():
		return fmt.Sprintf("mark %d ipv6", id.Mark)
	}
	return fmt.Sprintf("mark %d", id.Mark)
}

// String returns the protocol and the destination, as in "tcp 10.0.0.100:80", or the mark.
func (id ServiceID) String() string {
	if id.Mark != 0 {
		return id.Destination()
	}
	return fmt.Sprintf("%s %s", id.Protocol, id.Destination())
}

// Name returns a name for a service whose source has no names for services, such as ipvsadm:
// tcp-10.0.0.100-80, or mark-7.
func (id ServiceID) Name() string {
	if id.Mark != 0 {
		return strings.ReplaceAll(id.Destination(), " ", "-")
	}
	m := id.Match()
	addresses, ports := dashed(m.First), strings.ReplaceAll(m.Ports.String(), "*", "all")
	if m.First != m.Last {
		addresses += "-" + ending(m)
	}
	return fmt.Sprintf("%s-%s-%s", id.Protocol, addresses, ports)
}

// dashed returns an address as a part of a name.
func dashed(a netip.Addr) string { return strings.ReplaceAll(a.StringExpanded(), ":", "-") }

// ending returns the end of a range as a part of a name, which has room for one IPv6 address: of
// IPv6 it is the length of a prefix, or else the last group of the last address.
func ending(m Match) string {
	last := dashed(m.Last)
	if !m.Is6() {
		return last
	}
	if p, ok := m.Prefix(); ok {
		return strconv.Itoa(p.Bits())
	}
	return last[len(last)-4:]
}

// RealServerID identifies a real server across configurations: its service, and its own address and
// port. The forwarding mode is not part of it: it is a setting of the real server and a property of
// each session. It is comparable.
type RealServerID struct {
	Service ServiceID
	Address netip.AddrPort // the real server's own; port 0 is that of each packet
}

// String returns the address and the service, as in "10.1.0.11:80 of tcp 10.0.0.100:80".
func (id RealServerID) String() string { return fmt.Sprintf("%s of %s", id.Address, id.Service) }
