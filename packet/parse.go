package packet

import "encoding/binary"

// Kind classifies a packet for forwarding.
type Kind uint8

// Kinds of packets. TCP4, UDP4 and SCTP4 are in the order of TCP6, UDP6 and SCTP6.
const (
	Invalid   Kind = iota // malformed; Fault says how
	Other                 // neither IP nor ARP nor a VLAN tag
	ARPPacket             // ARP for IPv4 over Ethernet
	ICMP4                 // ICMP over IPv4
	ICMP6                 // ICMPv6
	Other4                // another protocol over IPv4
	Other6                // another protocol over IPv6, or none
	Fragment4             // an IPv4 fragment
	Fragment6             // an IPv6 fragment, but no atomic one (RFC 6946)
	Tagged                // the frame has a VLAN tag, which Parse does not look behind

	// Kinds that belong to sessions, the last ones in the list (HasSession).
	TCP4  // TCP over IPv4
	UDP4  // UDP over IPv4
	SCTP4 // SCTP over IPv4
	TCP6  // TCP over IPv6
	UDP6  // UDP over IPv6
	SCTP6 // SCTP over IPv6
)

// HasSession reports whether packets of the kind belong to sessions.
func (k Kind) HasSession() bool { return k >= TCP4 }

// Is6 reports whether packets of the kind are IPv6.
func (k Kind) Is6() bool {
	return (1<<ICMP6|1<<Other6|1<<Fragment6|1<<TCP6|1<<UDP6|1<<SCTP6)>>k&1 != 0
}

// Fault says why a packet is Invalid.
type Fault uint8

// Faults. "Beyond" means that the packet is shorter than a length in it says.
const (
	NoFault             Fault = iota // the packet is not Invalid
	FaultTruncated                   // the frame ends before its headers do
	FaultARP                         // other hardware or protocol, or an unknown operation
	FaultIPVersion                   // the version is not that of the EtherType
	FaultIPHeaderLength              // IHL below 5, or beyond the total length
	FaultIPTotalLength               // beyond the frame, or 0
	FaultIPChecksum                  // wrong checksum of the IPv4 header
	FaultIPOptions                   // truncated options, or a source route
	FaultIPv6Address                 // an IPv4-mapped address, or a multicast source
	FaultIPv6Extension               // wrong order, too many, truncated, or a source route
	FaultFragment                    // beyond the largest packet, or no fragment can follow it
	FaultTinyFragment                // incomplete headers, or could overwrite a TCP header
	FaultTCPDataOffset               // below 5, or beyond the packet's end
	FaultUDPLength                   // below 8, or beyond the packet's end
	FaultSCTPChunk                   // first chunk's length below 4, or beyond the packet's end
	NumFaults                        // number of faults, NoFault included
)

// Parsed is the result of Parse for one packet. It is reused from packet to packet. Each field is
// valid for the kinds in its comment only; "IP" means every kind of IPv4 and IPv6 packet.
type Parsed struct {
	Kind         Kind     // always valid
	Fault        Fault    // Invalid: why
	TCPFlags     TCPFlags // always valid; 0 unless the packet is TCP
	TTL          uint8    // IP: TTL or hop limit
	DontFragment bool     // IP: DF is set, or the packet is IPv6
	Network      uint16   // ARPPacket, IP: offset of the ARP or IP header in the frame, in bytes
	Transport    uint16   // IP: offset of the transport header, or of a fragment's data
	End          uint16   // IP: offset of the first byte behind the packet, where padding begins

	// Key4.Protocol is valid for IP. Addresses are valid for IPv4 (Key returns those of both
	// families), and ports for TCP, UDP and SCTP.
	Key4
}

// Parse parses an Ethernet frame into p. If p.Kind is not Invalid, every length in the headers up
// to the transport header fits the frame. It does not allocate and keeps no reference to frame.
func Parse(frame []byte, p *Parsed) {
	p.Kind, p.Fault, p.TCPFlags = Invalid, NoFault, 0
	if len(frame) < EthernetLen {
		p.Fault = FaultTruncated
		return
	}
	p.Network = EthernetLen
	switch Ethernet(frame).Type() {
	case EtherTypeIPv4:
		p.parseIPv4(frame)
	case EtherTypeARP:
		p.parseARP(frame[EthernetLen:])
	case EtherTypeIPv6:
		p.parseIPv6(frame)
	case EtherTypeVLAN, EtherTypeQinQ:
		p.Kind = Tagged
	default:
		p.Kind = Other
	}
}

