package packet_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"fulcrum/packet"
)

var (
	six1 = net.ParseIP("2001:db8::1")
	six2 = net.ParseIP("fd00::10:2")
)

// sixFrame returns an IPv6 frame with the given payload behind the fixed header.
func sixFrame(next uint8, payload ...byte) []byte {
	f := append(make([]byte, 12, 200), 0x86, 0xdd)
	ip := packet.IPv6(make([]byte, packet.IPv6Len))
	ip.Encode(packet.IPv6Fields{
		TrafficClass: 0x2e, FlowLabel: 0x12345, PayloadLength: uint16(len(payload)),
		NextHeader: next, HopLimit: 63,
		Src: packet.AddrOf6(six1), Dst: packet.AddrOf6(six2),
	})
	return append(append(f, ip...), payload...)
}

// udpIn returns a UDP datagram behind the given extension headers.
func udpIn(extensions ...byte) []byte {
	return append(extensions, 0x0f, 0xa0, 0, 53, 0, 12, 0xab, 0xcd, 1, 2, 3, 4)
}

func TestParse6(t *testing.T) {
	options := func(next uint8) []byte { return []byte{next, 0, 1, 4, 0, 0, 0, 0} }
	fragment := func(next uint8, place uint16) []byte {
		return []byte{next, 0, byte(place >> 8), byte(place), 0, 0, 0, 7}
	}
	many := func(n int) (b []byte) {
		for i := range n {
			next := packet.NextDestination
			if i == n-1 {
				next = packet.ProtocolUDP
			}
			b = append(b, options(next)...)
		}
		return udpIn(b...)
	}
	for _, tt := range []struct {
		name  string
		frame []byte
		kind  packet.Kind
		fault packet.Fault
	}{
		{"UDP", sixFrame(packet.ProtocolUDP, udpIn()...), packet.UDP6, packet.NoFault},
		{"UDP, one byte short", sixFrame(packet.ProtocolUDP, udpIn()[:11]...), packet.Invalid, packet.FaultUDPLength},
		{"TCP, too short", sixFrame(packet.ProtocolTCP, make([]byte, 19)...), packet.Invalid, packet.FaultTruncated},
		{"ICMPv6", sixFrame(packet.ProtocolICMPv6, make([]byte, 8)...), packet.ICMP6, packet.NoFault},
		{"ICMPv6, too short", sixFrame(packet.ProtocolICMPv6, make([]byte, 7)...), packet.Invalid, packet.FaultTruncated},
		{"SCTP", sixFrame(packet.ProtocolSCTP, append(make([]byte, 12), 1, 0, 0, 4)...), packet.SCTP6, packet.NoFault},
		{"SCTP with a chunk too long", sixFrame(packet.ProtocolSCTP, append(make([]byte, 12), 1, 0, 0, 5)...), packet.Invalid, packet.FaultSCTPChunk},
		{"ESP", sixFrame(50, make([]byte, 40)...), packet.Other6, packet.NoFault},
		{"nothing", sixFrame(packet.NextNone), packet.Other6, packet.NoFault},
		{"jumbogram", sixFrame(packet.NextHopByHop), packet.Invalid, packet.FaultIPTotalLength},
		{"hop-by-hop options", sixFrame(packet.NextHopByHop, udpIn(options(packet.ProtocolUDP)...)...), packet.UDP6, packet.NoFault},
		{"hop-by-hop options, not first", sixFrame(packet.NextDestination, udpIn(append(options(packet.NextHopByHop), options(packet.ProtocolUDP)...)...)...), packet.Invalid, packet.FaultIPv6Extension},
		{"eight extensions", sixFrame(packet.NextDestination, many(8)...), packet.UDP6, packet.NoFault},
		{"nine extensions", sixFrame(packet.NextDestination, many(9)...), packet.Invalid, packet.FaultIPv6Extension},
		{"an extension beyond the end", sixFrame(packet.NextDestination, packet.ProtocolUDP, 1, 0, 0, 0, 0, 0, 0), packet.Invalid, packet.FaultIPv6Extension},
		{"a cut extension", sixFrame(packet.NextDestination, packet.ProtocolUDP, 0, 0), packet.Invalid, packet.FaultIPv6Extension},
		{"routing header 0", sixFrame(packet.NextRouting, udpIn(packet.ProtocolUDP, 0, 0, 0, 0, 0, 0, 0)...), packet.Invalid, packet.FaultIPv6Extension},
		{"a segment routing header to go", sixFrame(packet.NextRouting, udpIn(packet.ProtocolUDP, 0, 4, 1, 0, 0, 0, 0)...), packet.Invalid, packet.FaultIPv6Extension},
		{"a segment routing header that is done", sixFrame(packet.NextRouting, udpIn(packet.ProtocolUDP, 0, 4, 0, 0, 0, 0, 0)...), packet.UDP6, packet.NoFault},
		{"AH", sixFrame(packet.NextAH, udpIn(append([]byte{packet.ProtocolUDP, 4}, make([]byte, 22)...)...)...), packet.UDP6, packet.NoFault},
		{"atomic fragment", sixFrame(packet.NextFragment, udpIn(fragment(packet.ProtocolUDP, 0)...)...), packet.UDP6, packet.NoFault},
		{"first fragment", sixFrame(packet.NextFragment, udpIn(fragment(packet.ProtocolUDP, 1)...)...), packet.Fragment6, packet.NoFault},
		{"later fragment", sixFrame(packet.NextFragment, udpIn(fragment(packet.ProtocolUDP, 8)...)...), packet.Fragment6, packet.NoFault},
		{"mapped source", put16(22+10, 0xffff)(put16(22, 0)(put16(24, 0)(sixFrame(packet.ProtocolUDP, udpIn()...)))), packet.Invalid, packet.FaultIPv6Address},
		{"multicast source", put8(22, 0xff)(sixFrame(packet.ProtocolUDP, udpIn()...)), packet.Invalid, packet.FaultIPv6Address},
		{"version 4", put8(14, 0x45)(sixFrame(packet.ProtocolUDP, udpIn()...)), packet.Invalid, packet.FaultIPVersion},
		{"longer than the frame", put16(18, 13)(sixFrame(packet.ProtocolUDP, udpIn()...)), packet.Invalid, packet.FaultIPTotalLength},
	} {
		var p packet.Parsed
		packet.Parse(tt.frame, &p)
		if p.Kind != tt.kind || p.Fault != tt.fault {
			t.Errorf("%s: kind %d, fault %d; want %d, %d", tt.name, p.Kind, p.Fault, tt.kind, tt.fault)
		}
		if tt.kind == packet.UDP6 {
			k := p.Key(tt.frame)
			if k.SrcPort != 4000 || k.DstPort != 53 || k.Protocol != packet.ProtocolUDP ||
				k.Src.Netip().String() != "2001:db8::1" || p.TTL != 63 || !p.DontFragment {
				t.Errorf("%s: %+v", tt.name, k)
			}
		}
	}
}

