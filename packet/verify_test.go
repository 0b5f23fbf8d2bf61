package packet_test

import (
	"testing"

	"fulcrum/packet"
)

// TestTransportValid changes each bit behind the IP header: no damage of one bit is overlooked.
func TestTransportValid(t *testing.T) {
	for name, frame := range map[string][]byte{
		"tcp": tcpFrame(t, "odd"), "tcp, even": tcpFrame(t, "even"), "udp": udpFrame(t, "payload"),
	} {
		if !transportValid(frame) {
			t.Fatalf("%s: the sender's checksum is said to be wrong", name)
		}
		for at := packet.EthernetLen + packet.IPv4MinLen; at < len(frame); at++ {
			for bit := range 8 {
				frame[at] ^= 1 << bit
				if transportValid(frame) {
					t.Fatalf("%s: damage of byte %d, bit %d, is overlooked", name, at, bit)
				}
				frame[at] ^= 1 << bit
			}
		}
	}
}

func transportValid(frame []byte) bool {
	var p packet.Parsed
	packet.Parse(frame, &p)
	return p.Kind.HasSession() && p.TransportValid(frame)
}

// TestSegmentLen: RFC 9293, 3.3.1: data, SYN and FIN take sequence numbers; ACK, PSH and options do
// not.
func TestSegmentLen(t *testing.T) {
	for _, c := range []struct {
		flags packet.TCPFlags
		bytes int // behind the header
		want  uint32
	}{
		{packet.TCPAck, 0, 0}, {packet.TCPAck | packet.TCPPsh, 9, 9}, {packet.TCPSyn, 0, 1},
		{packet.TCPSyn, 9, 10}, {packet.TCPFin, 0, 1}, {packet.TCPSyn | packet.TCPFin, 9, 11}, {0, 1, 1},
	} {
		for _, options := range []int{0, 4, 40} {
			segment := make(packet.TCP, packet.TCPMinLen+options+c.bytes)
			segment[12], segment[13] = byte(packet.TCPMinLen+options)/4<<4, byte(c.flags)
			if got := segment.SegmentLen(); got != c.want {
				t.Errorf("flags %08b, %d bytes, options of %d: %d, want %d",
					c.flags, c.bytes, options, got, c.want)
			}
		}
	}
}

// FuzzAnswering reads what an answer needs of any packet: it stays within the frame.
func FuzzAnswering(f *testing.F) {
	f.Add(tcpFrame(f, "payload"))
	f.Add(udpFrame(f, "payload"))
	f.Add(otherIPFrame(f))
	options := []byte{packet.ProtocolUDP, 0, 1, 4, 0, 0, 0, 0}
	f.Add(sixFrame(packet.NextDestination, udpIn(options...)...))
	f.Add(sixFrame(packet.NextFragment, udpIn(packet.ProtocolUDP, 0, 0, 0, 0, 0, 0, 7)...))
	f.Fuzz(func(t *testing.T, frame []byte) {
		var p packet.Parsed
		if packet.Parse(frame, &p); len(frame) > maxFrame || p.Kind == packet.Invalid {
			return
		}
		if p.Kind.HasSession() {
			p.TransportValid(frame)
		}
		if p.Kind.HasSession() && p.Protocol == packet.ProtocolTCP {
			packet.TCP(frame[p.Transport:p.End]).ResetFields()
		}
		if p.Kind.Is6() && p.Kind != packet.Fragment6 {
			at := p.UpperLayerPointer(frame)
			if named := frame[int(p.Network)+at]; named != p.Protocol {
				t.Fatalf("pointer %d names protocol %d, not %d: %x", at, named, p.Protocol, frame)
			}
		}
	})
}
