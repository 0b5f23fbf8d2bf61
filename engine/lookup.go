package engine

import (
	"math/bits"
	"slices"

	"fulcrum/packet"
)

// lookup is an immutable hash table from addresses and sockets to a snapshot's values. A Go map
// would cost several times as much for each packet of a flood. The zero lookup is empty.
type lookup[V any] struct {
	keys   []lookupKey // the zero key marks an empty slot
	values []V
	used   int
	shift  uint8
}

// lookupKey is an address, or an address with port and protocol.
type lookupKey struct {
	address packet.Addr
	rest    uint64 // never zero
}

// socketKey returns the key of a socket.
func socketKey(address packet.Addr, port uint16, protocol uint8) lookupKey {
	return lookupKey{address, 1<<32 | uint64(port)<<16 | uint64(protocol)}
}

// addressKey returns the key of an address.
func addressKey(address packet.Addr) lookupKey { return lookupKey{address, 1} }

func (l *lookup[V]) start(k *lookupKey) int {
	v := k.address.Lo ^ bits.RotateLeft64(k.address.Hi, 29) ^ k.rest<<40 ^ k.rest
	return int((v ^ v>>32) * 0x9e3779b97f4a7c15 >> (l.shift & 63)) // below 64, which spares a check
}

func (l *lookup[V]) next(i int) int { return (i + 1) & (len(l.keys) - 1) }

// get returns the value of a key.
func (l *lookup[V]) get(k lookupKey) (v V, ok bool) {
	keys := l.keys
	// An empty table has no slot, so that no start lies in it.
	for i := uint(l.start(&k)); i < uint(len(keys)); i = (i + 1) & uint(len(keys)-1) {
		switch at := &keys[i]; {
		case at.address == k.address && at.rest == k.rest:
			return l.values[i], true
		case at.rest == 0:
			return v, false
		}
	}
	return v, false
}

// find returns the slot of a key, or the empty slot where the key belongs.
func (l *lookup[V]) find(k *lookupKey) int {
	i := l.start(k)
	for l.keys[i].rest != 0 && l.keys[i] != *k {
		i = l.next(i)
	}
	return i
}

// clone returns a copy with space for more keys. The caller may change it until it is published.
func (l *lookup[V]) clone(more int) lookup[V] {
	if want := 2 * (l.used + more); want > len(l.keys) {
		return l.grown(want)
	}
	return lookup[V]{slices.Clone(l.keys), slices.Clone(l.values), l.used, l.shift}
}

// grown returns a copy in a table of at least so many slots.
func (l *lookup[V]) grown(places int) lookup[V] {
	n := max(bits.Len(uint(places-1)), 1)
	g := lookup[V]{keys: make([]lookupKey, 1<<n), values: make([]V, 1<<n), shift: uint8(64 - n)}
	for i := range l.keys {
		if l.keys[i].rest != 0 {
			g.set(l.keys[i], l.values[i])
		}
	}
	return g
}

// set enters a key or replaces its value. The table must have a free slot.
func (l *lookup[V]) set(k lookupKey, v V) {
	i := l.find(&k)
	if l.keys[i].rest == 0 {
		l.used++
	}
	l.keys[i], l.values[i] = k, v
}

// remove deletes a key and moves later keys up that would otherwise be lost behind the gap.
func (l *lookup[V]) remove(k lookupKey) {
	if len(l.keys) == 0 {
		return
	}
	i := l.find(&k)
	if l.keys[i].rest == 0 {
		return
	}
	l.used--
	for j := l.next(i); l.keys[j].rest != 0; j = l.next(j) {
		if home := l.start(&l.keys[j]); (j-home)&(len(l.keys)-1) >= (j-i)&(len(l.keys)-1) {
			l.keys[i], l.values[i] = l.keys[j], l.values[j]
			i = j
		}
	}
	var none V
	l.keys[i], l.values[i] = lookupKey{}, none
}

// all returns the addresses of a table whose keys are all addresses.
func (l *lookup[V]) all() []packet.Addr {
	var list []packet.Addr
	for i := range l.keys {
		if l.keys[i].rest != 0 {
			list = append(list, l.keys[i].address)
		}
	}
	return list
}
