package lab

import (
	"math/big"
	"net/netip"
	"slices"

	"fulcrum/config"
	"fulcrum/lvs"
	"fulcrum/match"
	"fulcrum/packet"
)

// A probe is a destination that clients try.
type probe struct {
	netip.AddrPort
	protocol lvs.Protocol
}

// mostTried bounds the matches of one service that clients try.
const mostTried = 16

// ownersOf returns the index of the service that gets each destination.
func ownersOf(c *config.Config) *match.Table[int] {
	var all []match.Entry[int]
	for i := range c.Services {
		for _, m := range c.Claims(&c.Services[i]) {
			all = append(all, match.Entry[int]{Match: m, Value: i})
		}
	}
	return match.New(all)
}

// probes returns what clients try of a service: of its first matches the first, the middle and the
// last address and port, unless a narrower match of another service has them.
func (d *drawer) probes(service int) (all []probe) {
	matches := d.config.Claims(&d.config.Services[service])
	for _, m := range matches[:min(len(matches), mostTried)] {
		if m.Protocol != lvs.TCP && m.Protocol != lvs.UDP {
			continue
		}
		for _, at := range d.samples(m) {
			owner, _ := d.owners.Find(packet.AddrOf(at.Addr()), at.Port(), uint8(m.Protocol))
			if owner == service {
				all = addOnce(all, probe{at, m.Protocol})
			}
		}
	}
	return all
}

// samples returns the first, the middle and the last address and port of a match.
func (d *drawer) samples(m lvs.Match) []netip.AddrPort {
	first, last := m.First, m.Last
	if d.reserved(first) && m.Has(first.Next()) {
		first = first.Next()
	}
	if d.reserved(last) && m.Has(last.Prev()) {
		last = last.Prev()
	}
	low, high := max(m.Ports.First, 1), m.Ports.Last
	return []netip.AddrPort{
		netip.AddrPortFrom(first, low),
		netip.AddrPortFrom(middle(m.First, m.Last), low+(high-low)/2),
		netip.AddrPortFrom(last, high),
	}
}

// reserved reports whether hosts of a subnet do not send to an address of it: the first one is the
// routers' (RFC 4291, 2.6.1), and the last one of IPv4 is the broadcast address.
func (d *drawer) reserved(a netip.Addr) bool {
	_, subnet, near := d.onLink(a)
	return near && (a == subnet.Masked().Addr() || a.Is4() && a == lvs.LastOf(subnet))
}

func middle(first, last netip.Addr) netip.Addr {
	low, high := new(big.Int).SetBytes(first.AsSlice()), new(big.Int).SetBytes(last.AsSlice())
	between := low.Rsh(low.Add(low, high), 1)
	a, _ := netip.AddrFromSlice(between.FillBytes(first.AsSlice()))
	return a
}

// vips returns the addresses of a service, as prefixes.
func (d *drawer) vips(s *config.Service) (all []netip.Prefix) {
	for _, m := range d.config.Claims(s) {
		for _, p := range match.Prefixes(m) {
			all = addOnce(all, p)
		}
	}
	return all
}

// ranged returns the last address of a match that has an address.
func (d *drawer) ranged(a netip.Addr) (last netip.Addr, found bool) {
	i := slices.IndexFunc(d.ranges, func(m lvs.Match) bool { return m.Has(a) })
	if i < 0 {
		return last, false
	}
	return d.ranges[i].Last, true
}
