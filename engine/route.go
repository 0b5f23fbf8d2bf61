package engine

import (
	"cmp"
	"net/netip"
	"slices"

	"fulcrum/packet"
)

// routeTable finds the next hop of a destination by longest prefix. It is searched in order of
// prefix length, which is fast enough for a director's few routes. It holds routes of both
// families: an IPv4 prefix is one of mapped addresses.
type routeTable []routeEntry

type routeEntry struct {
	prefix, mask packet.Addr
	bits         int         // of the mask
	gateway      packet.Addr // zero: the destination is on the port's own subnet
	port         uint16
	dead         bool // no route leads there
}

// linkLocal holds the addresses that no router forwards to (RFC 4291, 2.5.6).
var linkLocal = netip.MustParsePrefix("fe80::/10")

// newRouteTable makes the table of a topology. A link-local address leads to a port if only one has
// such addresses; a gateway that has one is a next hop on the port of its route.
func newRouteTable(s topologySettings) routeTable {
	t := routeTable{newRouteEntry(linkLocal, packet.Addr{}, 0)}
	t[0].dead = true
	ambiguous := s.linkLocalPorts() > 1
	for i, p := range s.ports {
		for _, a := range p.Addresses {
			if !ambiguous || !linkLocal.Contains(a.Addr()) {
				t = append(t, newRouteEntry(a, packet.Addr{}, i))
			}
		}
	}
	for _, r := range s.routes {
		t = append(t, newRouteEntry(r.To, packet.AddrOf(r.Via), r.Port))
	}
	slices.SortStableFunc(t, func(a, b routeEntry) int { return cmp.Compare(b.bits, a.bits) })
	return t
}

// linkLocalPorts returns how many ports have link-local addresses.
func (s *topologySettings) linkLocalPorts() (n int) {
	for _, p := range s.ports {
		if slices.ContainsFunc(p.Addresses, func(a netip.Prefix) bool { return linkLocal.Contains(a.Addr()) }) {
			n++
		}
	}
	return n
}

func newRouteEntry(to netip.Prefix, gateway packet.Addr, port int) routeEntry {
	e := routeEntry{bits: to.Bits(), gateway: gateway, port: uint16(port)}
	if to.Addr().Is4() {
		e.bits += 96
	}
	e.mask = packet.PrefixMask(e.bits)
	e.prefix = packet.AddrOf(to.Addr()).And(e.mask)
	return e
}

// next returns the address to resolve and the port to send on.
func (t routeTable) next(dst packet.Addr) (nextHop packet.Addr, port uint16, ok bool) {
	for i := range t {
		if e := &t[i]; dst.And(e.mask) == e.prefix {
			if e.gateway != (packet.Addr{}) {
				return e.gateway, e.port, true
			}
			return dst, e.port, !e.dead
		}
	}
	return packet.Addr{}, 0, false
}
