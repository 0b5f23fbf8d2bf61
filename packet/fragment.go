package packet

import "encoding/binary"

// Fragment describes a fragment's place in its datagram.
type Fragment struct {
	ID     uint32 // identification; 16 bits in IPv4
	Offset int    // place of its data in the datagram, in bytes
	Length int    // length of its data, in bytes
	More   bool   // further fragments follow
}

// Fragment reads the fragment that Parse found in frame; p.Kind must be Fragment4 or Fragment6. It
// returns FaultFragment for data beyond the largest packet and for a length after which no
// fragment can follow. It returns FaultTinyFragment for data that could overwrite a TCP header.
func (p *Parsed) Fragment(frame []byte) (Fragment, Fault) {
	f := Fragment{Length: int(p.End - p.Transport)}
	if p.Kind == Fragment4 {
		ip := IPv4(frame[p.Network:])
		f.ID, f.Offset = uint32(ip.ID()), ip.FragmentOffset()
		f.More = ip.flagsAndOffset()&ipv4MoreFragments != 0
	} else {
		h := frame[p.Transport-FragmentLen : p.Transport]
		place := binary.BigEndian.Uint16(h[2:4])
		f.ID, f.Offset, f.More = binary.BigEndian.Uint32(h[4:8]), int(place&^7), place&1 != 0
	}
	if f.Length == 0 || f.Offset+f.Length > 1<<16-1 || f.More && f.Length%8 != 0 {
		return f, FaultFragment
	}
	// Such a fragment could overwrite the flags of the TCP header (RFC 1858, 3128).
	if f.Offset > 0 && f.Offset < TCPMinLen && p.Protocol == ProtocolTCP {
		return f, FaultTinyFragment
	}
	return f, NoFault
}

// ParseFirst parses the upper layer of a first fragment. Kind and ports become those of the whole
// datagram. The fragment must hold the whole upper-layer header (RFC 7112); otherwise Kind becomes
// Invalid and Fault FaultTinyFragment. Lengths in that header may reach beyond the fragment.
func (p *Parsed) ParseFirst(frame []byte) {
	kind := p.Kind
	p.Kind, p.Fault = Invalid, NoFault
	b := frame[p.Transport:p.End]
	if kind == Fragment6 && isExtension(p.Protocol) {
		p.walk(frame, int(p.Transport), p.Protocol, NextNone)
		b = frame[p.Transport:p.End]
		if p.Fault != FaultUDPLength && p.Kind == Invalid || p.Kind == Fragment6 {
			p.Kind, p.Fault = Invalid, FaultTinyFragment
			return
		}
	}
	p.parseFirst(b, kind)
}

func (p *Parsed) parseFirst(b []byte, kind Kind) {
	p.Kind, p.Fault = Invalid, NoFault
	switch p.Protocol {
	case ProtocolTCP:
		p.parseTCP(b)
	case ProtocolUDP:
		if len(b) >= UDPLen {
			p.Kind = UDP4
			p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b[0:2]), binary.BigEndian.Uint16(b[2:4])
		}
	case ProtocolSCTP:
		if len(b) >= SCTPLen+SCTPChunkLen {
			p.Kind = SCTP4
			p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b[0:2]), binary.BigEndian.Uint16(b[2:4])
		}
	case ProtocolICMP, ProtocolICMPv6:
		// A fragmented ICMP message belongs to no session.
		p.Kind = Other4
		if kind == Fragment6 {
			p.Kind = Other6
		}
		return
	default:
		p.Kind = Other4
		if kind == Fragment6 {
			p.Kind = Other6
		}
		return
	}
	switch {
	case p.Kind == Invalid:
		p.Fault = FaultTinyFragment
	case kind == Fragment6:
		p.Kind += TCP6 - TCP4
	}
}

func isExtension(next uint8) bool {
	switch next {
	case NextHopByHop, NextRouting, NextFragment, NextAH, NextDestination:
		return true
	}
	return false
}
