package engine

// lookup is an immutable hash table from 64-bit keys to small numbers: the snapshot's services and addresses.
// A Go map would do, at several times the cost per packet of a flood.
type lookup struct {
	keys   []uint64 // zero is an empty place; no key is zero
	values []uint32
	shift  uint8
}

// newLookup builds a table; keys must not be zero.
func newLookup(entries map[uint64]uint32) lookup {
	bits := uint8(1)
	for 1<<bits < 2*len(entries) {
		bits++
	}
	l := lookup{make([]uint64, 1<<bits), make([]uint32, 1<<bits), 64 - bits}
	for k, v := range entries {
		i := l.start(k)
		for l.keys[i] != 0 {
			i = l.next(i)
		}
		l.keys[i], l.values[i] = k, v
	}
	return l
}

func (l *lookup) start(k uint64) int {
	k ^= k >> 32
	return int(k * 0x9e3779b97f4a7c15 >> l.shift)
}

func (l *lookup) next(i int) int { return (i + 1) & (len(l.keys) - 1) }

// get returns the value of a key.
func (l *lookup) get(k uint64) (uint32, bool) {
	for i := l.start(k); l.keys[i] != 0; i = l.next(i) {
		if l.keys[i] == k {
			return l.values[i], true
		}
	}
	return 0, false
}
