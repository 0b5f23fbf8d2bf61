package bench

import (
	"encoding/binary"

	"fulcrum/packet"
)

const (
	// fcs is the part of a frame that is on the wire and not in memory. Sizes count it, as usual.
	fcs = 4

	// written is the number of bytes of a frame that are written each time. All bytes behind them are
	// zero: no device writes so far back in a buffer. Not even a tunnel's header or an ICMP error's
	// pushes a stamp there.
	written = 128

	transportAt = packet.EthernetLen + packet.IPv4MinLen

	// The stamp is eight bytes: the time of sending in nanoseconds, modulo 2^32, and a mark that
	// identifies the generator's packets. UDP carries it in its payload, TCP as sequence and
	// acknowledgement numbers, so that it fits the smallest frames.
	udpStamp = packet.UDPLen
	tcpStamp = 4

	mark = 0xf01c2700 // the last byte is the trial's number
)

// template is a frame of one kind and size, with all that its flows have in common.
type template struct {
	bytes    [written]byte
	length   int // of the frame in memory
	protocol uint8
	stamp    int    // offset in the frame
	ipSum    uint64 // of the header without source and checksum
	// transport is the sum of pseudo header and transport header without source address, port, stamp,
	// flags and checksum.
	transport uint64
}

// newTemplate returns the template of frames from a station to a service. size is the size on the
// wire.
func newTemplate(s *Site, protocol uint8, size int) template {
	t := template{length: size - fcs, protocol: protocol}
	vip := packet.Addr4(s.VIP.Addr())
	packet.Ethernet(t.bytes[:]).SetHeader(s.SubjectMAC, s.MAC, packet.EtherTypeIPv4)
	ip := packet.IPv4(t.bytes[packet.EthernetLen:])
	ip.Encode(packet.IPv4Fields{
		TotalLength: uint16(t.length - packet.EthernetLen), DontFragment: true, TTL: 64, Protocol: protocol, Dst: vip,
	})
	ip.SetChecksum(0)
	t.ipSum = packet.Sum(ip[:packet.IPv4MinLen], 0)
	t.setTransport(s.VIP.Port())
	length := t.length - transportAt
	t.transport = packet.Sum(t.bytes[transportAt:], packet.PseudoHeader4(0, vip, protocol, length))
	return t
}

func (t *template) setTransport(port uint16) {
	segment := t.bytes[transportAt:]
	binary.BigEndian.PutUint16(segment[2:], port)
	if t.protocol == packet.ProtocolTCP {
		t.stamp = transportAt + tcpStamp
		segment[12] = packet.TCPMinLen / 4 << 4
		binary.BigEndian.PutUint16(segment[14:], 0xffff) // window
		return
	}
	t.stamp = transportAt + udpStamp
	binary.BigEndian.PutUint16(segment[4:], uint16(t.length-transportAt))
}

// write makes b a packet of a flow. b has the template's length.
func (t *template) write(b []byte, flow uint32, flags packet.TCPFlags, now, mark uint32) {
	copy(b, t.bytes[:])
	address, port := client(flow)
	ip := packet.IPv4(b[packet.EthernetLen:])
	ip.SetSrc(address)
	ip.SetChecksum(^packet.Fold(t.ipSum + uint64(address)))
	segment := b[transportAt:]
	binary.BigEndian.PutUint16(segment, port)
	binary.BigEndian.PutUint64(b[t.stamp:], uint64(now)<<32|uint64(mark))
	sum := t.transport + uint64(address) + uint64(port) + uint64(now) + uint64(mark)
	if t.protocol == packet.ProtocolTCP {
		segment[13] = byte(flags)
		packet.TCP(segment).SetChecksum(^packet.Fold(sum + uint64(flags)))
		return
	}
	checksum := ^packet.Fold(sum)
	if checksum == 0 {
		checksum = 0xffff // zero would mean no checksum (RFC 768)
	}
	packet.UDP(segment).SetChecksum(checksum)
}

// arrival is a packet of the generator's that has come back.
type arrival struct {
	ip       packet.IPv4 // its own header, inside a tunnel's
	protocol uint8
	sent     uint32 // ns, modulo 2^32
	mark     uint32
}

// read finds the stamp of a received frame. ok is false if the packet is not the generator's.
func read(frame []byte, a *arrival) (ok bool) {
	if len(frame) < transportAt || packet.Ethernet(frame).Type() != packet.EtherTypeIPv4 {
		return false
	}
	ip := packet.IPv4(frame[packet.EthernetLen:])
	if ip.Protocol() == packet.ProtocolIPv4 && len(ip) >= 2*packet.IPv4MinLen {
		ip = ip[packet.IPv4MinLen:]
	}
	a.ip, a.protocol = ip, ip.Protocol()
	at := packet.IPv4MinLen + udpStamp
	if a.protocol == packet.ProtocolTCP {
		at = packet.IPv4MinLen + tcpStamp
	}
	if len(ip) < at+8 {
		return false
	}
	stamp := binary.BigEndian.Uint64(ip[at:])
	a.sent, a.mark = uint32(stamp>>32), uint32(stamp)
	return a.mark&^0xff == mark
}

// turn makes a packet that reached a real server its answer, on the way back. Swapping source and
// destination changes no checksum. New TCP flags do.
func turn(frame []byte, a *arrival, s *Site, flags packet.TCPFlags) {
	packet.Ethernet(frame).SetHeader(s.SubjectMAC, s.MAC, packet.EtherTypeIPv4)
	src, dst := a.ip.Src(), a.ip.Dst()
	a.ip.SetSrc(dst)
	a.ip.SetDst(src)
	segment := a.ip[packet.IPv4MinLen:]
	ports := binary.BigEndian.Uint32(segment)
	binary.BigEndian.PutUint32(segment, ports<<16|ports>>16)
	if a.protocol == packet.ProtocolTCP {
		old := binary.BigEndian.Uint16(segment[12:])
		segment[13] = byte(flags)
		t := packet.TCP(segment)
		t.SetChecksum(packet.Delta(0).Change16(old, old&0xff00|uint16(flags)).Apply(t.Checksum()))
	}
}
