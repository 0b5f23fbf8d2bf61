package packet

import (
	"encoding/binary"
	"fmt"
)

// EthernetLen is the length of an Ethernet header without VLAN tags, in bytes.
const EthernetLen = 14

// MinFrameLen is the minimum length of an Ethernet frame without its FCS, in bytes. The sender
// pads shorter packets.
const MinFrameLen = 60

// EtherType names the protocol that an Ethernet frame carries (IEEE 802 numbers).
type EtherType uint16

// EtherTypes that Parse distinguishes.
const (
	EtherTypeIPv4 EtherType = 0x0800 // RFC 894
	EtherTypeARP  EtherType = 0x0806 // RFC 826
	EtherTypeVLAN EtherType = 0x8100 // customer VLAN tag (IEEE 802.1Q)
	EtherTypeQinQ EtherType = 0x88a8 // service VLAN tag of a provider (IEEE 802.1ad)
	EtherTypeIPv6 EtherType = 0x86dd // RFC 2464
)

// MAC is an Ethernet address in the order of its bytes on the wire.
type MAC [6]byte

// Broadcast is the Ethernet address of all stations.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// IsMulticast reports whether the address is multicast. Broadcast is multicast too.
func (m MAC) IsMulticast() bool { return m[0]&1 != 0 }

// IsZero reports whether all bytes are zero, which means that the address is not set.
func (m MAC) IsZero() bool { return m == MAC{} }

// Uint64 returns the address as a 48-bit number with the first byte highest.
func (m MAC) Uint64() uint64 {
	return uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 |
		uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// MACFromUint64 is the inverse of MAC.Uint64. It ignores the upper 16 bits.
func MACFromUint64(v uint64) MAC {
	return MAC{byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// String returns the address in colon form, such as "02:00:00:00:00:01".
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// Ethernet is a frame beginning with its Ethernet header, at least EthernetLen bytes long.
type Ethernet []byte

// Dst returns the destination address.
func (e Ethernet) Dst() MAC { return MAC(e[0:6]) }

// Src returns the source address.
func (e Ethernet) Src() MAC { return MAC(e[6:12]) }

// Type returns the EtherType, which is that of the outer tag in a tagged frame.
func (e Ethernet) Type() EtherType { return EtherType(binary.BigEndian.Uint16(e[12:14])) }

// Payload returns the bytes behind the header, including padding.
func (e Ethernet) Payload() []byte { return e[EthernetLen:] }

// SetDst writes the destination address.
func (e Ethernet) SetDst(m MAC) { copy(e[0:6], m[:]) }

// SetSrc writes the source address.
func (e Ethernet) SetSrc(m MAC) { copy(e[6:12], m[:]) }

// SetType writes the EtherType.
func (e Ethernet) SetType(t EtherType) { binary.BigEndian.PutUint16(e[12:14], uint16(t)) }

// Station is what IsFor compares: the first eight bytes of a frame as a number. They hold the
// destination and two bytes of the source. Only the multicast bit of the source counts.
type Station uint64

// NewStation returns the Station of an address.
func NewStation(m MAC) Station { return Station(m.Uint64() << 16) }

// IsFor reports whether the destination is the station and the source is not multicast. It takes
// one comparison.
func (e Ethernet) IsFor(s Station) bool {
	return Station(binary.BigEndian.Uint64(e)&^0xfeff) == s
}

// SetHeader writes both addresses and the EtherType.
func (e Ethernet) SetHeader(dst, src MAC, t EtherType) {
	e.SetDst(dst)
	e.SetSrc(src)
	e.SetType(t)
}
