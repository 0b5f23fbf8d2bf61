package packet_test

import (
	"encoding/binary"
	"testing"

	"fulcrum/packet"
)

// edited returns frame after edit has changed it, with the IPv4 header checksum corrected.
func edited(frame []byte, edit func(f []byte) []byte) []byte {
	f := edit(frame)
	if packet.Ethernet(f).Type() == packet.EtherTypeIPv4 &&
		len(f) >= packet.EthernetLen+packet.IPv4MinLen {
		fixIP(f)
	}
	return f
}

// Offsets of fields in a frame with an IPv4 header without options.
const (
	versionIHL  = 14
	totalLength = 16
	fragment    = 20
	ipChecksum  = 24
	dataOffset  = 34 + 12
	udpLength   = 34 + 4
)

func put16(at int, v uint16) func([]byte) []byte {
	return func(f []byte) []byte {
		binary.BigEndian.PutUint16(f[at:], v)
		return f
	}
}

func put8(at int, v uint8) func([]byte) []byte {
	return func(f []byte) []byte {
		f[at] = v
		return f
	}
}

func cut(n int) func([]byte) []byte { return func(f []byte) []byte { return f[:n] } }

// shortened truncates the frame and lowers the IP length to match.
func shortened(n int) func([]byte) []byte {
	return func(f []byte) []byte { return put16(totalLength, uint16(n-packet.EthernetLen))(f[:n]) }
}

