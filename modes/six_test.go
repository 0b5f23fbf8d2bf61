package modes_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

func drawAddr(t *rapid.T, label string) packet.Addr {
	return packet.Addr{Hi: 0x20010db8<<32 | uint64(rapid.Uint16().Draw(t, label+"hi")),
		Lo: rapid.Uint64().Draw(t, label+"lo")}
}

func drawFlow6(t *rapid.T, label string) packet.Flow {
	return packet.Flow{Src: drawAddr(t, label+"src"), Dst: drawAddr(t, label+"dst"),
		SrcPort: rapid.Uint16().Draw(t, label+"sport"),
		DstPort: rapid.Uint16().Draw(t, label+"dport")}
}

// sixPacket is an IPv6 packet made by gopacket.
func sixPacket(t fataler, flow packet.Flow, protocol uint8, payload []byte) packet.IPv6 {
	ip := &layers.IPv6{Version: 6, TrafficClass: 0x2e, HopLimit: 64,
		NextHeader: layers.IPProtocol(protocol)}
	ip.SrcIP, ip.DstIP = flow.Src.Netip().AsSlice(), flow.Dst.Netip().AsSlice()
	var transport gopacket.SerializableLayer
	switch protocol {
	case packet.ProtocolTCP:
		l := &layers.TCP{SrcPort: layers.TCPPort(flow.SrcPort),
			DstPort: layers.TCPPort(flow.DstPort), ACK: true, Window: 100}
		_ = l.SetNetworkLayerForChecksum(ip)
		transport = l
	case packet.ProtocolUDP:
		l := &layers.UDP{SrcPort: layers.UDPPort(flow.SrcPort), DstPort: layers.UDPPort(flow.DstPort)}
		_ = l.SetNetworkLayerForChecksum(ip)
		transport = l
	default:
		transport = &layers.SCTP{SrcPort: layers.SCTPPort(flow.SrcPort),
			DstPort: layers.SCTPPort(flow.DstPort), VerificationTag: 5}
	}
	b := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	err := gopacket.SerializeLayers(b, opts, ip, transport, gopacket.Payload(payload))
	if err != nil {
		t.Fatalf("serialize: %v", err)
	}
	p := packet.IPv6(b.Bytes())
	if protocol == packet.ProtocolUDP && packet.UDP(p[packet.IPv6Len:]).Checksum() == 0 {
		packet.UDP(p[packet.IPv6Len:]).SetChecksum(0xffff)
	}
	return p
}

var transports = []uint8{packet.ProtocolTCP, packet.ProtocolUDP, packet.ProtocolSCTP}

// TestTranslate6 compares with the bytes of gopacket, and translates back to the original.
func TestTranslate6(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := drawFlow6(t, "from"), drawFlow6(t, "to")
		protocol := rapid.SampledFrom(transports).Draw(t, "protocol")
		payload := rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "payload")
		got, want := sixPacket(t, from, protocol, payload), sixPacket(t, to, protocol, payload)
		want.SetHopLimit(63)
		modes.Translate6(got, packet.IPv6Len, protocol, &to)
		if !sameSums(got, want, protocol) {
			t.Fatalf("%x\nwant %x", []byte(got), []byte(want))
		}
		modes.Translate6(got, packet.IPv6Len, protocol, &from)
		back := sixPacket(t, from, protocol, payload)
		back.SetHopLimit(62)
		if !sameSums(got, back, protocol) {
			t.Fatalf("back: %x\nwant %x", []byte(got), []byte(back))
		}
	})
}

// sameSums compares packets. A checksum of zero may have either of its two forms.
func sameSums(a, b []byte, protocol uint8) bool {
	at := map[uint8]int{packet.ProtocolTCP: 16, packet.ProtocolUDP: 6}[protocol]
	if at == 0 || bytes.Equal(a, b) {
		return bytes.Equal(a, b)
	}
	at += len(a) - len(a[headerOf(a):])
	x, y := binary.BigEndian.Uint16(a[at:]), binary.BigEndian.Uint16(b[at:])
	a, b = bytes.Clone(a), bytes.Clone(b)
	a[at], a[at+1], b[at], b[at+1] = 0, 0, 0, 0
	return bytes.Equal(a, b) && (x == y || x+y == 0xffff && (x == 0 || y == 0))
}

func headerOf(ip []byte) int {
	if ip[0]>>4 == 6 {
		return packet.IPv6Len
	}
	return packet.IPv4(ip).HeaderLen()
}

