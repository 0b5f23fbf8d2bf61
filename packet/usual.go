package packet

import (
	"encoding/binary"
	"math/bits"
)

// UsualLen is the length of the headers of a usual TCP packet over IPv4, in bytes. The shortest
// frames on a wire are longer.
const UsualLen = EthernetLen + IPv4MinLen + TCPMinLen

// Offsets in a usual packet.
const (
	usualIP        = EthernetLen
	usualTransport = EthernetLen + IPv4MinLen
)

// What the first word of a usual IPv4 header has, as little-endian: version 4 and five words of
// header in the lowest byte, no fragment in the highest 16 bits. DF may be set.
const (
	usualFirst     = 0x45
	usualFirstMask = 0xffbf_0000_0000_00ff
)

// Usual says how usual a packet is.
type Usual uint8

// Degrees of Usual.
const (
	Unusual Usual = iota // Parse is for it
	Whole                // whole TCP or UDP over IP, without options or extension headers
	Plain                // and UDP, or TCP that only acknowledges, with a TTL above 1
)

// ParseUsual is Parse for what almost every packet is: whole TCP or UDP over IPv4 without options,
// with a right header checksum, to the station. It returns the hash of the packet's key as Hash4
// does, which is at hand here. Usual frames have UsualLen bytes or more.
func (p *Parsed) ParseUsual(frame []byte, at Station, h *Hasher) (hash uint64, u Usual) {
	if len(frame) < UsualLen || !Ethernet(frame).IsFor(at) {
		return 0, Unusual
	}
	f, le := (*[UsualLen]byte)(frame), binary.LittleEndian
	first, mid, addresses := le.Uint64(f[usualIP:]), le.Uint32(f[usualIP+8:]), le.Uint64(f[usualIP+12:])
	total := int(bits.ReverseBytes16(uint16(first >> 16)))
	if EtherType(binary.BigEndian.Uint16(f[12:])) != EtherTypeIPv4 || first&usualFirstMask != usualFirst ||
		total > len(frame)-EthernetLen || !sumsUp(first, addresses, mid) {
		return 0, Unusual
	}
	protocol, flags := uint8(mid>>8), TCPFlags(0)
	switch payload := total - IPv4MinLen; protocol {
	case ProtocolTCP:
		if header := int(f[usualTransport+12] >> 4 << 2); header < TCPMinLen || header > payload {
			return 0, Unusual
		}
		p.Kind, p.Fault, flags = TCP4, NoFault, TCPFlags(f[usualTransport+13])
	case ProtocolUDP:
		if length := int(binary.BigEndian.Uint16(f[usualTransport+4:])); length < UDPLen || length > payload {
			return 0, Unusual
		}
		p.Kind, p.Fault = UDP4, NoFault
	default:
		return 0, Unusual
	}
	p.TCPFlags, p.TTL, p.DontFragment = flags, uint8(mid), first>>54&1 != 0
	p.Network, p.Transport, p.End = usualIP, usualTransport, uint16(EthernetLen+total)
	addresses = bits.ReverseBytes64(addresses)
	p.Src, p.Dst, p.Protocol = uint32(addresses>>32), uint32(addresses), protocol
	ports := binary.BigEndian.Uint32(f[usualTransport:])
	p.SrcPort, p.DstPort = uint16(ports>>16), uint16(ports)
	return h.mix4(addresses, restOf(ports, protocol)), howUsual(protocol, flags, p.TTL)
}

// howUsual returns the degree of a packet that is whole.
func howUsual(protocol uint8, flags TCPFlags, ttl uint8) Usual {
	const all = TCPSyn | TCPFin | TCPRst | TCPAck
	if ttl <= 1 || protocol == ProtocolTCP && flags&all != TCPAck {
		return Whole
	}
	return Plain
}

// sumsUp reports whether the checksum of a header of five words is right. A one's complement sum
// does not depend on the byte order (RFC 1071).
func sumsUp(first, second uint64, third uint32) bool {
	sum, carry := bits.Add64(first, second, 0)
	sum, carry = bits.Add64(sum, uint64(third), carry)
	return Fold(sum+carry) == 0xffff
}
