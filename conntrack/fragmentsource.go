package conntrack

import "fulcrum/packet"

// What is remembered of fragments is shared among sources, because any host can send a later
// fragment without a first, or a first one without others. While there is space, a source may have
// all of it. Then the source with most beyond its share gives way first, and among the others the
// oldest: honest fragments wait for a few ms only. Against floods from ever new sources, each of
// which has one fragment, proven sources give way last.

// standing says what is known of a source.
type standing uint8

const (
	unproven standing = iota
	proven            // all fragments of one of its datagrams have passed
	numStandings
)

// sourceGroups is the number of groups of sources for counting what each source holds. Two sources
// that share a group differ from one only if one of them floods.
const sourceGroups = 1024

// sourceOf returns the identity of a datagram's source: of its IPv4 address, or of its IPv6
// network, in which a host can choose its address.
func (f *Fragments) sourceOf(d *Datagram) uint32 {
	a := d.Src
	if !a.Is4() {
		a.Lo = 0
	}
	return uint32(f.hasher.Hash(&packet.Key{Flow: packet.Flow{Src: a}})>>32) | 1
}

func groupOf(source uint32) uint16 { return uint16(source >> 1 % sourceGroups) }

// proofTime is how long a source is proven after its last complete datagram, in ms.
const proofTime = 60_000

// proofs holds the proven sources, one of each group. A source that is proven keeps its place for
// proofTime, so that a flood of complete datagrams cannot take it away.
type proofs [sourceGroups]struct {
	source uint32 // 0 is none
	at     uint32 // ms
}

// note remembers that all fragments of a source's datagram have passed.
func (p *proofs) note(source, now uint32) {
	e := &p[groupOf(source)]
	if e.source == 0 || e.source == source || now-e.at >= proofTime {
		e.source, e.at = source, now
	}
}

func (p *proofs) standing(source, now uint32) standing {
	if e := &p[groupOf(source)]; e.source == source && now-e.at < proofTime {
		return proven
	}
	return unproven
}

// setShare is how many datagrams of a set a source may have while others want some.
const setShare = 2

// victim returns the entry of a full set that gives way to a new datagram: an expired one, the
// oldest of the source with most beyond its share, or else the oldest. Proven sources give way last
// as long as they have no more than half of the set.
func (f *Fragments) victim(first int, now uint32) int {
	givesWay, n := unproven, 0
	for i := first; i < first+setSize; i++ {
		n += int(f.datagrams[i].standing)
	}
	if n > setSize/2 {
		givesWay = proven
	}
	best, highest := first, uint64(0)
	for i := first; i < first+setSize; i++ {
		e := &f.datagrams[i]
		rank := uint64(now - e.since)
		if e.standing == givesWay {
			rank |= 1 << 32
		}
		if kin := f.kin(first, i); kin > setShare {
			rank |= kin << 33
		}
		if e.expired(now) {
			rank |= 1 << 63
		}
		if rank > highest {
			best, highest = i, rank
		}
	}
	return best
}

// kin returns how many datagrams of a set have the source of entry i.
func (f *Fragments) kin(first, i int) (n uint64) {
	for _, source := range f.sources[first : first+setSize] {
		if source == f.sources[i] {
			n++
		}
	}
	return n
}