// TestAcrossFamilies: from IPv6 to IPv4 and back, with right checksums, and with wrong ones that
// stay wrong.
func TestAcrossFamilies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flow := drawFlow6(t, "flow")
		to := packet.Flow4{Src: rapid.Uint32().Draw(t, "src"), Dst: rapid.Uint32().Draw(t, "dst"),
			SrcPort: rapid.Uint16().Draw(t, "sport"), DstPort: rapid.Uint16().Draw(t, "dport")}
		protocol := rapid.SampledFrom(transports).Draw(t, "protocol")
		payload := rapid.SliceOfN(rapid.Byte(), 0, 1300).Draw(t, "payload")
		whole := sixPacket(t, flow, protocol, payload)
		damaged := rapid.Bool().Draw(t, "damaged")
		if damaged {
			whole[len(whole)-1] ^= 0x5a
		}
		b := append(make([]byte, 40), whole...)
		modes.SixToFour(b[40:], packet.IPv6Len, protocol, &to, 77)
		four := packet.IPv4(b[60:])
		if int(four.TotalLength()) != len(four) || four.TTL() != 63 || four.TOS() != 0x2e ||
			!four.HeaderValid() || four.DontFragment() != (len(four) > 1260) {
			t.Fatalf("%x", []byte(four))
		}
		if right(four) == damaged {
			t.Fatalf("damaged %t: %x", damaged, []byte(four))
		}
		back := packet.Flow{Src: flow.Src, Dst: flow.Dst, SrcPort: flow.SrcPort, DstPort: flow.DstPort}
		modes.FourToSix(b, packet.IPv4MinLen, 80, protocol, &back)
		want := bytes.Clone(whole)
		binary.BigEndian.PutUint32(want, 6<<28|0x2e<<20)
		want[7] = 62
		if !sameSums(b[40:], want, protocol) {
			t.Fatalf("%x\nwant %x", b[40:], want)
		}
	})
}

// right reports whether an IPv4 packet's transport checksum is right.
func right(ip packet.IPv4) bool {
	b := ip[ip.HeaderLen():]
	if ip.Protocol() == packet.ProtocolSCTP {
		sum := binary.LittleEndian.Uint32(b[8:])
		c := bytes.Clone(b)
		clear(c[8:12])
		return crc32.Checksum(c, crc32.MakeTable(crc32.Castagnoli)) == sum
	}
	return packet.Fold(packet.Sum(b,
		packet.PseudoHeader4(ip.Src(), ip.Dst(), ip.Protocol(), len(b)))) == 0xffff
}

// TestUDPWithoutChecksumGetsOne: IPv6 does not allow UDP without a checksum.
func TestUDPWithoutChecksumGetsOne(t *testing.T) {
	s := &segment{ip: layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP},
		payload: []byte("payload"), unsummed: true}
	s.setFlow(conntrack.Flow4{Src: server, Dst: local, SrcPort: 8080, DstPort: 5001})
	four := s.bytes(t)
	b := append(make([]byte, 20), four...)
	to := packet.Flow{Src: packet.Addr{Hi: 1 << 60, Lo: 1}, Dst: packet.Addr{Hi: 1 << 60, Lo: 2},
		SrcPort: 80, DstPort: 40000}
	modes.FourToSix(b, packet.IPv4MinLen, 40, packet.ProtocolUDP, &to)
	u := b[40:]
	pseudo := packet.PseudoHeader6(to.Src, to.Dst, packet.ProtocolUDP, len(u))
	if packet.UDP(u).Checksum() == 0 || packet.Fold(packet.Sum(u, pseudo)) != 0xffff {
		t.Errorf("%x", b)
	}
}

// TestSCTPDamageStays: a wrong CRC stays wrong after the ports change.
func TestSCTPDamageStays(t *testing.T) {
	from := packet.Flow{SrcPort: 1, DstPort: 2, Src: packet.Addr{Hi: 1}, Dst: packet.Addr{Hi: 2}}
	to := packet.Flow{SrcPort: 3, DstPort: 4, Src: packet.Addr{Hi: 3}, Dst: packet.Addr{Hi: 4}}
	p := sixPacket(t, from, packet.ProtocolSCTP, []byte{1, 0, 0, 4})
	p[len(p)-1] ^= 1
	modes.Translate6(p, packet.IPv6Len, packet.ProtocolSCTP, &to)
	good := sixPacket(t, to, packet.ProtocolSCTP, []byte{1, 0, 0, 4})
	if bytes.Equal(p[48:52], crcOf(p[40:])) || !bytes.Equal(p[48:52], good[48:52]) {
		t.Errorf("%x", []byte(p))
	}
}

func crcOf(b []byte) []byte {
	b = bytes.Clone(b)
	clear(b[8:12])
	return binary.LittleEndian.AppendUint32(nil, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// TestPieces: the reassembled pieces are the packet, also after fragmenting twice.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.Byte(), 1, 3000).Draw(t, "payload")
		var whole []byte
		if rapid.Bool().Draw(t, "six") {
			whole = make([]byte, packet.IPv6Len, packet.IPv6Len+len(payload))
			packet.IPv6(whole).Encode(packet.IPv6Fields{
				PayloadLength: uint16(len(payload)), NextHeader: 4, HopLimit: 9,
			})
		} else {
			whole = make([]byte, packet.IPv4MinLen, packet.IPv4MinLen+len(payload))
			packet.IPv4(whole).Encode(packet.IPv4Fields{
				TotalLength: uint16(packet.IPv4MinLen + len(payload)), ID: 5, TTL: 9, Protocol: 4,
			})
		}
		whole = append(whole, payload...)
		mtu := rapid.IntRange(68, 1500).Draw(t, "mtu")
		pieces := divide(t, whole, mtu)
		if whole[0]>>4 == 4 { // a fragment may be fragmented again
			var smaller [][]byte
			for _, p := range pieces {
				smaller = append(smaller, divide(t, p, rapid.IntRange(68, 600).Draw(t, "smaller"))...)
			}
			pieces = smaller
		}
		got := make([]byte, len(payload))
		for i, p := range pieces {
			at, more, data := placeOf(p)
			if more == (i == len(pieces)-1) {
				t.Fatalf("piece %d of %d: more %t", i, len(pieces), more)
			}
			copy(got[at:], data)
		}
		if !bytes.Equal(got, payload) {
			t.Fatal("another packet")
		}
	})
}