func TestParseFaults(t *testing.T) {
	tcp := func() []byte { return tcpFrame(t, "payload") } // 14 + 20 + 20 + 7
	udp := func() []byte { return udpFrame(t, "payload") } // 14 + 20 + 8 + 7
	icmp := func() []byte { return icmpFrame(t, "payload") }
	for _, c := range []struct {
		name  string
		frame []byte
		kind  packet.Kind
		fault packet.Fault
	}{
		{"nothing", nil, packet.Invalid, packet.FaultTruncated},
		{"13 bytes", make([]byte, 13), packet.Invalid, packet.FaultTruncated},
		{"an Ethernet header alone", rawFrame(0x88cc), packet.Other, packet.NoFault},
		{"IPv6 alone", rawFrame(packet.EtherTypeIPv6), packet.Invalid, packet.FaultTruncated},
		{"VLAN", rawFrame(packet.EtherTypeVLAN), packet.Tagged, packet.NoFault},
		{"QinQ", rawFrame(packet.EtherTypeQinQ), packet.Tagged, packet.NoFault},

		{"ARP, one byte short", cut(14 + 27)(arpFrame(t)), packet.Invalid, packet.FaultTruncated},
		{"ARP, just long enough", cut(14 + 28)(arpFrame(t)), packet.ARPPacket, packet.NoFault},
		{"ARP for another hardware", put16(14, 6)(arpFrame(t)), packet.Invalid, packet.FaultARP},
		{"ARP for another protocol", put16(16, 0x86dd)(arpFrame(t)), packet.Invalid, packet.FaultARP},
		{"ARP with long hardware addresses", put8(18, 8)(arpFrame(t)), packet.Invalid, packet.FaultARP},
		{"ARP with long protocol addresses", put8(19, 16)(arpFrame(t)), packet.Invalid, packet.FaultARP},
		{"ARP operation 0", put16(20, 0)(arpFrame(t)), packet.Invalid, packet.FaultARP},
		{"ARP reply", put16(20, 2)(arpFrame(t)), packet.ARPPacket, packet.NoFault},
		{"RARP operation", put16(20, 3)(arpFrame(t)), packet.Invalid, packet.FaultARP},

		{"IPv4, no header", rawFrame(packet.EtherTypeIPv4), packet.Invalid, packet.FaultTruncated},
		{"IPv4, one byte short of a header", cut(33)(tcp()), packet.Invalid, packet.FaultTruncated},
		{"IPv4, header alone", edited(otherIPFrame(t), shortened(34)), packet.Other4, packet.NoFault},
		{"version 6", edited(tcp(), put8(versionIHL, 0x65)), packet.Invalid, packet.FaultIPVersion},
		{"version 0", edited(tcp(), put8(versionIHL, 0x05)), packet.Invalid, packet.FaultIPVersion},
		{"IHL 0", edited(tcp(), put8(versionIHL, 0x40)), packet.Invalid, packet.FaultIPHeaderLength},
		{"IHL 4", edited(tcp(), put8(versionIHL, 0x44)), packet.Invalid, packet.FaultIPHeaderLength},
		{"IHL beyond the total length", edited(tcp(), put8(versionIHL, 0x4f)), packet.Invalid, packet.FaultIPHeaderLength},
		{"total length 19", edited(tcp(), put16(totalLength, 19)), packet.Invalid, packet.FaultIPHeaderLength},
		{"total length 0, as TSO leaves it", edited(tcp(), put16(totalLength, 0)), packet.Invalid, packet.FaultIPHeaderLength},
		{"total length one too many", edited(tcp(), put16(totalLength, 48)), packet.Invalid, packet.FaultIPTotalLength},
		{"total length 65535", edited(tcp(), put16(totalLength, 65535)), packet.Invalid, packet.FaultIPTotalLength},
		{"total length just fits", edited(tcp(), put16(totalLength, 47)), packet.TCP4, packet.NoFault},
		{"IP checksum off by one bit", put8(ipChecksum, tcp()[ipChecksum]^1)(tcp()), packet.Invalid, packet.FaultIPChecksum},
		{"first fragment", edited(udp(), put16(fragment, 0x2000)), packet.Fragment4, packet.NoFault},
		{"last fragment", edited(udp(), put16(fragment, 1)), packet.Fragment4, packet.NoFault},
		{"DF is no fragment", edited(udp(), put16(fragment, 0x4000)), packet.UDP4, packet.NoFault},

		{"TCP, one byte short", edited(tcp(), shortened(34+19)), packet.Invalid, packet.FaultTruncated},
		{"TCP, header alone", edited(tcp(), shortened(34+20)), packet.TCP4, packet.NoFault},
		{"TCP header in the padding", edited(tcp(), put16(totalLength, 39)), packet.Invalid, packet.FaultTruncated},
		{"data offset 4", edited(tcp(), put8(dataOffset, 0x40)), packet.Invalid, packet.FaultTCPDataOffset},
		{"data offset one word too far", edited(tcp(), put8(dataOffset, 0x70)), packet.Invalid, packet.FaultTCPDataOffset},
		{"data offset just fits", edited(edited(tcp(), put8(dataOffset, 0x60)), shortened(34+24)), packet.TCP4, packet.NoFault},
		{"data offset in the padding", edited(edited(tcp(), put8(dataOffset, 0x60)), put16(totalLength, 43)), packet.Invalid, packet.FaultTCPDataOffset},

		{"UDP, one byte short", edited(udp(), shortened(34+7)), packet.Invalid, packet.FaultTruncated},
		{"UDP, header alone", edited(edited(udp(), put16(udpLength, 8)), shortened(34+8)), packet.UDP4, packet.NoFault},
		{"UDP length 7", edited(udp(), put16(udpLength, 7)), packet.Invalid, packet.FaultUDPLength},
		{"UDP length 0", edited(udp(), put16(udpLength, 0)), packet.Invalid, packet.FaultUDPLength},
		{"UDP length one too many", edited(udp(), put16(udpLength, 16)), packet.Invalid, packet.FaultUDPLength},
		{"UDP length less than IP's", edited(udp(), put16(udpLength, 14)), packet.UDP4, packet.NoFault},

		{"ICMP, one byte short", edited(icmp(), shortened(34+7)), packet.Invalid, packet.FaultTruncated},
		{"ICMP, header alone", edited(icmp(), shortened(34+8)), packet.ICMP4, packet.NoFault},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Results of an earlier packet must not remain in p.
			p := packet.Parsed{Kind: packet.TCP4, Fault: packet.FaultARP, Transport: 99, End: 999}
			packet.Parse(c.frame, &p)
			if p.Kind != c.kind || p.Fault != c.fault {
				t.Errorf("kind %d, fault %d; want kind %d, fault %d", p.Kind, p.Fault, c.kind, c.fault)
			}
		})
	}
}

// TestParsePrefixes truncates valid frames at every length. Parse must reject each one, even if
// only payload is missing.
func TestParsePrefixes(t *testing.T) {
	for _, frame := range [][]byte{
		tcpFrame(t, "x"), udpFrame(t, "x"), icmpFrame(t, "x"), otherIPFrame(t), arpFrame(t),
	} {
		for n := range frame {
			var p packet.Parsed
			if packet.Parse(frame[:n], &p); p.Kind != packet.Invalid || p.Fault == packet.NoFault {
				t.Errorf("%d of %d bytes: kind %d, fault %d; want a fault", n, len(frame), p.Kind, p.Fault)
			}
		}
	}
}
