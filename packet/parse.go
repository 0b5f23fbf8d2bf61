package packet

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
	Kind      Kind     // always
	Fault     Fault    // Invalid
	TCPFlags  TCPFlags // TCP4
	Protocol  uint8    // TCP4, UDP4, ICMP4, Other4
	Network   uint16   // offset of the ARP or IP header; ARPPacket, TCP4, UDP4, ICMP4, Other4
	Transport uint16   // offset of the transport header; TCP4, UDP4, ICMP4, Other4
	End       uint16   // offset of the first byte behind the IP packet (padding follows); TCP4, UDP4, ICMP4, Other4
	SrcPort   uint16   // TCP4, UDP4
	DstPort   uint16   // TCP4, UDP4
	Src, Dst  uint32   // TCP4, UDP4, ICMP4, Other4
}

// Parse looks at a frame and fills p. Every length that a later stage relies on has been checked
// when p.Kind is not Invalid.
func Parse(frame []byte, p *Parsed) {
	p.Kind, p.Fault = Invalid, NoFault
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
	ip := IPv4(frame[EthernetLen:])
	if len(ip) < IPv4MinLen {
		p.Fault = FaultTruncated
		return
	}
	header, total := ip.HeaderLen(), int(ip.TotalLength())
	switch {
	case ip.Version() != 4:
		p.Fault = FaultIPVersion
	case header < IPv4MinLen || header > total:
		p.Fault = FaultIPHeaderLength
	case total > len(ip):
		p.Fault = FaultIPTotalLength
	case !ip.HeaderValid():
		p.Fault = FaultIPChecksum
	case ip.IsFragment():
		p.Fault = FaultFragment
	}
	if p.Fault != NoFault {
		return
	}
	p.Protocol = ip.Protocol()
	p.Transport = uint16(EthernetLen + header)
	p.End = uint16(EthernetLen + total)
	p.Src, p.Dst = ip.Src(), ip.Dst()
	p.parseTransport(frame[p.Transport:p.End])
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
	t := TCP(b)
	if n := t.HeaderLen(); n < TCPMinLen || n > len(b) {
		p.Fault = FaultTCPDataOffset
		return
	}
	p.Kind = TCP4
	p.TCPFlags = t.Flags()
	p.SrcPort, p.DstPort = t.SrcPort(), t.DstPort()
}

func (p *Parsed) parseUDP(b []byte) {
	if len(b) < UDPLen {
		p.Fault = FaultTruncated
		return
	}
	u := UDP(b)
	if n := int(u.Length()); n < UDPLen || n > len(b) {
		p.Fault = FaultUDPLength
		return
	}
	p.Kind = UDP4
	p.SrcPort, p.DstPort = u.SrcPort(), u.DstPort()
}
