package packet

import "encoding/binary"

// IPv4MinLen is the length of an IPv4 header without options, in bytes.
const IPv4MinLen = 20

// Protocol numbers of IP payloads (IANA).
const (
	ProtocolICMP   uint8 = 1   // RFC 792
	ProtocolIPv4   uint8 = 4   // IPv4 in a tunnel (RFC 2003)
	ProtocolTCP    uint8 = 6   // RFC 9293
	ProtocolUDP    uint8 = 17  // RFC 768
	ProtocolIPv6   uint8 = 41  // IPv6 in a tunnel (RFC 2473)
	ProtocolICMPv6 uint8 = 58  // RFC 4443
	ProtocolSCTP   uint8 = 132 // RFC 9260
)

const (
	ipv4DontFragment  = 0x4000
	ipv4MoreFragments = 0x2000
	ipv4OffsetMask    = 0x1fff
)

// IPv4 is an IPv4 packet (RFC 791), beginning with its header.
type IPv4 []byte

// IPv4Fields are the fields that Encode writes. The header has no options.
type IPv4Fields struct {
	TOS          uint8  // DSCP and ECN
	TotalLength  uint16 // header and payload, in bytes
	ID           uint16 // identification
	DontFragment bool   // the DF flag
	TTL          uint8  // hops
	Protocol     uint8  // IANA number, such as ProtocolTCP
	Src, Dst     uint32 // host order
}

// Version returns the version field, which is 4 in a valid packet.
func (p IPv4) Version() uint8 { return p[0] >> 4 }

// HeaderLen returns the length of the header in bytes, with options.
func (p IPv4) HeaderLen() int { return int(p[0]&0x0f) * 4 }

// TOS returns the DSCP and ECN bits.
func (p IPv4) TOS() uint8 { return p[1] }

// TotalLength returns the length of header and payload, in bytes.
func (p IPv4) TotalLength() uint16 { return binary.BigEndian.Uint16(p[2:4]) }

// ID returns the identification, which the fragments of a datagram share.
func (p IPv4) ID() uint16 { return binary.BigEndian.Uint16(p[4:6]) }

// DontFragment reports whether the DF flag is set.
func (p IPv4) DontFragment() bool { return p.flagsAndOffset()&ipv4DontFragment != 0 }

// TTL returns the time to live, in hops.
func (p IPv4) TTL() uint8 { return p[8] }

// Protocol returns the IANA number of the payload.
func (p IPv4) Protocol() uint8 { return p[9] }

// Checksum returns the header checksum field.
func (p IPv4) Checksum() uint16 { return binary.BigEndian.Uint16(p[10:12]) }

// Src returns the source address as a host-order number.
func (p IPv4) Src() uint32 { return binary.BigEndian.Uint32(p[12:16]) }

// Dst returns the destination address as a host-order number.
func (p IPv4) Dst() uint32 { return binary.BigEndian.Uint32(p[16:20]) }

// FragmentOffset returns the place of the payload in the unfragmented packet, in bytes.
func (p IPv4) FragmentOffset() int { return int(p.flagsAndOffset()&ipv4OffsetMask) * 8 }

// IsFragment reports whether the packet is a fragment of a larger one.
func (p IPv4) IsFragment() bool {
	return p.flagsAndOffset()&(ipv4MoreFragments|ipv4OffsetMask) != 0
}

func (p IPv4) flagsAndOffset() uint16 { return binary.BigEndian.Uint16(p[6:8]) }

// SetTTL writes the TTL. It leaves the checksum alone.
func (p IPv4) SetTTL(v uint8) { p[8] = v }

// SetChecksum writes the header checksum field.
func (p IPv4) SetChecksum(v uint16) { binary.BigEndian.PutUint16(p[10:12], v) }

// SetSrc writes the source address, a host-order number. It leaves checksums alone.
func (p IPv4) SetSrc(v uint32) { binary.BigEndian.PutUint32(p[12:16], v) }

// SetDst writes the destination address, a host-order number. It leaves checksums alone.
func (p IPv4) SetDst(v uint32) { binary.BigEndian.PutUint32(p[16:20], v) }

// HeaderValid reports whether the header checksum is right. The packet must hold HeaderLen bytes.
func (p IPv4) HeaderValid() bool { return Fold(Sum(p[:p.HeaderLen()], 0)) == 0xffff }

// Encode writes a header without options, with its checksum. It sums the fields, which takes a
// third of the time of reading back the bytes just written.
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
	sum := uint64(first) + uint64(f.TotalLength) + uint64(f.ID) + uint64(flags) + uint64(life) +
		uint64(f.Src) + uint64(f.Dst)
	binary.BigEndian.PutUint16(h[10:12], ^Fold(sum))
}

// DecrementTTL decrements the TTL, which must not be 0, and updates the header checksum.
func (p IPv4) DecrementTTL() {
	h := (*[IPv4MinLen]byte)(p)
	h[8]--
	// RFC 1624, equation 3, for a field that becomes 0x100 less: the checksum becomes 0x100 more,
	// with an end-around carry. All ones count as zero.
	sum := uint32(binary.BigEndian.Uint16(h[10:12])) + 0x101
	if sum < 0xfeff+0x101 {
		sum--
	}
	binary.BigEndian.PutUint16(h[10:12], uint16(sum))
}
