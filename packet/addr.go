package packet

import (
	"cmp"
	"encoding/binary"
	"net/netip"
)

// Addr is an IPv4 or IPv6 address as two numbers, an IPv4 address in its mapped form ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). The zero
// Addr is the unspecified IPv6 address.
type Addr struct{ Hi, Lo uint64 }

// mapped stands above the 32 bits of an IPv4 address.
const mapped = 0xffff

// AddrOf4 returns the Addr of an IPv4 address.
func AddrOf4(v uint32) Addr { return Addr{Lo: mapped<<32 | uint64(v)} }

// AddrOf6 returns the Addr of an IPv6 address in network byte order.
func AddrOf6(b []byte) Addr {
	return Addr{binary.BigEndian.Uint64(b[0:8]), binary.BigEndian.Uint64(b[8:16])}
}

// AddrOf returns the Addr of a; a mapped one is taken for IPv4. A zone is ignored.
func AddrOf(a netip.Addr) Addr {
	b := a.As16()
	return AddrOf6(b[:])
}

// Is4 reports whether the address is an IPv4 one.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == mapped }

// IsMulticast reports whether the address names a group.
func (a Addr) IsMulticast() bool {
	if a.Is4() {
		return a.V4()>>28 == 0xe
	}
	return a.Hi>>56 == 0xff
}

// IsUnicast reports whether the address can be one station's out on a network: not 0/8, 127/8 or 224/3, not ::, ::1 or ff00::/8.
func (a Addr) IsUnicast() bool {
	if a.Is4() {
		first := a.V4() >> 24
		return first != 0 && first != 127 && first < 224
	}
	return a.Hi>>56 != 0xff && (a.Hi != 0 || a.Lo > 1)
}

// V4 returns the number of an IPv4 address.
func (a Addr) V4() uint32 { return uint32(a.Lo) }

// And returns the address with only those bits that mask has too.
func (a Addr) And(mask Addr) Addr { return Addr{a.Hi & mask.Hi, a.Lo & mask.Lo} }

// PrefixMask returns the mask of the first n bits of 128; an IPv4 prefix has 96 more than its length.
func PrefixMask(n int) Addr {
	return Addr{Hi: ^uint64(0) << (64 - min(n, 64)), Lo: ^uint64(0) << (128 - max(n, 64))}
}

// Compare orders addresses by their numbers.
func (a Addr) Compare(b Addr) int {
	return cmp.Or(cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.Lo, b.Lo))
}

// Put writes an IPv6 address into b, in network byte order.
func (a Addr) Put(b []byte) {
	binary.BigEndian.PutUint64(b[0:8], a.Hi)
	binary.BigEndian.PutUint64(b[8:16], a.Lo)
}

// Netip is the inverse of AddrOf.
func (a Addr) Netip() netip.Addr {
	var b [16]byte
	a.Put(b[:])
	return netip.AddrFrom16(b).Unmap()
}

func (a Addr) String() string { return a.Netip().String() }

// Addr4 returns the number of an IPv4 address; a must be one (Is4).
func Addr4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// AddrFrom4 is the inverse of Addr4.
func AddrFrom4(v uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v)
	return netip.AddrFrom4(b)
}
