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

// pkt describes an IP packet. gopacket, which shares no code with the director, makes its bytes and
// all checksums. The methods return a changed copy, so that an expectation reads as a change of the
// packet.
type pkt struct {
	src, dst netip.AddrPort
	protocol uint8
	flags    packet.TCPFlags
	seq, ack uint32
	icmp     layers.ICMPv4TypeCode
	rest     uint32 // ICMP: the second word
	payload  []byte
	about    *pkt // ICMP error: the quoted packet, instead of a payload
	most     int  // ICMP error: bytes to quote; 0 quotes as much as possible
	mss      uint16

	ttl, tos   uint8
	id         uint16
	df, mf     bool
	offset     uint16 // fragment offset in units of 8 bytes
	options    []layers.IPv4Option
	noChecksum bool // UDP
	padding    int  // bytes behind the IP packet
}

func at4(s string) netip.AddrPort {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a
	}
	return netip.AddrPortFrom(netip.MustParseAddr(s), 0)
}

// tcp is a segment with the flags of these letters.
func tcp(src, dst, flags string) pkt {
	p := pkt{src: at4(src), dst: at4(dst), protocol: packet.ProtocolTCP, ttl: 64, id: 7, seq: 1000,
		ack: 2000}
	for _, letter := range flags {
		p.flags |= map[rune]packet.TCPFlags{
			'S': packet.TCPSyn, 'A': packet.TCPAck, 'F': packet.TCPFin, 'R': packet.TCPRst,
			'P': packet.TCPPsh,
		}[letter]
	}
	return p
}

func udp(src, dst, payload string) pkt {
	return pkt{src: at4(src), dst: at4(dst), protocol: packet.ProtocolUDP, ttl: 64, id: 7,
		payload: []byte(payload)}
}

func icmp(src, dst string, typ, code uint8, rest uint32, payload []byte) pkt {
	return pkt{
		src: at4(src), dst: at4(dst), protocol: packet.ProtocolICMP, ttl: 64,
		icmp: layers.CreateICMPv4TypeCode(typ, code), rest: rest, payload: payload,
	}
}

func echoRequest(src, dst string) pkt {
	return icmp(src, dst, packet.ICMPEchoRequest, 0, 0x00110022, []byte("ping?"))
}

// icmpError is the ICMP error that the director sends about a packet.
func icmpError(src string, about pkt, typ, code uint8, rest uint32) pkt {
	p := icmp(src, about.src.Addr().String(), typ, code, rest, nil)
	p.tos, p.about = 0xc0, &about
	return p
}

// tunnelled is p inside an outer packet.
func tunnelled(p pkt, src, dst netip.Addr, id uint16) pkt {
	protocol := packet.ProtocolIPv4
	if p.is6() {
		protocol = packet.ProtocolIPv6
	}
	return pkt{
		src: netip.AddrPortFrom(src, 0), dst: netip.AddrPortFrom(dst, 0), protocol: protocol,
		ttl: 64, tos: p.tos, df: p.df || p.is6(), id: id, payload: p.ip(),
	}
}

func (p pkt) with(change func(*pkt)) pkt { change(&p); return p }

func (p pkt) from(a netip.AddrPort) pkt { p.src = a; return p }
func (p pkt) to(a netip.AddrPort) pkt   { p.dst = a; return p }
func (p pkt) carrying(s string) pkt     { p.payload = []byte(s); return p }
func (p pkt) hop() pkt                  { p.ttl--; p.padding = 0; return p }
func (p pkt) ttlOf(v uint8) pkt         { p.ttl = v; return p }

// reply is an answer to p from its receiver.
func (p pkt) reply(flags, payload string) pkt {
	r := tcp(p.dst.String(), p.src.String(), flags)
	r.protocol, r.payload = p.protocol, []byte(payload)
	if p.protocol == packet.ProtocolUDP {
		r.flags, r.seq, r.ack, r.noChecksum = 0, 0, 0, p.noChecksum
	}
	return r
}

// ip returns the packet from its IP header on, without padding.
func (p pkt) ip() []byte {
	if p.is6() {
		return p.ip6()
	}
	if p.about != nil {
		quoted := p.about.ip()
		p.payload = quoted[:min(len(quoted), cmp.Or(p.most, 548))]
	}
	ip := &layers.IPv4{
		Version: 4, TTL: p.ttl, TOS: p.tos, Id: p.id, FragOffset: p.offset, Options: p.options,
		Protocol: layers.IPProtocol(p.protocol), SrcIP: p.src.Addr().AsSlice(),
		DstIP: p.dst.Addr().AsSlice(),
	}
	if p.df {
		ip.Flags |= layers.IPv4DontFragment
	}
	if p.mf {
		ip.Flags |= layers.IPv4MoreFragments
	}
	all := []gopacket.SerializableLayer{ip}
	if l := p.transport(ip); l != nil {
		all = append(all, l)
	}
	b := serialize(append(all, gopacket.Payload(p.payload))...)
	if p.protocol == packet.ProtocolUDP {
		fixUDPChecksum(b[4*int(b[0]&0xf):], p.noChecksum)
	}
	return b
}