func divide(t *rapid.T, whole []byte, mtu int) (all [][]byte) {
	pieces := modes.NewPieces(whole, mtu, 77)
	for n := pieces.Next(); n > 0; n = pieces.Next() {
		b := make([]byte, n)
		pieces.Write(b)
		if n > mtu || b[0]>>4 == 4 &&
			(!packet.IPv4(b).HeaderValid() || int(packet.IPv4(b).TotalLength()) != n) {
			t.Fatalf("%d bytes, MTU %d: %x", n, mtu, b)
		}
		all = append(all, b)
	}
	return all
}

func placeOf(p []byte) (at int, more bool, data []byte) {
	if p[0]>>4 == 6 {
		place := binary.BigEndian.Uint16(p[42:])
		return int(place &^ 7), place&1 != 0, p[48:]
	}
	return packet.IPv4(p).FragmentOffset(), p[6]&0x20 != 0, p[20:]
}

// FuzzClampMSS: with any options, only the size and the checksum change, and the checksum stays as
// right as it was.
func FuzzClampMSS(f *testing.F) {
	f.Add([]byte{2, 4, 5, 0xb4}, uint16(1400))
	f.Add([]byte{1, 2, 4, 5, 0xb4, 1, 1, 1}, uint16(1400))
	f.Add([]byte{8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4}, uint16(536))
	f.Add([]byte{3, 0, 2, 4, 255, 255, 0, 0}, uint16(536))
	f.Fuzz(func(t *testing.T, options []byte, mss uint16) {
		options = options[:min(len(options), 40)&^3]
		b := append(make([]byte, packet.TCPMinLen), options...)
		b[12] = byte(len(b)/4) << 4
		before := packet.Sum(b, 0)
		packet.TCP(b).SetChecksum(^packet.Fold(before))
		old := bytes.Clone(b)
		modes.ClampMSS(b, mss)
		changed := 0
		for i := range b {
			if i != 16 && i != 17 && b[i] != old[i] {
				changed++
			}
		}
		if changed > 2 || packet.Fold(packet.Sum(b, 0)) != packet.Fold(packet.Sum(old, 0)) {
			t.Fatalf("%x became %x", old, b)
		}
	})
}

// TestTunnelsOfAllPairs: only the inner packet's TTL and header checksum change.
func TestTunnelsOfAllPairs(t *testing.T) {
	s := &segment{ip: layers.IPv4{Version: 4, TTL: 64, TOS: 0x2e, Flags: layers.IPv4DontFragment,
		Protocol: layers.IPProtocolTCP}, payload: []byte("payload")}
	s.setFlow(conntrack.Flow4{Src: client, Dst: vip, SrcPort: 40000, DstPort: 80})
	flow := packet.Flow{Src: packet.Addr{Hi: 1}, Dst: packet.Addr{Hi: 2}}
	four := []byte(s.bytes(t))
	six := []byte(sixPacket(t, flow, packet.ProtocolUDP, []byte("payload")))
	for _, inner := range [][]byte{four, six} {
		wrapped4, wrapped6 := append(make([]byte, 20), inner...), append(make([]byte, 40), inner...)
		modes.Encapsulate(wrapped4, 1, 2, 3)
		modes.Encapsulate6(wrapped6, packet.Addr{Hi: 3}, packet.Addr{Hi: 4})
		want := bytes.Clone(inner)
		if inner[0]>>4 == 4 {
			packet.IPv4(want).DecrementTTL()
		} else {
			want[7]--
		}
		o4, o6 := packet.IPv4(wrapped4), packet.IPv6(wrapped6)
		protocol := map[byte]uint8{4: 4, 6: 41}[inner[0]>>4]
		if !o4.HeaderValid() || o4.Protocol() != protocol ||
			int(o4.TotalLength()) != len(wrapped4) || o4.TOS() != 0x2e || !o4.DontFragment() ||
			!bytes.Equal(wrapped4[20:], want) {
			t.Errorf("in IPv4: %x", wrapped4)
		}
		if o6.NextHeader() != protocol || int(o6.PayloadLength()) != len(inner) ||
			o6.TrafficClass() != 0x2e || o6.HopLimit() != 64 || !bytes.Equal(wrapped6[40:], want) {
			t.Errorf("in IPv6: %x", wrapped6)
		}
	}
}
