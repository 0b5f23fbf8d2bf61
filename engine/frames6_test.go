package engine

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/packet"
)

// six returns the IPv6 twin of an IPv4 address: the tests of one family are those of the other.
func six(a netip.Addr) netip.Addr {
	if !a.Is4() {
		return a
	}
	b := [16]byte{0: 0xfd}
	copy(b[12:], a.AsSlice())
	return netip.AddrFrom16(b)
}

func sixPort(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(six(a.Addr()), a.Port()) }

// six returns the packet between the twins of its ends.
func (p pkt) six() pkt {
	p.src, p.dst = sixPort(p.src), sixPort(p.dst)
	return p
}

// is6 reports whether the packet is one of IPv6, which it is when one of its ends is.
func (p pkt) is6() bool { return p.src.Addr().Is6() || p.dst.Addr().Is6() }

func (p pkt) etherType() layers.EthernetType {
	if p.is6() {
		return layers.EthernetTypeIPv6
	}
	return layers.EthernetTypeIPv4
}

// ip6 is ip for IPv6.
func (p pkt) ip6() []byte {
	p = p.six()
	if p.about != nil {
		quoted := p.about.six().ip()
		p.payload = quoted[:min(len(quoted), 1280-48)]
	}
	ip := &layers.IPv6{
		Version: 6, TrafficClass: p.tos, HopLimit: p.ttl, NextHeader: layers.IPProtocol(p.protocol),
		SrcIP: p.src.Addr().AsSlice(), DstIP: p.dst.Addr().AsSlice(),
	}
	all := []gopacket.SerializableLayer{ip}
	if p.protocol == packet.ProtocolICMP {
		ip.NextHeader = layers.IPProtocolICMPv6
		all = append(all, p.icmp6(ip)...)
	} else if l := p.transport(ip); l != nil {
		all = append(all, l)
	}
	b := serialize(append(all, gopacket.Payload(p.payload))...)
	if p.protocol == packet.ProtocolUDP {
		fixUDPChecksum(b[packet.IPv6Len:], false)
	}
	return b
}

// icmp6 is the ICMPv6 message that says what the ICMP message does.
func (p pkt) icmp6(ip *layers.IPv6) []gopacket.SerializableLayer {
	typ, code := icmpTwin(p.icmp)
	l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(typ, code)}
	l.SetNetworkLayerForChecksum(ip)
	rest := []byte{byte(p.rest >> 24), byte(p.rest >> 16), byte(p.rest >> 8), byte(p.rest)}
	return []gopacket.SerializableLayer{l, gopacket.Payload(rest)}
}

func icmpTwin(v4 layers.ICMPv4TypeCode) (typ, code uint8) {
	switch [2]uint8{v4.Type(), v4.Code()} {
	case [2]uint8{8, 0}:
		return 128, 0
	case [2]uint8{0, 0}:
		return 129, 0
	case [2]uint8{3, 1}:
		return 1, 3
	case [2]uint8{3, 3}:
		return 1, 4
	case [2]uint8{3, 4}:
		return 2, 0
	case [2]uint8{11, 0}:
		return 3, 0
	}
	panic("no twin of " + v4.String())
}

func judgeIPv6(t testing.TB, ip *layers.IPv6) {
	t.Helper()
	pseudo := append(append([]byte(nil), ip.SrcIP...), ip.DstIP...)
	pseudo = append(pseudo, 0, 0, byte(len(ip.Payload)>>8), byte(len(ip.Payload)), 0, 0, 0, byte(ip.NextHeader))
	switch ip.NextHeader {
	case layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolICMPv6:
		if rest := plainChecksum(append(pseudo, ip.Payload...), 0); rest != 0 {
			t.Fatalf("%v checksum is wrong by %#04x: %v", ip.NextHeader, rest, ip)
		}
	}
}

// nd is a message of neighbour discovery, by gopacket.
func nd(from host, dst netip.Addr, dstMAC packet.MAC, typ uint8, flags uint32, target netip.Addr, option byte) []byte {
	body := append([]byte{byte(flags >> 24), 0, 0, 0}, target.AsSlice()...)
	body = append(append(body, option, 1), from.mac[:]...)
	ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: from.addr.AsSlice(), DstIP: dst.AsSlice()}
	l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(typ, 0)}
	l.SetNetworkLayerForChecksum(ip)
	return ethernet(from.mac, dstMAC, layers.EthernetTypeIPv6, serialize(ip, l, gopacket.Payload(body)))
}

// solicits is whoHas for IPv6.
func solicits(a netip.Addr, asks host) []byte {
	b := a.As16()
	group := netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
	return nd(asks, group, packet.MAC{0x33, 0x33, 0xff, b[13], b[14], b[15]}, 135, 0, a, 1)
}

// solicitsAgain is probe for IPv6.
func solicitsAgain(of, asks host) []byte { return nd(asks, of.addr, of.mac, 135, 0, of.addr, 1) }

// advertises is isAt for IPv6, as a host that is no router says it.
func advertises(who, to host) []byte { return nd(who, to.addr, to.mac, 136, 0x60000000, who.addr, 2) }