func (p pkt) transport(ip gopacket.NetworkLayer) gopacket.SerializableLayer {
	switch p.protocol {
	case packet.ProtocolTCP:
		l := &layers.TCP{
			SrcPort: layers.TCPPort(p.src.Port()), DstPort: layers.TCPPort(p.dst.Port()),
			Seq: p.seq, Ack: p.ack, Window: windowOf(p.flags),
			SYN: p.flags&packet.TCPSyn != 0, ACK: p.flags&packet.TCPAck != 0,
			FIN: p.flags&packet.TCPFin != 0,
			RST: p.flags&packet.TCPRst != 0, PSH: p.flags&packet.TCPPsh != 0,
		}
		if p.mss != 0 {
			l.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4,
				OptionData: []byte{byte(p.mss >> 8), byte(p.mss)}}}
		}
		l.SetNetworkLayerForChecksum(ip)
		return l
	case packet.ProtocolUDP:
		l := &layers.UDP{SrcPort: layers.UDPPort(p.src.Port()),
			DstPort: layers.UDPPort(p.dst.Port())}
		l.SetNetworkLayerForChecksum(ip)
		return l
	case packet.ProtocolICMP:
		return &layers.ICMPv4{TypeCode: p.icmp, Id: uint16(p.rest >> 16), Seq: uint16(p.rest)}
	}
	return nil
}

// windowOf returns the window of a segment: a reset has none.
func windowOf(f packet.TCPFlags) uint16 {
	if f&packet.TCPRst != 0 {
		return 0
	}
	return 500
}

// fixUDPChecksum applies RFC 768's rule about zero, which gopacket does not know.
func fixUDPChecksum(u []byte, none bool) {
	switch {
	case none:
		binary.BigEndian.PutUint16(u[6:], 0)
	case binary.BigEndian.Uint16(u[6:]) == 0:
		binary.BigEndian.PutUint16(u[6:], 0xffff)
	}
}

func serialize(all ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, options, all...); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// frame returns the packet on Ethernet.
func (p pkt) frame(src, dst packet.MAC) []byte {
	f := ethernet(src, dst, p.etherType(), p.ip())
	for i := range p.padding {
		f = append(f, byte(0xe0+i))
	}
	return f
}

func ethernet(src, dst packet.MAC, t layers.EthernetType, payload []byte) []byte {
	header := make([]byte, 0, packet.EthernetLen+len(payload))
	header = append(append(header, dst[:]...), src[:]...)
	header = binary.BigEndian.AppendUint16(header, uint16(t))
	return append(header, payload...)
}

// arpPacket is an ARP packet, made by gopacket, in a frame of the least length.
func arpPacket(op uint16, from host, to netip.Addr, toMAC, dst packet.MAC) []byte {
	f := serialize(
		&layers.Ethernet{SrcMAC: from.mac[:], DstMAC: dst[:], EthernetType: layers.EthernetTypeARP},
		&layers.ARP{
			AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6,
			ProtAddressSize: 4,
			Operation:       op, SourceHwAddress: from.mac[:],
			SourceProtAddress: from.addr.AsSlice(),
			DstHwAddress:      toMAC[:], DstProtAddress: to.AsSlice(),
		})
	return append(f, make([]byte, max(0, packet.MinFrameLen-len(f)))...)
}

// whoHas is a broadcast request.
func whoHas(a netip.Addr, asks host) []byte {
	return arpPacket(layers.ARPRequest, asks, a, packet.MAC{}, packet.Broadcast)
}

// probe is a request to the MAC that a station had.
func probe(of, asks host) []byte {
	return arpPacket(layers.ARPRequest, asks, of.addr, packet.MAC{}, of.mac)
}

// isAt is the answer of a station to another.
func isAt(who, to host) []byte { return arpPacket(layers.ARPReply, who, to.addr, to.mac, to.mac) }

// dump shows a frame as gopacket understands it.
func dump(f []byte) string {
	return gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default).Dump()
}

// judge fails the test unless gopacket reads the frame without complaint and makes the same bytes
// again. Then all lengths and checksums are right.
func judge(t testing.TB, f []byte) {
	t.Helper()
	read := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default)
	if fault := read.ErrorLayer(); fault != nil {
		t.Fatalf("gopacket cannot read what was sent: %v\n%s", fault.Error(), read.Dump())
	}
	for _, l := range read.Layers() {
		switch ip := l.(type) {
		case *layers.IPv4:
			judgeIPv4(t, ip)
		case *layers.IPv6:
			judgeIPv6(t, ip)
		}
	}
}

func judgeIPv4(t testing.TB, ip *layers.IPv4) {
	t.Helper()
	header, sum := append([]byte(nil), ip.Contents...), ip.Checksum
	header[10], header[11] = 0, 0
	if want := plainChecksum(header, 0); sum != want {
		t.Fatalf("IP checksum %#04x, want %#04x: %v", sum, want, ip)
	}
	if ip.FragOffset != 0 || ip.Flags&layers.IPv4MoreFragments != 0 {
		return
	}
	pseudo := append(append([]byte(nil), ip.SrcIP.To4()...), ip.DstIP.To4()...)
	pseudo = append(pseudo, 0, byte(ip.Protocol), byte(len(ip.Payload)>>8), byte(len(ip.Payload)))
	switch {
	case ip.Protocol == layers.IPProtocolICMPv4:
		pseudo = nil
	case ip.Protocol == layers.IPProtocolUDP && ip.Payload[6] == 0 && ip.Payload[7] == 0:
		return
	case ip.Protocol != layers.IPProtocolTCP && ip.Protocol != layers.IPProtocolUDP:
		return
	}
	if rest := plainChecksum(append(pseudo, ip.Payload...), 0); rest != 0 {
		t.Fatalf("%v checksum is wrong by %#04x: %v", ip.Protocol, rest, ip)
	}
}

// plainChecksum computes RFC 1071's sum in the simplest way, as a second opinion.
func plainChecksum(b []byte, sum uint32) uint16 {
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		if sum += word; sum > 0xffff {
			sum -= 0xffff
		}
	}
	return ^uint16(sum)
}