// TestFirstFragment checks that the upper-layer header must be complete, and that lengths in it
// may reach beyond the fragment.
func TestFirstFragment(t *testing.T) {
	fragment := []byte{packet.ProtocolUDP, 0, 0, 1, 0, 0, 0, 9}
	for _, tt := range []struct {
		name string
		data []byte
		kind packet.Kind
	}{
		{"UDP", []byte{0x0f, 0xa0, 0, 53, 2, 0, 0, 0}, packet.UDP6},
		{"half of UDP", []byte{0x0f, 0xa0, 0, 53}, packet.Invalid},
	} {
		f := sixFrame(packet.NextFragment, append(bytes.Clone(fragment), tt.data...)...)
		var p packet.Parsed
		packet.Parse(f, &p)
		info, _ := p.Fragment(f)
		if info.ID != 9 || info.Offset != 0 || !info.More || info.Length != len(tt.data) {
			t.Errorf("%s: %+v", tt.name, info)
		}
		p.ParseFirst(f)
		if p.Kind != tt.kind || tt.kind == packet.Invalid && p.Fault != packet.FaultTinyFragment {
			t.Errorf("%s: kind %d, fault %d", tt.name, p.Kind, p.Fault)
		}
	}
}

// TestChecksums6 compares full checksums and checksums by difference with gopacket's.
func TestChecksums6(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP,
			SrcIP: drawBytes(t, "src", 16, 16), DstIP: drawBytes(t, "dst", 16, 16)}
		udp := &layers.UDP{SrcPort: 7, DstPort: 9}
		_ = udp.SetNetworkLayerForChecksum(ip)
		b := gopacket.NewSerializeBuffer()
		payload := gopacket.Payload(rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "payload"))
		options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		if err := gopacket.SerializeLayers(b, options, ip, udp, payload); err != nil {
			t.Fatal(err)
		}
		v := packet.IPv6(b.Bytes())
		u := v[packet.IPv6Len:]
		pseudo := packet.PseudoHeader6(v.Src(), v.Dst(), packet.ProtocolUDP, len(u))
		if packet.Fold(packet.Sum(u, pseudo)) != 0xffff {
			t.Fatalf("%x", []byte(v))
		}
		// Replace an address by one of either family, and apply the difference.
		to := packet.Addr{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
		old := v.Src()
		if rapid.Bool().Draw(t, "4") {
			to = packet.AddrOf4(uint32(to.Lo))
		}
		sum := packet.Delta(0).ChangeAddr(old, to).Apply(binary.BigEndian.Uint16(u[6:8]))
		binary.BigEndian.PutUint16(u[6:8], sum)
		initial := packet.PseudoHeader6(packet.Addr{}, v.Dst(), packet.ProtocolUDP, len(u))
		if to.Is4() {
			initial += uint64(to.V4())
		} else {
			initial = packet.PseudoHeader6(to, v.Dst(), packet.ProtocolUDP, len(u))
		}
		if got := packet.Fold(packet.Sum(u, initial)); got != 0xffff && got != 0 {
			t.Fatalf("%v -> %v: %#x", old, to, got)
		}
	})
}

