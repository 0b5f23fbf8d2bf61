package sched_test

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"fulcrum/lvs"
	"fulcrum/sched"
)

const modelSlots = 4093 // of mh; sh and dh have 256

// hash is what sh, dh and mh make of the list, when it has changed or the scheduler is new. dh does
// not hear of edits, which do not matter to it.
func (k *kernel) hash() {
	k.slots = nil
	switch {
	case len(k.list) == 0:
	case k.kind == sched.SH:
		k.deal(func(d *destination) int { return max(1, d.weight) })
	case k.kind == sched.DH:
		k.deal(func(*destination) int { return 1 })
	case k.kind == sched.MH:
		k.maglev()
	}
}

func (k *kernel) deal(share func(*destination) int) {
	for len(k.slots) < 256 {
		for _, d := range k.list {
			for range share(d) {
				k.slots = append(k.slots, d)
			}
		}
	}
	k.slots = k.slots[:256]
}

// maglev fills the table by the paper: slot (offset + j*skip) mod M is the j-th that a destination
// prefers.
func (k *kernel) maglev() {
	offset, skip, j := map[*destination]int{}, map[*destination]int{}, map[*destination]int{}
	for _, d := range k.list {
		number := k.addressNumber(d.address.Addr()) + uint32(d.address.Port())
		offset[d] = int(sip13(2654435761, number)) % modelSlots
		skip[d] = int(sip13(2654446892, number))%(modelSlots-1) + 1
	}
	table := make([]*destination, modelSlots)
	turns, left := k.turns(), modelSlots
	for left > 0 && turns != nil {
		for i, d := range k.list {
			for n := 0; n < turns[i] && left > 0; n++ {
				slot := (offset[d] + j[d]*skip[d]) % modelSlots
				for ; table[slot] != nil; j[d]++ {
					slot = (offset[d] + (j[d]+1)*skip[d]) % modelSlots
				}
				table[slot] = d
				left--
			}
		}
	}
	if left == 0 {
		k.slots = table
	}
}

// turns returns how many slots each destination takes at a time; nil if no one had a weight ever.
func (k *kernel) turns() (turns []int) {
	divisor, most := 0, 0
	for _, d := range k.list {
		divisor, most = greatestDivisor(divisor, d.lastWeight), max(most, d.lastWeight)
	}
	if most == 0 {
		return nil
	}
	shift := max(0, bits.Len(uint(most/divisor))-6)
	for _, d := range k.list {
		turn := d.lastWeight / divisor >> shift
		if turn == 0 && d.lastWeight != 0 {
			turn = 1
		}
		turns = append(turns, turn)
	}
	return turns
}

func (k *kernel) hashed(p packetModel) *destination {
	if k.slots == nil {
		return nil
	}
	port, address := uint32(0), p.source
	if k.flags&lvs.SchedPort != 0 && p.ports && k.kind != sched.DH {
		port = uint32(p.port)
	}
	if k.kind == sched.DH {
		address = p.destination
	}
	number := k.addressNumber(address) + port
	slot := func(offset uint32) uint32 {
		if k.kind == sched.MH {
			return sip13(2654435761, number+offset) % modelSlots
		}
		return (number*0x61C88647>>24 + offset) % 256
	}
	first := slot(0)
	if d := k.slots[first]; d.usable() {
		return d
	}
	if k.flags&lvs.SchedFallback == 0 || k.kind == sched.DH {
		return nil
	}
	for i := range uint32(len(k.slots)) {
		if d := k.slots[slot((i+first)%uint32(len(k.slots)))]; d.usable() {
			return d
		}
	}
	return nil
}

// addressNumber reads an address in the service's family, as a union of C is read: of an IPv6
// address an IPv4 service sees the first word.
func (k *kernel) addressNumber(a netip.Addr) uint32 {
	var union [16]byte
	copy(union[:], a.AsSlice())
	number := binary.BigEndian.Uint32(union[:])
	if k.six {
		for i := 4; i < 16; i += 4 {
			number ^= binary.BigEndian.Uint32(union[i:])
		}
	}
	return number
}

// sip13 is SipHash-1-3 of the four bytes of v, written down from the paper: the lower half. Both
// words of the key are the same.
func sip13(key uint64, v uint32) uint32 {
	var state [4]uint64
	for i, text := range []string{"uespemos", "modnarod", "arenegyl", "setybdet"} {
		state[i] = key ^ binary.LittleEndian.Uint64([]byte(text))
	}
	v0, v1, v2, v3 := &state[0], &state[1], &state[2], &state[3]
	half := func(a, b, c, d *uint64, left, right int) {
		*a += *b
		*c += *d
		*b = bits.RotateLeft64(*b, left) ^ *a
		*d = bits.RotateLeft64(*d, right) ^ *c
		*a = bits.RotateLeft64(*a, 32)
	}
	round := func() {
		half(v0, v1, v2, v3, 13, 16)
		half(v2, v1, v0, v3, 17, 21)
	}
	message := make([]byte, 8)
	binary.LittleEndian.PutUint32(message, v)
	message[7] = 4
	word := binary.LittleEndian.Uint64(message)
	*v3 ^= word
	round()
	*v0 ^= word
	*v2 ^= 0xff
	for range 3 {
		round()
	}
	return uint32(*v0 ^ *v1 ^ *v2 ^ *v3)
}
