package engine

import (
	"net/netip"
	"slices"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// mostAnnounced bounds how many addresses of a range are announced: there may be 2^64 of them.
const mostAnnounced = 256

// announcedOf returns the addresses of a range to announce: the first ones on the ports' subnets.
func (n *snapshot) announcedOf(m lvs.Match) (all []packet.Addr) {
	for _, subnet := range n.subnets() {
		first, last := later(m.First, subnet.Addr()), earlier(m.Last, lvs.LastOf(subnet))
		if first.BitLen() != subnet.Addr().BitLen() {
			continue
		}
		for a := first; a.IsValid() && !last.Less(a) && len(all) < mostAnnounced; a = a.Next() {
			all = append(all, packet.AddrOf(a))
		}
	}
	return all
}

func later(a, b netip.Addr) netip.Addr {
	if a.Less(b) && a.BitLen() == b.BitLen() {
		return b
	}
	return a
}

func earlier(a, b netip.Addr) netip.Addr {
	if b.Less(a) && a.BitLen() == b.BitLen() {
		return b
	}
	return a
}

// subnets returns the subnets of all ports, each once.
func (n *snapshot) subnets() (all []netip.Prefix) {
	for i := range n.ports {
		for _, own := range n.ports[i].own {
			if subnet := own.Masked(); !slices.Contains(all, subnet) {
				all = append(all, subnet)
			}
		}
	}
	return all
}

// rangedAddresses returns the addresses of all services' ranges to announce.
func (n *snapshot) rangedAddresses() (all []packet.Addr) {
	if n.ranges == nil {
		return nil
	}
	for _, e := range n.order {
		for _, m := range e.spread {
			all = append(all, n.announcedOf(m)...)
		}
	}
	return all
}
