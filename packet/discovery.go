package packet

// NDLen is the length in bytes of a neighbour solicitation or advertisement with one link-layer
// address (RFC 4861, 4.3 and 4.4), including its IPv6 header.
const NDLen = IPv6Len + ndMinLen + ndOptionLen

const (
	ndMinLen        = 24 // without options
	routerAdvertLen = 16 // without options
	ndOptionLen     = 8  // link-layer address option with an Ethernet address

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

// ND is a message of neighbour discovery that tells a station's link-layer address: a solicitation
// or an advertisement, of a neighbour or a router.
type ND struct {
	Type     uint8   // ICMP6Solicitation, ICMP6Advertisement, ICMP6RouterSolicit, ICMP6RouterAdvert
	Flags    NDFlags // those of a neighbour advertisement; 0 in other messages
	Src, Dst Addr    // addresses of the IPv6 header
	Target   Addr    // the address that is asked for or announced; zero in routers' messages

	// LinkLayer belongs to Target in a neighbour advertisement and to Src in other messages. It is
	// zero if the message has no such option.
	LinkLayer MAC
}

// Sender returns the address to which LinkLayer belongs.
func (n *ND) Sender() Addr {
	if n.Type == ICMP6Advertisement {
		return n.Target
	}
	return n.Src
}

// ParseND reads the message at offset transport of an IPv6 packet and reports whether it is valid
// (RFC 4861, 6.1 and 7.1). The packet must hold the IPv6 header and an ICMPv6 header of ICMPLen
// bytes at that offset.
func ParseND(ip IPv6, transport int) (n ND, ok bool) {
	m := ICMPv6(ip[transport:])
	at := ndOptionsAt(m.Type())
	if len(m) < at || ip.HopLimit() != ndHopLimit || m.Code() != 0 || !m.Valid(ip.Src(), ip.Dst()) {
		return n, false
	}
	n = ND{Type: m.Type(), Src: ip.Src(), Dst: ip.Dst()}
	if at == ndMinLen {
		n.Target = AddrOf6(m[8:24])
	}
	wanted := uint8(ndSourceAddress)
	if n.Type == ICMP6Advertisement {
		wanted, n.Flags = ndTargetAddress, NDFlags(m[4])
	}
	return n, !n.Target.IsMulticast() && n.readOptions(m[at:], wanted) && n.plausible()
}

// ndOptionsAt returns the length in bytes of a message of a type without its options.
func ndOptionsAt(of uint8) int {
	switch of {
	case ICMP6RouterSolicit:
		return ICMPLen
	case ICMP6RouterAdvert:
		return routerAdvertLen
	}
	return ndMinLen
}

// plausible reports whether the addresses of a message fit its type. A solicitation from :: is
// duplicate address detection (RFC 4862, 5.4), or a host's without an address: its sender has no
// address yet.
func (n *ND) plausible() bool {
	switch n.Type {
	case ICMP6Advertisement:
		return !n.Dst.IsMulticast() || n.Flags&NDSolicited == 0
	case ICMP6RouterAdvert:
		return n.Src.IsLinkLocal()
	case ICMP6RouterSolicit:
		return n.Src != (Addr{}) || n.LinkLayer.IsZero()
	}
	return n.Src != (Addr{}) || n.LinkLayer.IsZero() && n.Dst == SolicitedNode(n.Target)
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

// Encode writes a neighbour solicitation or advertisement and its IPv6 header into b, which must
// hold NDLen bytes. LinkLayer must be set.
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
