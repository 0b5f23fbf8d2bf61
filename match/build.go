package match

import (
	"math/bits"
	"slices"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// builder collects the matches of each node of a table.
type builder struct {
	bounds []packet.Addr // where the leaves begin; leaf 0 has what is before the first
	leaves int           // a power of two
	at     [][]uint32    // ranks, by node
}

func newBuilder[V any](entries []Entry[V]) *builder {
	b := &builder{}
	for i := range entries {
		b.bounds = append(b.bounds, packet.AddrOf(entries[i].First), next(packet.AddrOf(entries[i].Last)))
	}
	slices.SortFunc(b.bounds, packet.Addr.Compare)
	b.bounds = slices.Compact(b.bounds)
	b.leaves = 1 << bits.Len(uint(len(b.bounds)))
	b.at = make([][]uint32, 2*b.leaves)
	return b
}

// insert adds a match to the nodes that together have its addresses.
func (b *builder) insert(rank uint32, m *lvs.Match) {
	first := b.leaf(packet.AddrOf(m.First)) + b.leaves
	last := b.leaf(next(packet.AddrOf(m.Last))) + b.leaves // the first that the match does not have
	for ; first < last; first, last = first/2, last/2 {
		if first&1 != 0 {
			b.at[first] = append(b.at[first], rank)
			first++
		}
		if last&1 != 0 {
			last--
			b.at[last] = append(b.at[last], rank)
		}
	}
}

// leaf returns the leaf that begins at a bound.
func (b *builder) leaf(bound packet.Addr) int {
	i, _ := slices.BinarySearchFunc(b.bounds, bound, packet.Addr.Compare)
	return i + 1
}

// split sets where the children of a node part. The node has so many leaves from the first on.
func (b *builder) split(nodes []node, n, first, leaves int) {
	nodes[n].split = packet.Addr{Hi: ^uint64(0), Lo: ^uint64(0)}
	if leaves == 1 {
		return
	}
	if middle := first + leaves/2; middle <= len(b.bounds) {
		nodes[n].split = b.bounds[middle-1]
	}
	b.split(nodes, 2*n, first, leaves/2)
	b.split(nodes, 2*n+1, first+leaves/2, leaves/2)
}

// segments divides the ports of all protocols where one of some matches begins or ends. It returns
// where each segment starts, and the index of the first match that has it; -1 if none has.
func segments(matches []*lvs.Match) (starts []uint32, first []int) {
	for _, m := range matches {
		from, to := places(m)
		starts = append(starts, from, to)
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	first = make([]int, len(starts))
	for i := range first {
		first[i] = -1
	}
	open := unpainted(len(starts))
	for i, m := range matches {
		from, to := places(m)
		at, _ := slices.BinarySearch(starts, from)
		for at = open.from(at); starts[at] < to; at = open.from(at) {
			first[at], open[at] = i, at+1
		}
	}
	return starts, first
}

// places returns the first place of a match, and the first one behind it.
func places(m *lvs.Match) (from, to uint32) {
	return placeOf(m.Protocol, m.Ports.First), placeOf(m.Protocol, m.Ports.Last) + 1
}

// openSegments holds, for each segment, itself if it is without match, and otherwise a later one.
// The last segment is behind all matches, and stays without.
type openSegments []int

func unpainted(n int) openSegments {
	open := make(openSegments, n)
	for i := range open {
		open[i] = i
	}
	return open
}

// from returns the first segment without match from a place on.
func (s openSegments) from(at int) int {
	for s[at] != at {
		s[at] = s[s[at]]
		at = s[at]
	}
	return at
}

// next returns the address behind another.
func next(a packet.Addr) packet.Addr {
	lo, carry := bits.Add64(a.Lo, 1, 0)
	return packet.Addr{Hi: a.Hi + carry, Lo: lo}
}
