package engine

import (
	"math/bits"

	"fulcrum/packet"
)

// lookup is an immutable hash table from addresses and sockets to small numbers: the snapshot's services and addresses.
// A Go map would do, at several times the cost per packet of a flood.
type lookup struct {
	keys   []lookupKey // the zero key is an empty place
	values []uint32
	shift  uint8
}

// lookupKey is what is looked up: an address, or an address with more.
type lookupKey struct {
	address packet.Addr
	rest    uint64 // never zero
}

// serviceIndex is the key of a socket.
func serviceIndex(address packet.Addr, port uint16, protocol uint8) lookupKey {
	return lookupKey{address, 1<<32 | uint64(port)<<16 | uint64(protocol)}
}

// addressIndex is the key of an address.
func addressIndex(address packet.Addr) lookupKey { return lookupKey{address, 1} }

// newLookup builds a table.
func newLookup(entries map[lookupKey]uint32) lookup {
	bits := uint8(1)
	for 1<<bits < 2*len(entries) {
		bits++
	}
	l := lookup{make([]lookupKey, 1<<bits), make([]uint32, 1<<bits), 64 - bits}
	for k, v := range entries {
		i := l.start(&k)
		for l.keys[i].rest != 0 {
			i = l.next(i)
		}
		l.keys[i], l.values[i] = k, v
	}
	return l
}

func (l *lookup) start(k *lookupKey) int {
	v := k.address.Lo ^ bits.RotateLeft64(k.address.Hi, 29) ^ k.rest<<40 ^ k.rest
	return int((v ^ v>>32) * 0x9e3779b97f4a7c15 >> l.shift)
}

func (l *lookup) next(i int) int { return (i + 1) & (len(l.keys) - 1) }

// get returns the value of a key.
func (l *lookup) get(k lookupKey) (uint32, bool) {
	for i := l.start(&k); l.keys[i].rest != 0; i = l.next(i) {
		if l.keys[i] == k {
			return l.values[i], true
		}
	}
	return 0, false
}
