package packet

import "encoding/binary"

// Fragment is what tells a fragment from the others of its packet.
type Fragment struct {
	ID     uint32 // 16 bits in IPv4
	Offset int    // where its data belongs, in bytes
	Length int    // of its data, in bytes
	More   bool   // it is not the last
}

// Fragment reads what Parse found to be a fragment. A fault is what no sender makes: data beyond the largest packet, or a length
// that others cannot follow on.
func (p *Parsed) Fragment(frame []byte) (Fragment, Fault) {
	f := Fragment{Length: int(p.End - p.Transport)}
	if p.Kind == Fragment4 {
		ip := IPv4(frame[p.Network:])
		f.ID, f.Offset, f.More = uint32(ip.ID()), ip.FragmentOffset(), ip.flagsAndOffset()&ipv4MoreFragments != 0
	} else {
		h := frame[p.Transport-FragmentLen : p.Transport]
		place := binary.BigEndian.Uint16(h[2:4])
		f.ID, f.Offset, f.More = binary.BigEndian.Uint32(h[4:8]), int(place&^7), place&1 != 0
	}
	if f.Length == 0 || f.Offset+f.Length > 1<<16-1 || f.More && f.Length%8 != 0 {
		return f, FaultFragment
	}
	// Flags of a TCP header could be written anew by a second fragment (RFC 1858, 3128).
	if f.Offset > 0 && f.Offset < TCPMinLen && p.Protocol == ProtocolTCP {
		return f, FaultTinyFragment
	}
	return f, NoFault
}

// ParseFirst makes a first fragment the packet that it begins: Kind and ports become those of its upper layer, whose header must
// lie in it as a whole (RFC 7112). Lengths that the upper layer gives reach beyond it.
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
		// An error or an echo in pieces is nobody's.
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
