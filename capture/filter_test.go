package capture

import (
	"net"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/packet"
)

// frame returns a packet with the given transport layer. gopacket writes it, which shares no code
// with this project.
func frame(
	t testing.TB, src, dst string, transport gopacket.SerializableLayer, protocol layers.IPProtocol,
) []byte {
	t.Helper()
	ethernet := &layers.Ethernet{
		SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2},
		EthernetType: layers.EthernetTypeIPv4,
	}
	srcIP, dstIP := net.ParseIP(src), net.ParseIP(dst)
	ip4 := &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: srcIP, DstIP: dstIP}
	ip6 := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: srcIP, DstIP: dstIP}
	var network gopacket.NetworkLayer = ip4
	if strings.Contains(src, ":") {
		ethernet.EthernetType = layers.EthernetTypeIPv6
		network = ip6
	}
	if summed, ok := transport.(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		_ = summed.SetNetworkLayerForChecksum(network) // fails only for layers other than IP
	}
	b := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	err := gopacket.SerializeLayers(b, options,
		ethernet, network.(gopacket.SerializableLayer), transport)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func frames(t testing.TB) map[string][]byte {
	arp := &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
		HwAddressSize: 6, ProtAddressSize: 4, Operation: 1,
		SourceHwAddress: make([]byte, 6), SourceProtAddress: []byte{10, 0, 0, 1},
		DstHwAddress: make([]byte, 6), DstProtAddress: []byte{10, 0, 0, 2},
	}
	b := gopacket.NewSerializeBuffer()
	ethernet := &layers.Ethernet{
		SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeARP,
	}
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{}, ethernet, arp); err != nil {
		t.Fatal(err)
	}
	tcp := &layers.TCP{SrcPort: 4000, DstPort: 80, SYN: true, DataOffset: 5}
	udp := &layers.UDP{SrcPort: 4000, DstPort: 53}
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0)}
	return map[string][]byte{
		"web":  frame(t, "192.168.5.9", "10.0.0.100", tcp, layers.IPProtocolTCP),
		"dns":  frame(t, "192.168.5.9", "10.0.0.100", udp, layers.IPProtocolUDP),
		"web6": frame(t, "fd00::9", "fd00::100", tcp, layers.IPProtocolTCP),
		"ping": frame(t, "10.0.0.1", "10.1.0.1", icmp, layers.IPProtocolICMPv4),
		"arp":  b.Bytes(),
	}
}

func TestFilters(t *testing.T) {
	all := frames(t)
	for _, tt := range []struct{ filter, want string }{
		{"", "arp dns ping web web6"},
		{"tcp", "web web6"},
		{"ip", "dns ping web"},
		{"ip6", "web6"},
		{"arp", "arp"},
		{"udp or icmp", "dns ping"},
		{"host 10.0.0.100", "dns web"},
		{"src host 10.0.0.100", ""},
		{"dst host fd00::100", "web6"},
		{"net 10.0.0.0/8", "dns ping web"},
		{"src net 10.0.0.0/24", "ping"},
		{"net 0.0.0.0/0", "dns ping web"},
		{"net ::/0", "dns ping web web6"},
		{"port 80", "web web6"},
		{"src port 80", ""},
		{"port 50-79", "dns"},
		{"not tcp", "arp dns ping"},
		{"not (tcp or udp) and not arp", "ping"},
		{"tcp or udp and port 53", "dns web web6"},
		{"(tcp or udp) and port 53", "dns"},
		{"not not tcp", "web web6"},
	} {
		f, err := ParseFilter(tt.filter)
		if err != nil {
			t.Error(err)
			continue
		}
		var got []string
		for _, name := range []string{"arp", "dns", "ping", "web", "web6"} {
			if f.Match(all[name], new(packet.Parsed)) {
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q matches %q, want %q", tt.filter, got, tt.want)
		}
	}
}

func TestBadFilters(t *testing.T) {
	for _, tt := range []struct{ filter, want string }{
		{"tpc", `word 1 is "tpc"; write not, (`},
		{"tcp and", "unexpected end; continue with not, ("},
		{"host", "unexpected end; continue with an address"},
		{"host 10.0.0", `word 2 is "10.0.0"; write an address`},
		{"net 10.0.0.1/8", `word 2 is "10.0.0.1/8"; write a subnet`},
		{"port 80-", `word 2 is "80-"; write a port`},
		{"port 90-80", "write a port"},
		{"(tcp", "continue with )"},
		{"tcp udp", `word 2 is "udp"; write "and" or "or", or end the filter`},
		{"tcp )", `word 2 is ")"`},
		{strings.Repeat("not ", 200) + "tcp", "201 words"},
	} {
		if _, err := ParseFilter(tt.filter); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.filter, err, tt.want)
		}
	}
}

// TestMatchAllocatesNothing checks what workers call.
func TestMatchAllocatesNothing(t *testing.T) {
	f, err := ParseFilter("tcp and (host 10.0.0.1 or dst net 10.0.0.0/16) and not port 81")
	if err != nil {
		t.Fatal(err)
	}
	web, p, ring := frames(t)["web"], new(packet.Parsed), NewRing(4, 64)
	if n := testing.AllocsPerRun(100, func() {
		if f.Match(web, p) {
			ring.Put(Record{Data: web})
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkMatch measures the cost of a packet that does not match.
func BenchmarkMatch(b *testing.B) {
	f, err := ParseFilter("tcp and host 10.9.9.9 and not port 22")
	if err != nil {
		b.Fatal(err)
	}
	web, p := frames(b)["web"], new(packet.Parsed)
	for b.Loop() {
		f.Match(web, p)
	}
}

// FuzzFilter checks that no text and no frame makes a filter panic.
func FuzzFilter(f *testing.F) {
	for _, data := range frames(f) {
		f.Add("not (tcp or src net 10.0.0.0/8) and port 1-2", data)
	}
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		filter, err := ParseFilter(text)
		if err != nil {
			return
		}
		filter.Match(data, new(packet.Parsed))
	})
}
