package packet

import (
	"encoding/binary"
	"net/netip"
)

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
