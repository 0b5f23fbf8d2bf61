package modes_test

import (
	"fmt"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

// nat replaces the VIP in a client's packet by the real server, and back in the answer.
func ExampleTranslate() {
	const client, vip, server = 0xc0000201, 0x0a000064, 0x0a01000b
	session := &conntrack.Session{
		In:       conntrack.Flow4{Src: client, Dst: vip, SrcPort: 40000, DstPort: 80},
		Out:      conntrack.Flow4{Src: server, Dst: client, SrcPort: 8080, DstPort: 40000},
		Protocol: packet.ProtocolUDP,
	}
	ip := datagram(client, vip, 40000, 80)
	show(ip)
	modes.Translate(ip, packet.IPv4MinLen, session, conntrack.Inbound)
	show(ip)

	ip = datagram(server, client, 8080, 40000)
	show(ip)
	modes.Translate(ip, packet.IPv4MinLen, session, conntrack.Outbound)
	show(ip)
	// Output:
	// 192.0.2.1:40000 -> 10.0.0.100:80 TTL 64 true
	// 192.0.2.1:40000 -> 10.1.0.11:8080 TTL 63 true
	// 10.1.0.11:8080 -> 192.0.2.1:40000 TTL 64 true
	// 10.0.0.100:80 -> 192.0.2.1:40000 TTL 63 true
}

// datagram returns an IPv4 packet with an empty UDP datagram without a checksum.
func datagram(src, dst uint32, srcPort, dstPort uint16) packet.IPv4 {
	ip := packet.IPv4(make([]byte, packet.IPv4MinLen+packet.UDPLen))
	ip.Encode(packet.IPv4Fields{
		TotalLength: uint16(len(ip)), TTL: 64, Protocol: packet.ProtocolUDP, Src: src, Dst: dst,
	})
	u := packet.UDP(ip[packet.IPv4MinLen:])
	u.SetSrcPort(srcPort)
	u.SetDstPort(dstPort)
	return ip
}

// show prints the flow and the TTL of a packet, and whether its header checksum is right.
func show(ip packet.IPv4) {
	u := packet.UDP(ip[packet.IPv4MinLen:])
	fmt.Printf("%v:%d -> %v:%d TTL %d %v\n", packet.AddrOf4(ip.Src()), u.SrcPort(),
		packet.AddrOf4(ip.Dst()), u.DstPort(), ip.TTL(), ip.HeaderValid())
}
