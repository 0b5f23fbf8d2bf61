package packet_test

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"fulcrum/packet"
)

// synFrame is a TCP SYN from 192.168.5.9:40000 to 10.0.0.100:80.
const synFrame = `
	020000000002 020000000001 0800
	4500 0028 0000 4000 4006 6abb c0a80509 0a000064
	9c40 0050 00000001 00000000 5002 ffff 433c 0000`

// bytesOf decodes hexadecimal digits and ignores the space between them.
func bytesOf(digits string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// A Parsed is used for many packets. The fields that are valid depend on its Kind.
func ExampleParse() {
	var p packet.Parsed
	for _, frame := range [][]byte{bytesOf(synFrame), bytesOf(synFrame)[:40]} {
		packet.Parse(frame, &p)
		switch p.Kind {
		case packet.TCP4, packet.TCP6:
			k := p.Key(frame)
			fmt.Printf("%v port %d to %v port %d, ", k.Src, k.SrcPort, k.Dst, k.DstPort)
			fmt.Printf("SYN %t, TTL %d\n", p.TCPFlags&packet.TCPSyn != 0, p.TTL)
		case packet.Invalid:
			fmt.Println("truncated:", p.Fault == packet.FaultIPTotalLength)
		}
	}
	// Output:
	// 192.168.5.9 port 40000 to 10.0.0.100 port 80, SYN true, TTL 64
	// truncated: true
}

// A view names the bytes of a header. Setters change the packet in place.
func ExampleIPv4_DecrementTTL() {
	ip := packet.IPv4(bytesOf(synFrame)[packet.EthernetLen:])
	ip.DecrementTTL()
	fmt.Printf("TTL %d, checksum %#04x, valid %t\n", ip.TTL(), ip.Checksum(), ip.HeaderValid())
	// Output: TTL 63, checksum 0x6bbb, valid true
}

// A director in NAT mode rewrites the destination. It updates both checksums from the change
// alone, without reading the payload (RFC 1624).
func ExampleDelta() {
	frame := bytesOf(synFrame)
	ip := packet.IPv4(frame[packet.EthernetLen:])
	tcp := packet.TCP(ip[ip.HeaderLen():])

	realServer := packet.Addr4(netip.MustParseAddr("10.1.0.11"))
	address := packet.Delta(0).Change32(ip.Dst(), realServer)
	port := address.Change16(tcp.DstPort(), 8080)

	ip.SetDst(realServer)
	ip.SetChecksum(address.Apply(ip.Checksum()))
	tcp.SetDstPort(8080)
	tcp.SetChecksum(port.Apply(tcp.Checksum()))

	pseudo := packet.PseudoHeader4(ip.Src(), ip.Dst(), packet.ProtocolTCP, len(tcp))
	fmt.Println("IPv4 header valid:", ip.HeaderValid())
	fmt.Println("TCP segment valid:", packet.Fold(packet.Sum(tcp, pseudo)) == 0xffff)
	// Output:
	// IPv4 header valid: true
	// TCP segment valid: true
}

// An ICMP error quotes the packet that caused it. Its flow, reversed, is that of the session.
func ExampleQuoted4() {
	quoted := bytesOf(synFrame)[packet.EthernetLen:][:packet.IPv4MinLen+8]
	message := packet.ICMP(append(make([]byte, packet.ICMPLen), quoted...))
	const mtu = 1400
	message.Encode(packet.ICMPUnreachable, packet.ICMPCodeFragmentationNeeded, mtu)

	if !message.IsError() {
		return
	}
	q, ok := packet.Quoted4(message[packet.ICMPLen:])
	back := q.Key.Reverse()
	fmt.Println(ok, q.Key.Src, q.Key.SrcPort, "->", q.Key.Dst, q.Key.DstPort)
	fmt.Println("answers:", back.Src, back.SrcPort, "->", back.Dst, back.DstPort)
	// Output:
	// true 192.168.5.9 40000 -> 10.0.0.100 80
	// answers: 10.0.0.100 80 -> 192.168.5.9 40000
}

// An Addr holds an address of either family. An IPv4 address is mapped: its prefix is 96 bits
// longer.
func ExampleAddr() {
	for _, text := range []string{"10.1.2.3/16", "fd00::10:1/64"} {
		prefix := netip.MustParsePrefix(text)
		bits := prefix.Bits()
		a := packet.AddrOf(prefix.Addr())
		if a.Is4() {
			bits += 96
		}
		fmt.Println(a, a.Is4(), a.And(packet.PrefixMask(bits)), a.IsUnicast())
	}
	// Output:
	// 10.1.2.3 true 10.1.0.0 true
	// fd00::10:1 false fd00:: true
}

// A neighbour solicitation goes to the solicited-node group of its target.
func ExampleND_Encode() {
	target := packet.AddrOf(netip.MustParseAddr("fd00::1:64"))
	group := packet.SolicitedNode(target)
	ask := packet.ND{
		Type: packet.ICMP6Solicitation, Target: target, Dst: group,
		Src:       packet.AddrOf(netip.MustParseAddr("fd00::9")),
		LinkLayer: packet.MAC{2, 0, 0, 0, 0, 9},
	}
	frame := make([]byte, packet.EthernetLen+packet.NDLen)
	header := packet.Ethernet(frame)
	header.SetHeader(packet.MulticastMAC(group), ask.LinkLayer, packet.EtherTypeIPv6)
	ask.Encode(frame[packet.EthernetLen:])

	var p packet.Parsed
	packet.Parse(frame, &p)
	read, ok := packet.ParseND(frame[p.Network:], int(p.Transport-p.Network))
	fmt.Println(header.Dst(), read.Dst, read.Target, ok)
	// Output: 33:33:ff:01:00:64 ff02::1:ff01:64 fd00::1:64 true
}
