package main

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/lab"
	"fulcrum/lvs"
)

// The addresses of every lab that frames are made for.
var (
	routerMAC = net.HardwareAddr{2, 0, 10, 0, 0, 254}
	router    = netip.MustParseAddr("10.0.0.254")
	stranger  = netip.MustParseAddr("10.9.0.200") // no host has it
	elsewhere = netip.MustParseAddr("10.77.0.1")  // not the director's
)

// repeats is how often each bad frame is sent.
const repeats = 3

// TestMalformed sends frames that no host would send while real traffic flows. Each is counted
// under its own reason, and none disturbs the traffic.
func TestMalformed(t *testing.T) {
	for _, c := range []lab.Config{{Mode: lvs.NAT, Arms: 2}, {Mode: lvs.IPIP, Arms: 1}} {
		t.Run(c.Mode.String(), func(t *testing.T) {
			t.Parallel()
			b := newBed(t, c)
			wire, err := b.PortWire("front")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { wire.Close() })
			want := map[string]uint64{}
			stop := b.background()
			for _, bad := range b.malformed() {
				for range repeats {
					if err := wire.Send(bad.frame); err != nil {
						t.Fatalf("%s: %v", bad.reason, err)
					}
				}
				want[bad.reason] += repeats
			}
			b.fence(wire)
			stop()
			same(t, "answers", spread(b.get(30)), [3]int{10, 10, 10})
			same(t, "drops", b.stopDirector().Drops, want)
		})
	}
}

// fence returns once the director has received every frame that was sent before: it answers a ping
// that was sent last.
func (b *bed) fence(wire *lab.Wire) {
	b.t.Helper()
	if err := wire.Send(b.frame(ipv4(router, b.PortAddress("front"), layers.IPProtocolICMPv4), echoRequest())); err != nil {
		b.t.Fatal(err)
	}
	_, err := wire.Await(patience, func(frame []byte) bool {
		p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
		reply, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
		return ok && reply.TypeCode.Type() == layers.ICMPv4TypeEchoReply
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// badFrame is a frame and the expected reason of its drop.
type badFrame struct {
	reason string
	frame  []byte
}

// malformed returns a frame for each reason. Fragments are missing: for the af_packet driver the
// kernel reassembles packets (PACKET_FANOUT_FLAG_DEFRAG) and keeps a lone fragment.
func (b *bed) malformed() []badFrame {
	good := b.segment(b.VIP(), 80, &layers.TCP{SYN: true})
	patch := func(at int, values ...byte) []byte {
		f := bytes.Clone(good)
		copy(f[at:], values)
		return f
	}
	datagram := b.frame(ipv4(stranger, b.VIP(), layers.IPProtocolUDP),
		&layers.UDP{SrcPort: 9, DstPort: 7})
	binary.BigEndian.PutUint16(datagram[14+20+4:], 7) // a length below the header's
	const network, transport = 14, 14 + 20
	return []badFrame{
		{"truncated", good[:network+10]},
		{"truncated", b.frame(ipv4(stranger, b.VIP(), layers.IPProtocolTCP), gopacket.Payload("too short"))},
		{"bad_arp", b.frame(&layers.ARP{AddrType: 6, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6,
			ProtAddressSize: 4, Operation: 1,
			SourceHwAddress: routerMAC, SourceProtAddress: router.AsSlice(), DstHwAddress: make([]byte, 6), DstProtAddress: b.VIP().AsSlice()})},
		{"bad_ip_version", patch(network, 0x65)},
		{"bad_ip_header_length", patch(network, 0x44)},
		{"bad_ip_length", patch(network+2, 0x05, 0xdc)},
		{"bad_ip_checksum", patch(network+10, good[network+10]^0xff)},
		{"bad_tcp_data_offset", patch(transport+12, 0x40)},
		{"bad_udp_length", datagram},
		{"vlan", tagged(good)},
		{"bad_ip_version", patch(12, 0x86, 0xdd)},
		{"not_ip", patch(12, 0x88, 0xcc)},
		{"not_our_mac", patch(0, 2, 0, 0, 0, 0, 0x77)},
		{"no_session", b.segment(b.VIP(), 80, &layers.TCP{ACK: true})},
		{"no_session", b.segment(b.VIP(), 80, &layers.TCP{RST: true})},
		{"no_service", b.segment(b.VIP(), 81, &layers.TCP{SYN: true})},
		{"no_service", b.frame(ipv4(stranger, b.VIP(), layers.IPProtocolGRE), gopacket.Payload("tunnel"))},
		{"to_host", b.segment(b.PortAddress("front"), 22, &layers.TCP{SYN: true})},
		{"not_ours", b.segment(elsewhere, 80, &layers.TCP{SYN: true})},
	}
}

// segment returns a frame with a TCP segment from a stranger.
func (b *bed) segment(to netip.Addr, port layers.TCPPort, tcp *layers.TCP) []byte {
	tcp.SrcPort, tcp.DstPort, tcp.Window = 4321, port, 500
	return b.frame(ipv4(stranger, to, layers.IPProtocolTCP), tcp)
}

// frame returns a frame as the router sends it to the director's front port.
func (b *bed) frame(all ...gopacket.SerializableLayer) []byte {
	b.t.Helper()
	ethernet := &layers.Ethernet{
		SrcMAC: routerMAC, DstMAC: b.PortMAC("front"), EthernetType: layers.EthernetTypeIPv4,
	}
	if ip, ok := all[0].(*layers.IPv4); ok {
		checksumOver(ip, all[1])
	} else {
		ethernet.EthernetType = layers.EthernetTypeARP
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, append([]gopacket.SerializableLayer{ethernet}, all...)...); err != nil {
		b.t.Fatal(err)
	}
	return buffer.Bytes()
}

// checksumOver sets the addresses that the transport checksum covers.
func checksumOver(ip *layers.IPv4, transport gopacket.SerializableLayer) {
	if l, ok := transport.(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		_ = l.SetNetworkLayerForChecksum(ip) // cannot fail for IPv4
	}
}

func ipv4(from, to netip.Addr, protocol layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{
		Version: 4, TTL: 64, Protocol: protocol, SrcIP: from.AsSlice(), DstIP: to.AsSlice(),
	}
}

func echoRequest() *layers.ICMPv4 {
	return &layers.ICMPv4{
		TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: 7, Seq: 1,
	}
}

// tagged adds a tag of VLAN 5 to a frame.
func tagged(frame []byte) []byte {
	f := append(bytes.Clone(frame[:12]), 0x81, 0, 0, 5)
	return append(f, frame[12:]...)
}
