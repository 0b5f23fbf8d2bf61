package engine

import (
	"cmp"
	"net/netip"
	"slices"

	"fulcrum/packet"
)

// routeTable finds the next hop of a destination by longest prefix. It is walked in order of length, which is right for the
// handful of routes that a director has.
type routeTable []routeEntry

type routeEntry struct {
	prefix, mask uint32
	gateway      uint32 // 0: the destination is on the port's own subnet
	port         uint16
}

func newRouteTable(s Settings) routeTable {
	var t routeTable
	for i, p := range s.Ports {
		for _, a := range p.Addresses {
			t = t.add(a, 0, i)
		}
	}
	for _, r := range s.Routes {
		if r.Via.Is4() {
			t = t.add(r.To, packet.Addr4(r.Via), r.Port)
		}
	}
	slices.SortStableFunc(t, func(a, b routeEntry) int { return cmp.Compare(b.mask, a.mask) })
	return t
}

func (t routeTable) add(to netip.Prefix, gateway uint32, port int) routeTable {
	if !to.Addr().Is4() {
		return t
	}
	mask := ^uint32(0) << (32 - to.Bits())
	return append(t, routeEntry{packet.Addr4(to.Addr()) & mask, mask, gateway, uint16(port)})
}

// next returns the address to resolve and the port to send on.
func (t routeTable) next(dst uint32) (nextHop uint32, port uint16, ok bool) {
	for i := range t {
		if e := &t[i]; dst&e.mask == e.prefix {
			if e.gateway != 0 {
				return e.gateway, e.port, true
			}
			return dst, e.port, true
		}
	}
	return 0, 0, false
}