// TestND checks that this package and gopacket read what Encode writes.
func TestND(t *testing.T) {
	asker, target := packet.AddrOf6(six1), packet.AddrOf6(six2)
	for _, n := range []packet.ND{
		{
			Type: packet.ICMP6Solicitation,
			Src:  asker, Dst: packet.SolicitedNode(target), Target: target,
			LinkLayer: packet.MAC{2, 1, 2, 3, 4, 5},
		},
		{
			Type: packet.ICMP6Advertisement, Flags: packet.NDSolicited | packet.NDOverride,
			Src: target, Dst: asker, Target: target, LinkLayer: packet.MAC{2, 1, 2, 3, 4, 6},
		},
		{
			Type: packet.ICMP6Advertisement, Flags: packet.NDOverride,
			Src: target, Dst: packet.AllNodes, Target: target, LinkLayer: packet.MAC{2, 1, 2, 3, 4, 6},
		},
	} {
		b := make([]byte, packet.NDLen)
		n.Encode(b)
		got, ok := packet.ParseND(b, packet.IPv6Len)
		if !ok || got != n {
			t.Errorf("%+v is read as %+v, %t", n, got, ok)
		}
		read := gopacket.NewPacket(b, layers.LayerTypeIPv6, gopacket.Default)
		if read.ErrorLayer() != nil {
			t.Errorf("%+v: %v", n, read.ErrorLayer().Error())
		}
		for _, damage := range []func([]byte){
			func(b []byte) { b[7] = 254 }, func(b []byte) { b[41] = 1 },
			func(b []byte) { b[50]++ }, func(b []byte) { b[48] = 0xff },
		} {
			bad := bytes.Clone(b)
			damage(bad)
			if _, ok := packet.ParseND(bad, packet.IPv6Len); ok {
				t.Errorf("%x is valid", bad)
			}
		}
	}
}

// TestNDRules has the rules of RFC 4861, 6.1 and 7.1, with the options of each type.
func TestNDRules(t *testing.T) {
	host, linkLocal := packet.AddrOf6(six1), packet.Addr{Hi: 0xfe80 << 48, Lo: 9}
	mac := []byte{2, 1, 2, 3, 4, 5}
	option := func(typ, length byte, rest ...byte) []byte {
		return append([]byte{typ, length}, rest...)
	}
	source, target := option(1, 1, mac...), option(2, 1, mac...)
	other := option(14, 1, mac...)
	long := append(option(1, 2, mac...), make([]byte, 8)...)
	join := func(all ...[]byte) []byte { return bytes.Join(all, nil) }
	for _, tt := range []struct {
		name    string
		typ     uint8
		src     packet.Addr
		body    int // bytes between the ICMPv6 header and the options
		options []byte
		ok      bool
		told    bool // the MAC is read
	}{
		{"solicitation", 135, host, 16, source, true, true},
		{"solicitation without option", 135, host, 16, nil, true, false},
		{"solicitation with the target's option", 135, host, 16, target, true, false},
		{"solicitation, another option first", 135, host, 16, join(other, source), true, true},
		{"option of length 0", 135, host, 16, option(1, 0, mac...), false, false},
		{"option beyond the end", 135, host, 16, option(1, 2, mac...), false, false},
		{"half an option", 135, host, 16, source[:4], false, false},
		{"address of another length", 135, host, 16, long, true, false},
		{"too short", 135, host, 8, nil, false, false},
		{"advertisement", 136, host, 16, target, true, true},
		{"advertisement with the source's option", 136, host, 16, source, true, false},
		{"advertisement without option", 136, host, 16, nil, true, false},
		{"router solicitation", 133, host, 0, source, true, true},
		{"router solicitation without option", 133, host, 0, nil, true, false},
		{"router solicitation without address", 133, packet.Addr{}, 0, nil, true, false},
		{"router solicitation without address, with option", 133, packet.Addr{}, 0, source, false, true},
		{"router advertisement", 134, linkLocal, 8, join(other, source), true, true},
		{"router advertisement from another address", 134, host, 8, source, false, true},
		{"short router advertisement", 134, linkLocal, 0, nil, false, false},
	} {
		dst := packet.AddrOf6(six2)
		b := make([]byte, packet.IPv6Len+packet.ICMPLen+tt.body, 200)
		b = append(b, tt.options...)
		ip := packet.IPv6(b)
		ip.Encode(packet.IPv6Fields{
			PayloadLength: uint16(len(b) - packet.IPv6Len), NextHeader: packet.ProtocolICMPv6,
			HopLimit: 255, Src: tt.src, Dst: dst,
		})
		packet.ICMPv6(b[packet.IPv6Len:]).Encode(tt.typ, 0, 0, tt.src, dst)
		n, ok := packet.ParseND(ip, packet.IPv6Len)
		if ok != tt.ok || ok && n.LinkLayer.IsZero() == tt.told {
			t.Errorf("%s: %t, %v", tt.name, ok, n.LinkLayer)
		}
		if ip.SetHopLimit(254); ok {
			if _, ok := packet.ParseND(ip, packet.IPv6Len); ok {
				t.Errorf("%s from behind a router is valid", tt.name)
			}
		}
	}
}

