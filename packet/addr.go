package packet

import (
	"cmp"
	"encoding/binary"
	"net/netip"
)

// Addr is an IPv4 or IPv6 address as two host-order numbers. An IPv4 address has its mapped form
// ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). The zero Addr is the unspecified IPv6 address.
type Addr struct {
	Hi uint64 // first 64 bits; 0 for IPv4
	Lo uint64 // last 64 bits; for IPv4, 0xffff above the 32 bits of the address
}

// mapped is the prefix above the 32 bits of a mapped IPv4 address.
const mapped = 0xffff

// AddrOf4 returns the Addr of an IPv4 address, given as a host-order number.
func AddrOf4(v uint32) Addr { return Addr{Lo: mapped<<32 | uint64(v)} }

// AddrOf6 returns the Addr of an IPv6 address in network byte order. b must hold at least 16
// bytes.
func AddrOf6(b []byte) Addr {
	return Addr{binary.BigEndian.Uint64(b[0:8]), binary.BigEndian.Uint64(b[8:16])}
}

// AddrOf returns the Addr of a. It treats a mapped address as IPv4 and ignores the zone. The zero
// netip.Addr becomes the unspecified IPv6 address.
func AddrOf(a netip.Addr) Addr {
	b := a.As16()
	return AddrOf6(b[:])
}

// Is4 reports whether the address is IPv4.
func (a Addr) Is4() bool { return a.Hi == 0 && a.Lo>>32 == mapped }

// IsMulticast reports whether the address is multicast.
func (a Addr) IsMulticast() bool {
	if a.Is4() {
		return a.V4()>>28 == 0xe
	}
	return a.Hi>>56 == 0xff
}

// IsUnicast reports whether the address can belong to one station on a network. It is false for
// 0/8, 127/8, 224/3, ::, ::1 and ff00::/8.
func (a Addr) IsUnicast() bool {
	if a.Is4() {
		first := a.V4() >> 24
		return first != 0 && first != 127 && first < 224
	}
	return a.Hi>>56 != 0xff && (a.Hi != 0 || a.Lo > 1)
}

// IsLinkLocal reports whether the address is an IPv6 address of one link only, in fe80::/10 (RFC
// 4291, 2.5.6). Stations of two links may have the same.
func (a Addr) IsLinkLocal() bool { return a.Hi>>54 == 0xfe80>>6 }

// V4 returns an IPv4 address as a host-order number. It is valid when Is4 is true.
func (a Addr) V4() uint32 { return uint32(a.Lo) }

// And returns the address with all bits cleared that mask does not set.
func (a Addr) And(mask Addr) Addr { return Addr{a.Hi & mask.Hi, a.Lo & mask.Lo} }

// PrefixMask returns a mask of the first n of 128 bits. For an IPv4 prefix, n is its length plus
// 96.
func PrefixMask(n int) Addr {
	return Addr{Hi: ^uint64(0) << (64 - min(n, 64)), Lo: ^uint64(0) << (128 - max(n, 64))}
}

// Compare returns -1, 0 or 1 when a is below, equal to or above b, compared as 128-bit numbers.
func (a Addr) Compare(b Addr) int {
	return cmp.Or(cmp.Compare(a.Hi, b.Hi), cmp.Compare(a.Lo, b.Lo))
}

// Put writes the 128 bits of the address into b in network byte order. b must hold at least 16
// bytes.
func (a Addr) Put(b []byte) {
	binary.BigEndian.PutUint64(b[0:8], a.Hi)
	binary.BigEndian.PutUint64(b[8:16], a.Lo)
}

// Netip returns the netip.Addr of a. It is the inverse of AddrOf.
func (a Addr) Netip() netip.Addr {
	var b [16]byte
	a.Put(b[:])
	return netip.AddrFrom16(b).Unmap()
}

// String returns the address in its usual text form, such as "10.0.0.1" or "fd00::1".
func (a Addr) String() string { return a.Netip().String() }

// Addr4 returns an IPv4 address as a host-order number. a must be IPv4 (netip.Addr.Is4).
func Addr4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// AddrFrom4 returns the IPv4 address of a host-order number. It is the inverse of Addr4.
func AddrFrom4(v uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], v)
	return netip.AddrFrom4(b)
}
