package packet

import (
	"encoding/binary"
	"math/bits"
)

// UsualLen6 is the length of the headers of a usual UDP packet over IPv6, in bytes.
const UsualLen6 = EthernetLen + IPv6Len + UDPLen

// ParseUsual6 is ParseUsual for IPv6, without extension headers. It leaves addresses whose first
// half is zero to Parse: IPv4 in IPv6, and few others. Usual frames have UsualLen6 bytes or more.
func (p *Parsed) ParseUsual6(frame []byte, at Station, h *Hasher) (hash uint64, u Usual) {
	if len(frame) < UsualLen6 || !Ethernet(frame).IsFor(at) {
		return 0, Unusual
	}
	const transport = EthernetLen + IPv6Len
	f := (*[UsualLen6]byte)(frame)
	first, be := binary.LittleEndian.Uint64(f[EthernetLen:]), binary.BigEndian
	src := Addr{be.Uint64(f[EthernetLen+8:]), be.Uint64(f[EthernetLen+16:])}
	dst := Addr{be.Uint64(f[EthernetLen+24:]), be.Uint64(f[EthernetLen+32:])}
	payload := int(bits.ReverseBytes16(uint16(first >> 32)))
	if EtherType(be.Uint16(f[12:])) != EtherTypeIPv6 || first&0xf0 != 0x60 ||
		payload > len(frame)-transport || src.Hi == 0 || dst.Hi == 0 ||
		src.IsMulticast() {
		return 0, Unusual
	}
	protocol, flags := uint8(first>>48), TCPFlags(0)
	switch protocol {
	case ProtocolTCP:
		if payload < TCPMinLen {
			return 0, Unusual
		}
		if header := int(frame[transport+12] >> 4 << 2); header < TCPMinLen || header > payload {
			return 0, Unusual
		}
		p.Kind, flags = TCP6, TCPFlags(frame[transport+13])
	case ProtocolUDP:
		if length := int(be.Uint16(f[transport+4:])); length < UDPLen || length > payload {
			return 0, Unusual
		}
		p.Kind = UDP6
	default:
		return 0, Unusual
	}
	p.Fault, p.TCPFlags, p.TTL, p.DontFragment = NoFault, flags, uint8(first>>56), true
	p.Network, p.Transport, p.End = EthernetLen, transport, uint16(transport+payload)
	ports := be.Uint32(f[transport:])
	p.Protocol, p.SrcPort, p.DstPort = protocol, uint16(ports>>16), uint16(ports)
	return h.mix(src, dst, restOf(ports, protocol)), howUsual(protocol, flags, p.TTL)
}
