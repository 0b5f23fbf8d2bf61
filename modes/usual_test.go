package modes_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

// TestTranslateUsual: it does to every usual frame what Translate does, checksums that are wrong,
// missing or all ones included.
func TestTranslateUsual(t *testing.T) {
	hasher := packet.NewHasher(1, 2)
	rapid.Check(t, func(t *rapid.T) {
		frame := append(bytes.Repeat([]byte{2}, 12), 8, 0)
		segment := drawAnySegment(t)
		segment.ip.Options = nil
		frame = append(frame, segment.bytes(t)...)
		frame = append(frame, make([]byte, max(0, packet.UsualLen-len(frame)))...)
		at := packet.EthernetLen + packet.IPv4MinLen
		sum := rapid.SampledFrom([]int{-1, 0, 0xffff, 0x1234}).Draw(t, "checksum")
		var p packet.Parsed
		if _, u := p.ParseUsual(frame, station, &hasher); u == packet.Unusual {
			t.Fatalf("not usual: %x", frame)
		}
		if place := at + map[uint8]int{packet.ProtocolTCP: 16, packet.ProtocolUDP: 6}[p.Protocol]; sum >= 0 {
			frame[place], frame[place+1] = byte(sum>>8), byte(sum)
		}
		s := conntrack.Session{Protocol: p.Protocol}
		s.In, s.Out = drawFlow4(t, "in"), drawFlow4(t, "out")
		if rapid.Bool().Draw(t, "the same") { // as in a mode that changes one address alone
			s.Out = conntrack.Flow4{Src: p.Dst, Dst: p.Src, SrcPort: p.DstPort, DstPort: p.SrcPort}
		}
		d := rapid.SampledFrom([]conntrack.Direction{conntrack.Inbound, conntrack.Outbound}).Draw(t, "direction")
		want := bytes.Clone(frame)
		modes.Translate(packet.IPv4(want[packet.EthernetLen:p.End]), packet.IPv4MinLen, &s, d)
		modes.TranslateUsual((*[packet.UsualLen]byte)(frame), &s, d)
		if !bytes.Equal(frame, want) {
			t.Fatalf("got %x\nwant %x", frame, want)
		}
	})
}

// station is that to which all frames go.
var station = packet.NewStation(packet.MAC{2, 2, 2, 2, 2, 2})

func drawFlow4(t *rapid.T, label string) conntrack.Flow4 {
	return conntrack.Flow4{
		Src: cornered32().Draw(t, label+" src"), Dst: cornered32().Draw(t, label+" dst"),
		SrcPort: cornered16().Draw(t, label+" port"), DstPort: cornered16().Draw(t, label+" port"),
	}
}

// TestTranslateUsual6 is TestTranslateUsual for IPv6.
func TestTranslateUsual6(t *testing.T) {
	hasher := packet.NewHasher(1, 2)
	rapid.Check(t, func(t *rapid.T) {
		protocol := rapid.SampledFrom(transports[:2]).Draw(t, "protocol")
		payload := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "payload")
		frame := append(bytes.Repeat([]byte{2}, 12), 0x86, 0xdd)
		from := drawFlow6(t, "packet")
		from.Src.Hi, from.Dst.Hi = from.Src.Hi>>3|1<<61, from.Dst.Hi>>3|1<<61 // in 2000::/3
		frame = append(frame, sixPacket(t, from, protocol, payload)...)
		at := packet.EthernetLen + packet.IPv6Len
		at += map[uint8]int{packet.ProtocolTCP: 16, packet.ProtocolUDP: 6}[protocol]
		if sum := rapid.SampledFrom([]int{-1, 0, 0xffff, 0x1234}).Draw(t, "checksum"); sum >= 0 {
			frame[at], frame[at+1] = byte(sum>>8), byte(sum)
		}
		var p packet.Parsed
		if _, u := p.ParseUsual6(frame, station, &hasher); u == packet.Unusual {
			t.Fatalf("not usual: %x", frame)
		}
		to := drawFlow6(t, "to")
		s := conntrack.Session{Protocol: protocol}
		var a conntrack.Addresses6
		d := rapid.SampledFrom([]conntrack.Direction{conntrack.Inbound, conntrack.Outbound}).Draw(t, "direction")
		ports, addresses := &s.Out, &a.Out
		if d == conntrack.Outbound {
			ports, addresses = &s.In, &a.In
		}
		ports.SrcPort, ports.DstPort = to.DstPort, to.SrcPort
		addresses.Src, addresses.Dst = to.Dst, to.Src
		want := bytes.Clone(frame)
		modes.Translate6(packet.IPv6(want[packet.EthernetLen:]), packet.IPv6Len, protocol, &to)
		modes.TranslateUsual6(frame, &s, &a, d)
		if !bytes.Equal(frame, want) {
			t.Fatalf("got %x\nwant %x", frame, want)
		}
	})
}
