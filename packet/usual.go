package packet

import (
	"encoding/binary"
	"math/bits"
)

// UsualLen is the length of the headers of a usual TCP packet, in bytes. The shortest frames on a
// wire are longer.
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

// ParseUsual is Parse for what almost every packet is: whole TCP or UDP over IPv4 without options,
// with a right header checksum. It returns the hash of the packet's key as Hash4 does, which is at
// hand here. It returns false for any other packet, which Parse is for. Usual frames have UsualLen
// bytes or more.
func (p *Parsed) ParseUsual(frame []byte, h *Hasher) (hash uint64, ok bool) {
	if len(frame) < UsualLen {
		return 0, false
	}
	f := (*[UsualLen]byte)(frame)
	first, second := binary.LittleEndian.Uint64(f[usualIP:]), binary.LittleEndian.Uint64(f[usualIP+8:])
	dst := binary.LittleEndian.Uint32(f[usualIP+16:])
	total := int(bits.ReverseBytes16(uint16(first >> 16)))
	if EtherType(binary.BigEndian.Uint16(f[12:])) != EtherTypeIPv4 || first&usualFirstMask != usualFirst ||
		total > len(frame)-EthernetLen || !sumsUp(first, second, dst) {
		return 0, false
	}
	protocol, flags := uint8(second>>8), TCPFlags(0)
	switch payload := total - IPv4MinLen; protocol {
	case ProtocolTCP:
		if header := int(f[usualTransport+12] >> 4 << 2); header < TCPMinLen || header > payload {
			return 0, false
		}
		p.Kind, flags = TCP4, TCPFlags(f[usualTransport+13])
	case ProtocolUDP:
		if length := int(binary.BigEndian.Uint16(f[usualTransport+4:])); length < UDPLen || length > payload {
			return 0, false
		}
		p.Kind = UDP4
	default:
		return 0, false
	}
	p.Fault, p.TCPFlags, p.TTL, p.DontFragment = NoFault, flags, uint8(second), first>>54&1 != 0
	p.Network, p.Transport, p.End = usualIP, usualTransport, uint16(EthernetLen+total)
	src, to := bits.ReverseBytes32(uint32(second>>32)), bits.ReverseBytes32(dst)
	ports := bits.ReverseBytes32(binary.LittleEndian.Uint32(f[usualTransport:]))
	p.Src, p.Dst, p.Protocol = src, to, protocol
	p.SrcPort, p.DstPort = uint16(ports>>16), uint16(ports)
	rest := uint64(ports>>16)<<32 | uint64(ports&0xffff)<<16 | uint64(protocol)
	return h.mix4(uint64(src)<<32|uint64(to), rest), true
}

// sumsUp reports whether the checksum of a header of five words is right. A one's complement sum
// does not depend on the byte order (RFC 1071).
func sumsUp(first, second uint64, third uint32) bool {
	sum, carry := bits.Add64(first, second, 0)
	sum, carry = bits.Add64(sum, uint64(third), carry)
	return Fold(sum+carry) == 0xffff
}
