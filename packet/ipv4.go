package packet

import "encoding/binary"

// IPv4MinLen is the length of an IPv4 header without options, in bytes.
const IPv4MinLen = 20

// Protocol numbers of IP payloads (IANA).
const (
	ProtocolICMP   uint8 = 1
	ProtocolIPv4   uint8 = 4
	ProtocolTCP    uint8 = 6
	ProtocolUDP    uint8 = 17
	ProtocolIPv6   uint8 = 41
	ProtocolICMPv6 uint8 = 58
	ProtocolSCTP   uint8 = 132
)

const (
	ipv4DontFragment  = 0x4000
	ipv4MoreFragments = 0x2000
	ipv4OffsetMask    = 0x1fff
)

// IPv4 is an IPv4 packet (RFC 791), beginning with its header.
type IPv4 []byte

// IPv4Fields are what Encode writes. The header has no options.
type IPv4Fields struct {
	TOS          uint8 // DSCP and ECN
	TotalLength  uint16
	ID           uint16
	DontFragment bool
	TTL          uint8
	Protocol     uint8
	Src, Dst     uint32
}

func (p IPv4) Version() uint8      { return p[0] >> 4 }
func (p IPv4) HeaderLen() int      { return int(p[0]&0x0f) * 4 }
func (p IPv4) TOS() uint8          { return p[1] }
func (p IPv4) TotalLength() uint16 { return binary.BigEndian.Uint16(p[2:4]) }
func (p IPv4) ID() uint16          { return binary.BigEndian.Uint16(p[4:6]) }
func (p IPv4) DontFragment() bool  { return p.flagsAndOffset()&ipv4DontFragment != 0 }
func (p IPv4) TTL() uint8          { return p[8] }
func (p IPv4) Protocol() uint8     { return p[9] }
func (p IPv4) Checksum() uint16    { return binary.BigEndian.Uint16(p[10:12]) }
func (p IPv4) Src() uint32         { return binary.BigEndian.Uint32(p[12:16]) }
func (p IPv4) Dst() uint32         { return binary.BigEndian.Uint32(p[16:20]) }

// FragmentOffset returns the payload's place in the unfragmented packet, in bytes.
func (p IPv4) FragmentOffset() int { return int(p.flagsAndOffset()&ipv4OffsetMask) * 8 }

// IsFragment reports whether the packet is a part of a larger one.
func (p IPv4) IsFragment() bool {
	return p.flagsAndOffset()&(ipv4MoreFragments|ipv4OffsetMask) != 0
}

func (p IPv4) flagsAndOffset() uint16 { return binary.BigEndian.Uint16(p[6:8]) }

func (p IPv4) SetTTL(v uint8)       { p[8] = v }
func (p IPv4) SetChecksum(v uint16) { binary.BigEndian.PutUint16(p[10:12], v) }
func (p IPv4) SetSrc(v uint32)      { binary.BigEndian.PutUint32(p[12:16], v) }
func (p IPv4) SetDst(v uint32)      { binary.BigEndian.PutUint32(p[16:20], v) }

// HeaderValid reports whether the header's checksum is right.
func (p IPv4) HeaderValid() bool { return Fold(Sum(p[:p.HeaderLen()], 0)) == 0xffff }

// Encode writes a header without options, its checksum included. The sum is taken from the fields, which costs a third of
// reading back the bytes just written.
func (p IPv4) Encode(f IPv4Fields) {
	var flags uint16
	if f.DontFragment {
		flags = ipv4DontFragment
	}
	h := (*[IPv4MinLen]byte)(p)
	first := 0x4500 | uint16(f.TOS)
	life := uint16(f.TTL)<<8 | uint16(f.Protocol)
	binary.BigEndian.PutUint16(h[0:2], first)
	binary.BigEndian.PutUint16(h[2:4], f.TotalLength)
	binary.BigEndian.PutUint16(h[4:6], f.ID)
	binary.BigEndian.PutUint16(h[6:8], flags)
	binary.BigEndian.PutUint16(h[8:10], life)
	binary.BigEndian.PutUint32(h[12:16], f.Src)
	binary.BigEndian.PutUint32(h[16:20], f.Dst)
	sum := uint64(first) + uint64(f.TotalLength) + uint64(f.ID) + uint64(flags) + uint64(life) + uint64(f.Src) + uint64(f.Dst)
	binary.BigEndian.PutUint16(h[10:12], ^Fold(sum))
}

// DecrementTTL takes one from the TTL, which must not be 0, and corrects the header checksum.
func (p IPv4) DecrementTTL() {
	h := (*[IPv4MinLen]byte)(p)
	h[8]--
	// RFC 1624's equation 3 for a field that becomes 0x100 less: the checksum becomes as much more, with the carry put
	// back in, and all ones are zero.
	sum := uint32(binary.BigEndian.Uint16(h[10:12])) + 0x101
	if sum < 0xfeff+0x101 {
		sum--
	}
	binary.BigEndian.PutUint16(h[10:12], uint16(sum))
}
