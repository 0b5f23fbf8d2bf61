package engine

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/packet"
)

// six returns the IPv6 twin of an IPv4 address, so that both families share their tests.
func six(a netip.Addr) netip.Addr {
	if !a.Is4() {
		return a
	}
	b := [16]byte{0: 0xfd}
	copy(b[12:], a.AsSlice())
	return netip.AddrFrom16(b)
}

func sixPort(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(six(a.Addr()), a.Port()) }

// six returns the packet between the twins of its addresses.
func (p pkt) six() pkt {
	p.src, p.dst = sixPort(p.src), sixPort(p.dst)
	return p
}

// is6 reports whether the packet is IPv6: one of its addresses is.
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
		p.payload = quoted[:min(len(quoted), cmp.Or(p.most, 1280-48))]
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

// icmp6 is the ICMPv6 message that corresponds to the ICMP message.
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
	case [2]uint8{3, 2}:
		return 4, 1
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
	pseudo = append(pseudo, 0, 0, byte(len(ip.Payload)>>8), byte(len(ip.Payload)), 0, 0, 0,
		byte(ip.NextHeader))
	switch ip.NextHeader {
	case layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolICMPv6:
		if rest := plainChecksum(append(pseudo, ip.Payload...), 0); rest != 0 {
			t.Fatalf("%v checksum is wrong by %#04x: %v", ip.NextHeader, rest, ip)
		}
	}
}

// Types of neighbour discovery, and the option that comes with each: the sender's link-layer
// address, or that of the target.
const (
	ndSolicitation  = 135
	ndAdvertisement = 136
)

var ndOptions = map[uint8]byte{ndSolicitation: 1, ndAdvertisement: 2}

// nd is a message of neighbour discovery, made by gopacket.
func nd(from, to host, typ uint8, flags uint32, target netip.Addr) []byte {
	body := append([]byte{byte(flags >> 24), 0, 0, 0}, target.AsSlice()...)
	body = append(append(body, ndOptions[typ], 1), from.mac[:]...)
	ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6,
		SrcIP: from.addr.AsSlice(), DstIP: to.addr.AsSlice()}
	l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(typ, 0)}
	l.SetNetworkLayerForChecksum(ip)
	return ethernet(from.mac, to.mac, layers.EthernetTypeIPv6,
		serialize(ip, l, gopacket.Payload(body)))
}

// probes asks whether an address is taken, from a station without address.
func probes(a netip.Addr, asks host) []byte {
	b := a.As16()
	group := []byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]}
	ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6,
		SrcIP: make([]byte, 16), DstIP: group}
	l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(135, 0)}
	l.SetNetworkLayerForChecksum(ip)
	return ethernet(asks.mac, packet.MAC{0x33, 0x33, 0xff, b[13], b[14], b[15]},
		layers.EthernetTypeIPv6,
		serialize(ip, l, gopacket.Payload(append(make([]byte, 4), a.AsSlice()...))))
}

// fragmentsOf cuts a packet into fragments with size bytes of data, as its sender does.
func fragmentsOf(p pkt, size int) [][]byte {
	whole := p.ip()
	header := 20
	if p.is6() {
		header = 40
	}
	var all [][]byte
	for at := 0; at < len(whole)-header; at += size {
		end := min(at+size, len(whole)-header)
		data, more := whole[header+at:header+end], end < len(whole)-header
		if p.is6() {
			all = append(all, fragment6(whole, data, at, more, p.id))
		} else {
			all = append(all, fragment4(whole, data, at, more))
		}
	}
	return all
}

func fragment4(whole, data []byte, at int, more bool) []byte {
	f := append(append([]byte(nil), whole[:20]...), data...)
	binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
	place := uint16(at / 8)
	if more {
		place |= 0x2000
	}
	binary.BigEndian.PutUint16(f[6:], place)
	f[10], f[11] = 0, 0
	binary.BigEndian.PutUint16(f[10:], plainChecksum(f[:20], 0))
	return f
}

func fragment6(whole, data []byte, at int, more bool, id uint16) []byte {
	f := append([]byte(nil), whole[:40]...)
	next := f[6]
	f[6] = 44
	binary.BigEndian.PutUint16(f[4:], uint16(len(data)+8))
	place := uint16(at)
	if more {
		place |= 1
	}
	f = append(f, next, 0, byte(place>>8), byte(place), 0, 0, byte(id>>8), byte(id))
	return append(f, data...)
}

// reassembled joins the fragments and returns the payload.
func reassembled(t testing.TB, frames [][]byte) string {
	t.Helper()
	data, total := map[int][]byte{}, -1
	for _, f := range frames {
		ip := f[packet.EthernetLen:]
		var at int
		var more bool
		var body []byte
		if ip[0]>>4 == 6 {
			place := binary.BigEndian.Uint16(ip[42:])
			at, more, body = int(place&^7), place&1 != 0, ip[48:40+int(binary.BigEndian.Uint16(ip[4:]))]
		} else {
			at, more, body = int(binary.BigEndian.Uint16(ip[6:])&0x1fff)*8, ip[6]&0x20 != 0, ip[20:binary.BigEndian.Uint16(ip[2:])]
		}
		data[at] = body
		if !more {
			total = at + len(body)
		}
	}
	var whole []byte
	for len(whole) != total {
		next, ok := data[len(whole)]
		if !ok {
			t.Fatalf("nothing at %d of %d", len(whole), total)
		}
		whole = append(whole, next...)
	}
	return string(whole[packet.UDPLen:])
}

// solicits is whoHas for IPv6.
func solicits(a netip.Addr, asks host) []byte {
	b := a.As16()
	group := netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14],
		15: b[15]})
	to := host{group, packet.MAC{0x33, 0x33, 0xff, b[13], b[14], b[15]}}
	return nd(asks, to, ndSolicitation, 0, a)
}

// advertises is isAt for IPv6, as a host that is not a router sends it.
func advertises(who, to host) []byte {
	return nd(who, to, ndAdvertisement, 0x60000000, who.addr)
}
