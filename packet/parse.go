package packet

import "encoding/binary"

// Kind says what a packet is, as far as its forwarding is concerned.
type Kind uint8

const (
	Invalid   Kind = iota // malformed; Fault says how
	Other                 // not IP, ARP or anything else that is looked at
	ARPPacket             // ARP for IPv4 over Ethernet
	ICMP4                 // ICMP over IPv4
	ICMP6                 // ICMPv6
	Other4                // another protocol over IPv4
	Other6                // another protocol over IPv6, or none
	Fragment4             // a fragment of IPv4
	Fragment6             // a fragment of IPv6
	Tagged                // a VLAN tag is in the packet

	// Those that sessions have.
	TCP4
	UDP4
	SCTP4
	TCP6
	UDP6
	SCTP6
)

// HasSession reports whether packets of the kind belong to sessions.
func (k Kind) HasSession() bool { return k >= TCP4 }

// Is6 reports whether packets of the kind are of IPv6.
func (k Kind) Is6() bool {
	return (1<<ICMP6|1<<Other6|1<<Fragment6|1<<TCP6|1<<UDP6|1<<SCTP6)>>k&1 != 0
}

// Fault is what is wrong with a packet.
type Fault uint8

const (
	NoFault             Fault = iota
	FaultTruncated            // the frame ends before its headers do
	FaultARP                  // ARP for another hardware or protocol, or an unknown operation
	FaultIPVersion            // the version is not what the EtherType says
	FaultIPHeaderLength       // IHL below 5, or beyond the total length
	FaultIPTotalLength        // more than the frame holds, or none
	FaultIPChecksum           //
	FaultIPOptions            // options that are cut off, or a source route
	FaultIPv6Address          // an IPv4-mapped address, or a source that is a group
	FaultIPv6Extension        // extension headers in a wrong order, too many, cut off, or a source route
	FaultFragment             // a fragment beyond the largest packet, or of a length that others cannot follow on
	FaultTinyFragment         // a first fragment without the whole of its headers, or one that would overwrite them
	FaultTCPDataOffset        // below 5, or beyond the packet's end
	FaultUDPLength            // below 8, or beyond the packet's end
	FaultSCTPChunk            // the first chunk's length is below 4, or beyond the packet's end
	NumFaults
)

// Parsed is what Parse found out about one packet. It is reused from packet to packet: a field is
// valid only as its comment says, by the kind without its family.
type Parsed struct {
	Kind         Kind     // always
	Fault        Fault    // Invalid
	TCPFlags     TCPFlags // always; 0 but for TCP
	TTL          uint8    // IP: TTL or hop limit
	DontFragment bool     // IP: DF is set, or it is IPv6
	Network      uint16   // offset of the ARP or IP header; ARPPacket, IP
	Transport    uint16   // offset of the transport header, or of a fragment's data; IP
	End          uint16   // offset of the first byte behind the IP packet (padding follows); IP
	Key4                  // protocol: IP; addresses: IPv4, see Key for others; ports: TCP, UDP, SCTP
}

// Parse looks at a frame and fills p. Every length that a later stage relies on has been checked
// when p.Kind is not Invalid.
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
	// The header is read in three words, from which the fields and the checksum's sum are taken: the path of every packet.
	h := (*[IPv4MinLen]byte)(frame[EthernetLen:])
	first, second, dst := binary.BigEndian.Uint64(h[0:8]), binary.BigEndian.Uint64(h[8:16]), binary.BigEndian.Uint32(h[16:20])
	header, total, fragment := int(first>>56&0x0f)*4, int(first>>32&0xffff), uint16(first)
	switch {
	case first>>60 != 4:
		p.Fault = FaultIPVersion
	case header < IPv4MinLen || header > total:
		p.Fault = FaultIPHeaderLength
	case total > len(frame)-EthernetLen:
		p.Fault = FaultIPTotalLength
	case header == IPv4MinLen && Fold(first>>32+first&0xffffffff+second>>32+second&0xffffffff+uint64(dst)) != 0xffff,
		header != IPv4MinLen && !IPv4(frame[EthernetLen:]).HeaderValid():
		p.Fault = FaultIPChecksum
	case header != IPv4MinLen && !optionsPassable(frame[EthernetLen+IPv4MinLen:EthernetLen+header]):
		p.Fault = FaultIPOptions
	default:
		p.TTL, p.Protocol, p.DontFragment = uint8(second>>56), uint8(second>>48), fragment&ipv4DontFragment != 0
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
