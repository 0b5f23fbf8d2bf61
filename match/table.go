package match

import (
	"math/bits"
	"slices"

	"fulcrum/lvs"
	"fulcrum/packet"
)

// Table holds values by match. A look-up takes the logarithm of the number of matches. The tree is
// a segment tree: a match is at the fewest nodes that together have its addresses, so that the
// memory is that of n log n matches, however the matches overlap.
type Table[V any] struct {
	values []V    // by rank, the narrowest first
	nodes  []node // node n has the children 2n and 2n+1; node 0 does not exist
	inner  int    // number of nodes with children, and 1
	starts []uint32
	ranks  []uint32 // of the segments that begin at starts; noRank where no match is
	listed []uint32 // ranks of the matches at a node
}

// node stands for a range of addresses.
type node struct {
	split packet.Addr // the first address of the right child
	// The node's segments of ports, in starts and ranks, and its matches, in listed.
	segments, segmentsEnd uint32
	matches, matchesEnd   uint32
}

const noRank = ^uint32(0)

// Entry is a match with its value. Two entries of a table must not have equal matches.
type Entry[V any] struct {
	lvs.Match
	Value V
}

// New returns the table of some entries.
func New[V any](entries []Entry[V]) *Table[V] {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b Entry[V]) int { return a.Narrower(b.Match) })
	t := &Table[V]{values: make([]V, len(entries))}
	b := newBuilder(entries)
	for rank := range entries {
		t.values[rank] = entries[rank].Value
		b.insert(uint32(rank), &entries[rank].Match)
	}
	t.inner = b.leaves
	t.nodes = make([]node, 2*b.leaves)
	for n := 1; n < len(t.nodes); n++ {
		t.nodes[n] = t.node(b.at[n], entries)
	}
	b.split(t.nodes, 1, 0, b.leaves)
	return t
}

// node returns the node of some matches, and adds its segments and matches to the table.
func (t *Table[V]) node(ranks []uint32, entries []Entry[V]) (n node) {
	if len(ranks) == 0 {
		return n
	}
	n.matches, n.segments = uint32(len(t.listed)), uint32(len(t.starts))
	t.listed = append(t.listed, ranks...)
	matches := make([]*lvs.Match, len(ranks))
	for i, rank := range ranks {
		matches[i] = &entries[rank].Match
	}
	starts, first := segments(matches)
	t.starts = append(t.starts, starts...)
	for _, i := range first {
		rank := noRank
		if i >= 0 {
			rank = ranks[i]
		}
		t.ranks = append(t.ranks, rank)
	}
	n.matchesEnd, n.segmentsEnd = uint32(len(t.listed)), uint32(len(t.starts))
	return n
}

// Find returns the value of the narrowest match that holds a destination.
func (t *Table[V]) Find(a packet.Addr, port uint16, protocol uint8) (v V, ok bool) {
	best, place := noRank, placeOf(lvs.Protocol(protocol), port)
	for n := 1; n < len(t.nodes); n = t.child(n, &a) {
		if e := &t.nodes[n]; e.segments != e.segmentsEnd {
			best = min(best, t.rankAt(e, place))
		}
	}
	if best == noRank {
		return v, false
	}
	return t.values[best], true
}

// child returns the child of a node that has an address; of a leaf, a node that does not exist.
func (t *Table[V]) child(n int, a *packet.Addr) int {
	split := &t.nodes[n].split
	_, borrow := bits.Sub64(a.Lo, split.Lo, 0)
	_, borrow = bits.Sub64(a.Hi, split.Hi, borrow)
	return 2*n + 1 - int(borrow)
}

// rankAt returns the least rank of a node's matches that hold a place.
func (t *Table[V]) rankAt(e *node, place uint32) uint32 {
	low, high := e.segments, e.segmentsEnd
	for low < high { // the first segment that begins behind the place
		if middle := (low + high) / 2; t.starts[middle] <= place {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == e.segments {
		return noRank
	}
	return t.ranks[low-1]
}

// Covering calls visit with the value of every match that holds an address, at any port of any
// protocol, until visit returns false. Wide matches come first.
func (t *Table[V]) Covering(a packet.Addr, visit func(V) bool) {
	for n := 1; n < len(t.nodes); n = t.child(n, &a) {
		e := &t.nodes[n]
		for _, rank := range t.listed[e.matches:e.matchesEnd] {
			if !visit(t.values[rank]) {
				return
			}
		}
	}
}

// placeOf orders protocols and ports in one row.
func placeOf(p lvs.Protocol, port uint16) uint32 { return uint32(p)<<16 | uint32(port) }
