package packet

import "encoding/binary"

// Kind says what a packet is, as far as its forwarding is concerned.
type Kind uint8

const (
	Invalid   Kind = iota // malformed; Fault says how
	Other                 // not IP, ARP or anything else that is looked at
	ARPPacket             // ARP for IPv4 over Ethernet
	TCP4                  // TCP over IPv4
	UDP4                  // UDP over IPv4
	ICMP4                 // ICMP over IPv4
	Other4                // another protocol over IPv4
	Any6                  // IPv6
	Tagged                // a VLAN tag is in the packet
)

// Fault is what is wrong with a packet.
type Fault uint8

const (
	NoFault             Fault = iota
	FaultTruncated            // the frame ends before its headers do
	FaultARP                  // ARP for another hardware or protocol, or an unknown operation
	FaultIPVersion            // the version is not what the EtherType says
	FaultIPHeaderLength       // IHL below 5, or beyond the total length
	FaultIPTotalLength        // more than the frame holds
	FaultIPChecksum           //
	FaultFragment             // a part of a larger packet
	FaultTCPDataOffset        // below 5, or beyond the packet's end
	FaultUDPLength            // below 8, or beyond the packet's end
	NumFaults
)

// Parsed is what Parse found out about one packet. It is reused from packet to packet: a field is
// valid only as its comment says.
type Parsed struct {
	Kind         Kind     // always
	Fault        Fault    // Invalid
	TCPFlags     TCPFlags // always; 0 but for TCP4
	TTL          uint8    // TCP4, UDP4, ICMP4, Other4
	DontFragment bool     // TCP4, UDP4, ICMP4, Other4
	Network      uint16   // offset of the ARP or IP header; ARPPacket, TCP4, UDP4, ICMP4, Other4
	Transport    uint16   // offset of the transport header; TCP4, UDP4, ICMP4, Other4
	End          uint16   // offset of the first byte behind the IP packet (padding follows); TCP4, UDP4, ICMP4, Other4
	Key4                  // addresses and protocol: TCP4, UDP4, ICMP4, Other4; ports: TCP4, UDP4
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
		p.Kind = Any6
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
	case fragment&(ipv4MoreFragments|ipv4OffsetMask) != 0:
		p.Fault = FaultFragment
	default:
		p.TTL, p.Protocol, p.DontFragment = uint8(second>>56), uint8(second>>48), fragment&ipv4DontFragment != 0
		p.Transport, p.End = uint16(EthernetLen+header), uint16(EthernetLen+total)
		p.Src, p.Dst = uint32(second), dst
		p.parseTransport(frame[EthernetLen+header : EthernetLen+total])
	}
}

func (p *Parsed) parseTransport(b []byte) {
	switch p.Protocol {
	case ProtocolTCP:
		p.parseTCP(b)
	case ProtocolUDP:
		p.parseUDP(b)
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