func FuzzParseND(f *testing.F) {
	asker, target := packet.AddrOf6(six1), packet.AddrOf6(six2)
	n := packet.ND{Type: packet.ICMP6Solicitation, Src: asker, Dst: target, Target: target}
	b := make([]byte, packet.NDLen)
	n.Encode(b)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < packet.IPv6Len+packet.ICMPLen {
			return
		}
		if n, ok := packet.ParseND(b, packet.IPv6Len); ok && n.Target.IsMulticast() {
			t.Fatalf("%+v", n)
		}
		// Most fuzzed messages fail by their checksum, so parse them again with the right one.
		m := packet.ICMPv6(b[packet.IPv6Len:])
		ip := packet.IPv6(b)
		ip.SetHopLimit(255)
		m.Encode(m.Type(), 0, m.Rest(), ip.Src(), ip.Dst())
		packet.ParseND(b, packet.IPv6Len)
	})
}

func FuzzQuoted(f *testing.F) {
	f.Add(sixFrame(packet.ProtocolUDP, udpIn()...)[14:])
	f.Add(udpFrame(f, "x")[14:])
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, read := range []func([]byte) (packet.Quotation, bool){packet.Quoted4, packet.Quoted6} {
			if q, ok := read(b); ok && q.Transport+4 > len(b) {
				t.Fatalf("transport at %d of %d bytes", q.Transport, len(b))
			}
		}
		for _, inside := range []func([]byte) (int, bool){packet.Tunnelled4, packet.Tunnelled6} {
			if at, _ := inside(b); at >= len(b) && at != 0 {
				t.Fatalf("inside at %d of %d bytes", at, len(b))
			}
		}
	})
}

func FuzzFragment(f *testing.F) {
	f.Add(sixFrame(packet.NextFragment, udpIn(packet.ProtocolUDP, 0, 0, 1, 0, 0, 0, 9)...))
	f.Add(edited(udpFrame(f, "payload"), put16(fragment, 0x2000)))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > maxFrame {
			return
		}
		if len(frame) >= packet.EthernetLen+packet.IPv4MinLen {
			fixIP(frame)
		}
		var p packet.Parsed
		packet.Parse(frame, &p)
		if p.Kind != packet.Fragment4 && p.Kind != packet.Fragment6 {
			return
		}
		six := p.Kind.Is6()
		if info, fault := p.Fragment(frame); fault != packet.NoFault || info.Offset != 0 {
			return
		}
		p.ParseFirst(frame)
		if p.Kind == packet.Invalid && p.Fault == packet.NoFault ||
			p.Kind != packet.Invalid && p.Kind.Is6() != six || p.Transport > p.End {
			t.Fatalf("kind %d, fault %d, transport %d, end %d", p.Kind, p.Fault, p.Transport, p.End)
		}
	})
}

func TestParse6NoAllocs(t *testing.T) {
	f := sixFrame(packet.NextHopByHop, udpIn(packet.ProtocolUDP, 0, 1, 4, 0, 0, 0, 0)...)
	var p packet.Parsed
	if n := testing.AllocsPerRun(100, func() {
		packet.Parse(f, &p)
		p.Key(f)
		packet.Quoted6(f[14:])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
