package packet

// NDLen is the length in bytes of a neighbour solicitation or advertisement with one link-layer
// address (RFC 4861, 4.3 and 4.4), including its IPv6 header.
const NDLen = IPv6Len + ndMinLen + ndOptionLen

const (
	ndMinLen    = 24 // without options
	ndOptionLen = 8  // link-layer address option with an Ethernet address

	ndSourceAddress = 1
	ndTargetAddress = 2

	ndHopLimit = 255 // proves that no router forwarded the message (RFC 4861, 3.1)
)

// NDFlags are the flags of a neighbour advertisement.
type NDFlags uint8

// Flags of a neighbour advertisement (RFC 4861, 4.4).
const (
	NDRouter    NDFlags = 0x80 // the sender is a router
	NDSolicited NDFlags = 0x40 // the message answers a solicitation
	NDOverride  NDFlags = 0x20 // the receiver replaces the link-layer address that it knows
)

// Addresses of all stations on a link.
var (
	AllNodes    = Addr{Hi: 0xff02 << 48, Lo: 1} // ff02::1
	AllNodesMAC = MulticastMAC(AllNodes)        // 33:33:00:00:00:01
)

// SolicitedNode returns the solicited-node multicast address of a (RFC 4291, 2.7.1).
func SolicitedNode(a Addr) Addr {
	return Addr{Hi: 0xff02 << 48, Lo: 1<<32 | 0xff<<24 | a.Lo&0xffffff}
}

// MulticastMAC returns the Ethernet address of an IPv6 multicast address (RFC 2464, section 7).
func MulticastMAC(a Addr) MAC {
	return MAC{0x33, 0x33, byte(a.Lo >> 24), byte(a.Lo >> 16), byte(a.Lo >> 8), byte(a.Lo)}
}

// ND is a neighbour solicitation or advertisement.
type ND struct {
	Type     uint8   // ICMP6Solicitation or ICMP6Advertisement
	Flags    NDFlags // advertisement: its flags; 0 in a solicitation
	Src, Dst Addr    // addresses of the IPv6 header
	Target   Addr    // the address that is asked for or announced

	// LinkLayer belongs to Src in a solicitation and to Target in an advertisement. It is zero
	// if the message has no such option.
	LinkLayer MAC
}

// ParseND reads the message at offset transport of an IPv6 packet and reports whether it is valid
// (RFC 4861, 7.1). The packet must hold the IPv6 header and an ICMPv6 header of ICMPLen bytes at
// that offset.
func ParseND(ip IPv6, transport int) (n ND, ok bool) {
	m := ICMPv6(ip[transport:])
	if len(m) < ndMinLen || ip.HopLimit() != ndHopLimit || m.Code() != 0 ||
		!m.Valid(ip.Src(), ip.Dst()) {
		return n, false
	}
	n = ND{Type: m.Type(), Src: ip.Src(), Dst: ip.Dst(), Target: AddrOf6(m[8:24])}
	wanted := uint8(ndSourceAddress)
	if n.Type == ICMP6Advertisement {
		wanted, n.Flags = ndTargetAddress, NDFlags(m[4])
	}
	if n.Target.IsMulticast() || !n.readOptions(m[ndMinLen:], wanted) {
		return n, false
	}
	if n.Type == ICMP6Advertisement {
		return n, !n.Dst.IsMulticast() || n.Flags&NDSolicited == 0
	}
	// A solicitation from :: is duplicate address detection (RFC 4862, 5.4): its sender has no
	// address yet.
	return n, n.Src != (Addr{}) || n.LinkLayer.IsZero() && n.Dst == SolicitedNode(n.Target)
}

// readOptions reads the link-layer address of type wanted and reports whether all options are well
// formed.
func (n *ND) readOptions(b []byte, wanted uint8) bool {
	for len(b) > 0 {
		if len(b) < ndOptionLen || b[1] == 0 || int(b[1])*8 > len(b) {
			return false
		}
		if b[0] == wanted && b[1] == 1 {
			n.LinkLayer = MAC(b[2:8])
		}
		b = b[int(b[1])*8:]
	}
	return true
}

// Encode writes the message and its IPv6 header into b, which must hold NDLen bytes. LinkLayer
// must be set.
func (n *ND) Encode(b []byte) {
	IPv6(b).Encode(IPv6Fields{
		PayloadLength: NDLen - IPv6Len, NextHeader: ProtocolICMPv6, HopLimit: ndHopLimit,
		Src: n.Src, Dst: n.Dst,
	})
	m := ICMPv6(b[IPv6Len:NDLen])
	n.Target.Put(m[8:24])
	m[24], m[25] = ndSourceAddress, 1
	if n.Type == ICMP6Advertisement {
		m[24] = ndTargetAddress
	}
	copy(m[26:32], n.LinkLayer[:])
	m.Encode(n.Type, 0, uint32(n.Flags)<<24, n.Src, n.Dst)
}