func (p *Parsed) parseARP(b []byte) {
	if len(b) < ARPLen {
		p.Fault = FaultTruncated
		return
	}
	a := ARP(b)
	if !a.IsEthernetIPv4() || (a.Op() != ARPRequest && a.Op() != ARPReply) {
		p.Fault = FaultARP
		return
	}
	p.Kind = ARPPacket
}

func (p *Parsed) parseIPv4(frame []byte) {
	if len(frame) < EthernetLen+IPv4MinLen {
		p.Fault = FaultTruncated
		return
	}
	// Every packet takes this path. The header is read in three words, which give both the fields and
	// the checksum.
	h := (*[IPv4MinLen]byte)(frame[EthernetLen:])
	first, second := binary.BigEndian.Uint64(h[0:8]), binary.BigEndian.Uint64(h[8:16])
	dst := binary.BigEndian.Uint32(h[16:20])
	header, total, fragment := int(first>>56&0x0f)*4, int(first>>32&0xffff), uint16(first)
	sum := first>>32 + first&0xffffffff + second>>32 + second&0xffffffff + uint64(dst)
	switch {
	case first>>60 != 4:
		p.Fault = FaultIPVersion
	case header < IPv4MinLen || header > total:
		p.Fault = FaultIPHeaderLength
	case total > len(frame)-EthernetLen:
		p.Fault = FaultIPTotalLength
	case header == IPv4MinLen && Fold(sum) != 0xffff,
		header != IPv4MinLen && !IPv4(frame[EthernetLen:]).HeaderValid():
		p.Fault = FaultIPChecksum
	case header != IPv4MinLen && !optionsPassable(frame[EthernetLen+IPv4MinLen:EthernetLen+header]):
		p.Fault = FaultIPOptions
	default:
		p.TTL, p.Protocol = uint8(second>>56), uint8(second>>48)
		p.DontFragment = fragment&ipv4DontFragment != 0
		p.Transport, p.End = uint16(EthernetLen+header), uint16(EthernetLen+total)
		p.Src, p.Dst = uint32(second), dst
		if fragment&(ipv4MoreFragments|ipv4OffsetMask) != 0 {
			p.Kind = Fragment4
			return
		}
		p.parseTransport(frame[EthernetLen+header : EthernetLen+total])
	}
}

func (p *Parsed) parseTransport(b []byte) {
	switch p.Protocol {
	case ProtocolTCP:
		p.parseTCP(b)
	case ProtocolUDP:
		p.parseUDP(b)
	case ProtocolSCTP:
		p.parseSCTP(b)
	case ProtocolICMP:
		if len(b) < ICMPLen {
			p.Fault = FaultTruncated
			return
		}
		p.Kind = ICMP4
	default:
		p.Kind = Other4
	}
}

func (p *Parsed) parseTCP(b []byte) {
	if len(b) < TCPMinLen {
		p.Fault = FaultTruncated
		return
	}
	h := (*[TCPMinLen]byte)(b)
	if n := int(h[12]>>4) * 4; n < TCPMinLen || n > len(b) {
		p.Fault = FaultTCPDataOffset
		return
	}
	p.Kind = TCP4
	p.TCPFlags = TCPFlags(h[13])
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(h[0:2]), binary.BigEndian.Uint16(h[2:4])
}

func (p *Parsed) parseUDP(b []byte) {
	if len(b) < UDPLen {
		p.Fault = FaultTruncated
		return
	}
	h := (*[UDPLen]byte)(b)
	if n := int(binary.BigEndian.Uint16(h[4:6])); n < UDPLen || n > len(b) {
		p.Fault = FaultUDPLength
		return
	}
	p.Kind = UDP4
	p.SrcPort, p.DstPort = binary.BigEndian.Uint16(h[0:2]), binary.BigEndian.Uint16(h[2:4])
}
