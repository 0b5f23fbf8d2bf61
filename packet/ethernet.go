package packet

import (
	"encoding/binary"
	"fmt"
)

// EthernetLen is the length of an Ethernet header without VLAN tags, in bytes.
const EthernetLen = 14

// MinFrameLen is the least length of an Ethernet frame without its FCS; shorter packets are
// padded by the sender.
const MinFrameLen = 60

// EtherType says what an Ethernet frame carries (IEEE 802 numbers).
type EtherType uint16

const (
	EtherTypeIPv4 EtherType = 0x0800
	EtherTypeARP  EtherType = 0x0806
	EtherTypeVLAN EtherType = 0x8100
	EtherTypeQinQ EtherType = 0x88a8
	EtherTypeIPv6 EtherType = 0x86dd
)

// MAC is an Ethernet address.
type MAC [6]byte

// Broadcast is the address of every station.
var Broadcast = MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// IsMulticast reports whether the address names a group (broadcast included).
func (m MAC) IsMulticast() bool { return m[0]&1 != 0 }

// IsZero reports whether no address was set.
func (m MAC) IsZero() bool { return m == MAC{} }

// Uint64 returns the address as a 48-bit number, first byte highest.
func (m MAC) Uint64() uint64 {
	return uint64(m[0])<<40 | uint64(m[1])<<32 | uint64(m[2])<<24 | uint64(m[3])<<16 | uint64(m[4])<<8 | uint64(m[5])
}

// MACFromUint64 is the inverse of MAC.Uint64; bits above the 48th are ignored.
func MACFromUint64(v uint64) MAC {
	return MAC{byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// Ethernet is a frame beginning with its Ethernet header, at least EthernetLen bytes long.
type Ethernet []byte

func (e Ethernet) Dst() MAC            { return MAC(e[0:6]) }
func (e Ethernet) Src() MAC            { return MAC(e[6:12]) }
func (e Ethernet) Type() EtherType     { return EtherType(binary.BigEndian.Uint16(e[12:14])) }
func (e Ethernet) Payload() []byte     { return e[EthernetLen:] }
func (e Ethernet) SetDst(m MAC)        { copy(e[0:6], m[:]) }
func (e Ethernet) SetSrc(m MAC)        { copy(e[6:12], m[:]) }
func (e Ethernet) SetType(t EtherType) { binary.BigEndian.PutUint16(e[12:14], uint16(t)) }

// Station is what the frames for one station begin with, read as a number: its address, and of the source's the bit that
// would make it a group's.
type Station uint64

// NewStation returns the station with an address.
func NewStation(m MAC) Station { return Station(m.Uint64() << 16) }

// IsFor reports in one comparison whether a frame's destination is the station and its source no group.
func (e Ethernet) IsFor(s Station) bool {
	return Station(binary.BigEndian.Uint64(e)&^0xfeff) == s
}

// SetHeader writes all three fields.
func (e Ethernet) SetHeader(dst, src MAC, t EtherType) {
	e.SetDst(dst)
	e.SetSrc(src)
	e.SetType(t)
}
