package match

import (
	"net/netip"
	"slices"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// Spans is a set of addresses. The zero Spans is empty.
type Spans struct{ all []span }

type span struct{ first, last packet.Addr }

// SpansOf returns the addresses of some matches.
func SpansOf(matches []lvs.Match) Spans {
	all := make([]span, len(matches))
	for i, m := range matches {
		all[i] = span{packet.AddrOf(m.First), packet.AddrOf(m.Last)}
	}
	slices.SortFunc(all, func(a, b span) int { return a.first.Compare(b.first) })
	var merged []span
	for _, s := range all {
		if n := len(merged); n > 0 && s.first.Compare(next(merged[n-1].last)) <= 0 {
			if s.last.Compare(merged[n-1].last) > 0 {
				merged[n-1].last = s.last
			}
			continue
		}
		merged = append(merged, s)
	}
	return Spans{merged}
}

// Has reports whether an address is in the set.
func (s Spans) Has(a packet.Addr) bool { return s.has(a, a) }

// Overlaps reports whether an address of a match is in the set.
func (s Spans) Overlaps(m lvs.Match) bool {
	return s.has(packet.AddrOf(m.First), packet.AddrOf(m.Last))
}

// has reports whether the set has an address from first to last.
func (s Spans) has(first, last packet.Addr) bool {
	low, high := 0, len(s.all)
	for low < high {
		if middle := int(uint(low+high) / 2); s.all[middle].last.Compare(first) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low < len(s.all) && s.all[low].first.Compare(last) <= 0
}

// Holds is Has for a netip.Addr.
func (s Spans) Holds(a netip.Addr) bool { return s.Has(packet.AddrOf(a)) }

// Empty reports whether the set has no address.
func (s Spans) Empty() bool { return len(s.all) == 0 }

// Equal reports whether two sets have the same addresses.
func (s Spans) Equal(o Spans) bool { return slices.Equal(s.all, o.all) }

// Prefixes returns the fewest prefixes that together have the addresses of a match.
func Prefixes(m lvs.Match) (all []netip.Prefix) {
	for a := m.First; ; {
		p := widest(a, m.Last)
		all = append(all, p)
		if end := lvs.LastOf(p); end == m.Last {
			return all
		} else {
			a = end.Next()
		}
	}
}

// widest returns the widest prefix that begins at an address and does not go beyond another.
func widest(a, last netip.Addr) netip.Prefix {
	best := netip.PrefixFrom(a, a.BitLen())
	for bits := a.BitLen() - 1; bits >= 0; bits-- {
		p := netip.PrefixFrom(a, bits)
		if p.Masked().Addr() != a || last.Less(lvs.LastOf(p)) {
			break
		}
		best = p
	}
	return best
}
