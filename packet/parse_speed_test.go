package packet_test

import (
	"fmt"
	"strings"
	"testing"

	"fulcrum/packet"
)

// typicalFrames returns a frame of every kind, and faulty frames.
func typicalFrames(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"tcp":       tcpFrame(t, "payload"),
		"tcp-1460":  tcpFrame(t, strings.Repeat("x", 1460)),
		"udp":       udpFrame(t, "payload"),
		"icmp":      icmpFrame(t, "payload"),
		"other-ip":  otherIPFrame(t),
		"arp":       arpFrame(t),
		"ipv6":      rawFrame(packet.EtherTypeIPv6),
		"tagged":    rawFrame(packet.EtherTypeVLAN),
		"other":     rawFrame(0x88cc),
		"truncated": tcpFrame(t, "")[:40],
		"checksum":  put8(ipChecksum, 0xee)(tcpFrame(t, "")),
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	for name, frame := range typicalFrames(t) {
		var p packet.Parsed
		if n := testing.AllocsPerRun(100, func() { packet.Parse(frame, &p) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestChecksumsAllocateNothing(t *testing.T) {
	ip := packet.IPv4(tcpFrame(t, "")[packet.EthernetLen:])
	if n := testing.AllocsPerRun(100, func() {
		ip.SetTTL(64)
		ip.DecrementTTL()
		ip.SetChecksum(packet.Checksum(ip))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	for name, frame := range typicalFrames(b) {
		b.Run(name, func(b *testing.B) {
			var p packet.Parsed
			for b.Loop() {
				packet.Parse(frame, &p)
			}
		})
	}
}

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{20, 64, 1500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			data := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				packet.Checksum(data)
			}
		})
	}
}
