package packet_test

import (
	"encoding/binary"
	"testing"

	"fulcrum/packet"
)

// maxFrame is the longest frame that a port can deliver: lengths have 16 bits.
const maxFrame = 65535

func FuzzParse(f *testing.F) {
	for _, seed := range [][]byte{
		nil, tcpFrame(f, "payload"), udpFrame(f, "payload"), icmpFrame(f, "payload"),
		otherIPFrame(f), arpFrame(f),
		rawFrame(packet.EtherTypeIPv4, 0x4f, 0), rawFrame(packet.EtherTypeVLAN, 0, 1, 8, 0),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) > maxFrame {
			return
		}
		checkParsed(t, frame)
		if len(frame) >= packet.EthernetLen+packet.IPv4MinLen {
			fixIP(frame) // otherwise few inputs pass the checksum
			checkParsed(t, frame)
		}
	})
}

// checkParsed reads every field that is valid for the kind.
func checkParsed(t *testing.T, frame []byte) {
	var p, quick packet.Parsed
	packet.Parse(frame, &p)
	h := packet.NewHasher(1, 2)
	at := packet.Station(0)
	if len(frame) >= 8 {
		at = packet.Station(binary.BigEndian.Uint64(frame) &^ 0xffff)
	}
	hash, u := quick.ParseUsual(frame, at, &h)
	if u == packet.Unusual {
		hash, u = quick.ParseUsual6(frame, at, &h)
	}
	if u != packet.Unusual && (quick != p || hash != hashOf(&h, &p, frame)) {
		t.Fatalf("ParseUsual finds %+v, Parse %+v", quick, p)
	}
	switch p.Kind {
	case packet.Invalid:
		if p.Fault == packet.NoFault || p.Fault >= packet.NumFaults {
			t.Fatalf("invalid by fault %d", p.Fault)
		}
		return
	case packet.ARPPacket:
		if a := packet.ARP(frame[p.Network:]); a.Op() != packet.ARPRequest && a.Op() != packet.ARPReply {
			t.Fatalf("ARP operation %d", a.Op())
		}
	case packet.TCP4, packet.UDP4, packet.ICMP4, packet.Other4:
		checkOffsets(t, frame, &p)
	}
	if p.Fault != packet.NoFault {
		t.Fatalf("kind %d with fault %d", p.Kind, p.Fault)
	}
}

func hashOf(h *packet.Hasher, p *packet.Parsed, frame []byte) uint64 {
	if !p.Kind.Is6() {
		return h.Hash4(&p.Key4)
	}
	k := p.Key(frame)
	return h.Hash(&k)
}

func checkOffsets(t *testing.T, frame []byte, p *packet.Parsed) {
	if p.Network != packet.EthernetLen || p.Transport < p.Network+packet.IPv4MinLen ||
		p.End < p.Transport || int(p.End) > len(frame) {
		t.Fatalf("network %d, transport %d, end %d of %d bytes",
			p.Network, p.Transport, p.End, len(frame))
	}
	rest := frame[p.Transport:p.End]
	switch p.Kind {
	case packet.TCP4:
		if n := packet.TCP(rest).HeaderLen(); n < packet.TCPMinLen || n > len(rest) {
			t.Fatalf("TCP header of %d bytes in %d", n, len(rest))
		}
	case packet.UDP4:
		if n := int(packet.UDP(rest).Length()); n < packet.UDPLen || n > len(rest) {
			t.Fatalf("UDP length %d in %d bytes", n, len(rest))
		}
	case packet.ICMP4:
		_ = packet.ICMP(rest[:packet.ICMPLen]).IsError()
	}
}

func TestParseLongestFrame(t *testing.T) {
	frame := append(tcpFrame(t, ""), make([]byte, maxFrame-54)...)
	edited(frame, put16(totalLength, maxFrame-packet.EthernetLen))
	checkParsed(t, frame)
	var p packet.Parsed
	if packet.Parse(frame, &p); p.Kind != packet.TCP4 || p.End != maxFrame {
		t.Errorf("kind %d, fault %d, end %d; want TCP that ends at %d", p.Kind, p.Fault, p.End, maxFrame)
	}
}
