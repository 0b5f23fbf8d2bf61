package modes

import (
	"encoding/binary"

	"fulcrum/packet"
)

// ErrorToSix writes to b the ICMPv6 error that corresponds to an ICMP error (RFC 7915, 4.2), and
// returns its length in bytes, at most MaxError. It returns 0 for an error without counterpart, and
// for a damaged one, because the new checksum would be right. transport is the offset of the ICMP
// message in ip, q the result of packet.Quoted4 for what follows its header.
func ErrorToSix(b []byte, ip packet.IPv4, transport int, q *packet.Quotation, to Error6) int {
	inner := to.Inner
	message := packet.ICMP(ip[transport:])
	typ, code, rest, ok := meaningInSix(message)
	if !ok || packet.Checksum(message) != 0 {
		return 0
	}
	quoted := packet.IPv4(message[packet.ICMPLen:])
	payload := quoted[q.Transport:]
	const headers = packet.IPv6Len + packet.ICMPLen + packet.IPv6Len
	payload = payload[:min(len(payload), packet.IPv6MinMTU-headers)]
	b = b[:headers+len(payload)]
	packet.IPv6(b).Encode(packet.IPv6Fields{
		TrafficClass: ip.TOS(), PayloadLength: uint16(len(b) - packet.IPv6Len),
		NextHeader: packet.ProtocolICMPv6, HopLimit: ip.TTL() - 1, Src: to.From, Dst: to.To,
	})
	packet.IPv6(b[packet.IPv6Len+packet.ICMPLen:]).Encode(packet.IPv6Fields{
		TrafficClass: quoted.TOS(), PayloadLength: quoted.TotalLength() - uint16(q.Transport),
		NextHeader: q.Key.Protocol, HopLimit: quoted.TTL(), Src: inner.Src, Dst: inner.Dst,
	})
	copy(b[headers:], payload)
	addresses := packet.Delta(0).ChangeAddr(q.Key.Src, inner.Src).ChangeAddr(q.Key.Dst, inner.Dst)
	quotePorts(b[headers:], q.Key.Protocol, ports{inner.SrcPort, inner.DstPort}, addresses)
	packet.ICMPv6(b[packet.IPv6Len:]).Encode(typ, code, rest, to.From, to.To)
	return len(b)
}

// ErrorToFour is ErrorToSix in the other direction (RFC 7915, 5.2).
func ErrorToFour(b []byte, ip packet.IPv6, transport int, q *packet.Quotation, to Error4) int {
	inner := to.Inner
	message := packet.ICMPv6(ip[transport:])
	typ, code, rest, ok := meaningInFour(message)
	if !ok || !message.Valid(ip.Src(), ip.Dst()) {
		return 0
	}
	quoted := packet.IPv6(message[packet.ICMPLen:])
	payload := quoted[q.Transport:]
	const headers = packet.IPv4MinLen + packet.ICMPLen + packet.IPv4MinLen
	payload = payload[:min(len(payload), mostQuoted-packet.IPv4MinLen)]
	b = b[:headers+len(payload)]
	packet.IPv4(b).Encode(packet.IPv4Fields{
		TOS: ip.TrafficClass(), TotalLength: uint16(len(b)), TTL: ip.HopLimit() - 1,
		Protocol: packet.ProtocolICMP, Src: to.From, Dst: to.To,
	})
	length := packet.IPv4MinLen + packet.IPv6Len + int(quoted.PayloadLength()) - q.Transport
	packet.IPv4(b[packet.IPv4MinLen+packet.ICMPLen:]).Encode(packet.IPv4Fields{
		TOS: quoted.TrafficClass(), TotalLength: uint16(length), DontFragment: length > fragmentable,
		TTL: quoted.HopLimit(), Protocol: q.Key.Protocol, Src: inner.Src, Dst: inner.Dst,
	})
	copy(b[headers:], payload)
	addresses := packet.Delta(0).ChangeAddr(q.Key.Src, packet.AddrOf4(inner.Src)).
		ChangeAddr(q.Key.Dst, packet.AddrOf4(inner.Dst))
	quotePorts(b[headers:], q.Key.Protocol, ports{inner.SrcPort, inner.DstPort}, addresses)
	packet.ICMP(b[packet.IPv4MinLen:]).Encode(typ, code, rest)
	return len(b)
}

// MaxError is the greatest length of an error from ErrorToSix or ErrorToFour, in bytes.
const MaxError = packet.IPv6MinMTU

// mostQuoted limits IPv4 errors to the length that every host accepts (RFC 1812, 4.3.2.3).
const mostQuoted = 576 - packet.IPv4MinLen - packet.ICMPLen

// meaningInSix returns type, code and second word of the ICMPv6 error with the meaning of an ICMP
// error (RFC 7915, 4.2).
func meaningInSix(m packet.ICMP) (typ, code uint8, rest uint32, ok bool) {
	switch m.Type() {
	case packet.ICMPUnreachable:
		switch m.Code() {
		case 0, 1, 5, 6, 7, 8, 11, 12: // network or host
			return packet.ICMP6Unreachable, packet.ICMP6CodeNoRoute, 0, true
		case 2: // protocol: points to the next header field
			return packet.ICMP6ParameterProblem, 1, 6, true
		case packet.ICMPCodePortUnreachable:
			return packet.ICMP6Unreachable, packet.ICMP6CodePortUnreachable, 0, true
		case packet.ICMPCodeFragmentationNeeded:
			mtu := uint32(binary.BigEndian.Uint16(m[6:8])) + packet.IPv6Len - packet.IPv4MinLen
			return packet.ICMP6PacketTooBig, 0, max(mtu, packet.IPv6MinMTU), true
		case 9, 10, 13, 15: // prohibited
			return packet.ICMP6Unreachable, packet.ICMP6CodeProhibited, 0, true
		}
	case packet.ICMPTimeExceeded:
		return packet.ICMP6TimeExceeded, m.Code(), 0, true
	}
	return 0, 0, 0, false
}

// meaningInFour is the inverse of meaningInSix (RFC 7915, 5.2).
func meaningInFour(m packet.ICMPv6) (typ, code uint8, rest uint32, ok bool) {
	switch m.Type() {
	case packet.ICMP6Unreachable:
		switch m.Code() {
		case 0, 2, 3:
			return packet.ICMPUnreachable, 1, 0, true
		case packet.ICMP6CodeProhibited:
			return packet.ICMPUnreachable, 10, 0, true
		case packet.ICMP6CodePortUnreachable:
			return packet.ICMPUnreachable, packet.ICMPCodePortUnreachable, 0, true
		}
	case packet.ICMP6PacketTooBig:
		mtu := min(max(m.Rest(), packet.IPv6MinMTU)-packet.IPv6Len+packet.IPv4MinLen, 1<<16-1)
		return packet.ICMPUnreachable, packet.ICMPCodeFragmentationNeeded, mtu, true
	case packet.ICMP6TimeExceeded:
		return packet.ICMPTimeExceeded, m.Code(), 0, true
	case packet.ICMP6ParameterProblem:
		if m.Code() == 1 { // unknown next header
			return packet.ICMPUnreachable, 2, 0, true
		}
	}
	return 0, 0, 0, false
}
