package bench

import (
	"encoding/binary"
	"net/netip"

	"fulcrum/packet"
)

// clients6 is the first client's address in IPv6, in the network reserved for benchmarks (RFC 5180,
// section 8). Clients differ in its last four bytes. The four before them are zero.
var clients6 = packet.AddrOf(netip.MustParseAddr("2001:2::1:0"))

// pattern is a datagram of a client with its address's last four bytes and its port left out, and
// with the checksums that it then has. bench/synth/synth.c makes packets of it in the same way.
type pattern struct {
	bytes  [written]byte
	length int    // of the frame, without FCS
	first  uint32 // the last four bytes of the first client's address
	// Offsets in the frame. IPv6 has no checksum of its header: 0.
	address, ipSum, port, sum int
}

// newPattern returns the pattern of the shortest datagrams of a family to the benchmark's service.
func newPattern(six bool, to packet.MAC) pattern {
	if six {
		return newPattern6(to)
	}
	at := packet.EthernetLen + packet.IPv4MinLen
	p := pattern{
		length: packet.MinFrameLen, first: firstClient, address: packet.EthernetLen + 12,
		ipSum: packet.EthernetLen + 10, port: at, sum: at + 6,
	}
	dst := packet.Addr4(network4.service.Addr())
	ip := packet.IPv4(p.bytes[packet.EthernetLen:])
	ip.Encode(packet.IPv4Fields{
		TotalLength: uint16(p.length - packet.EthernetLen), DontFragment: true, TTL: 64,
		Protocol: packet.ProtocolUDP, Dst: dst,
	})
	p.finish(at, packet.EtherTypeIPv4, to,
		packet.PseudoHeader4(0, dst, packet.ProtocolUDP, p.length-at))
	return p
}

func newPattern6(to packet.MAC) pattern {
	at := packet.EthernetLen + packet.IPv6Len
	p := pattern{
		length: at + packet.UDPLen, first: uint32(clients6.Lo),
		address: packet.EthernetLen + 20, port: at, sum: at + 6,
	}
	src, dst := clients6, packet.AddrOf(network6.service.Addr())
	src.Lo = 0
	packet.IPv6(p.bytes[packet.EthernetLen:]).Encode(packet.IPv6Fields{
		PayloadLength: packet.UDPLen, NextHeader: packet.ProtocolUDP, HopLimit: 64, Src: src, Dst: dst,
	})
	p.finish(at, packet.EtherTypeIPv6, to,
		packet.PseudoHeader6(src, dst, packet.ProtocolUDP, packet.UDPLen))
	return p
}

// finish writes the headers around the network's.
func (p *pattern) finish(at int, etherType packet.EtherType, to packet.MAC, pseudo uint64) {
	packet.Ethernet(p.bytes[:]).SetHeader(to, generatorMAC, etherType)
	segment := p.bytes[at:p.length]
	binary.BigEndian.PutUint16(segment[2:], service.Port())
	binary.BigEndian.PutUint16(segment[4:], uint16(len(segment)))
	packet.UDP(segment).SetChecksum(^packet.Fold(packet.Sum(segment, pseudo)))
}

// write makes b the packet of a flow. b has the pattern's length.
func (p *pattern) write(b []byte, flow uint32) {
	copy(b, p.bytes[:])
	address, port := p.first+flow%clientHosts, uint16(firstClientPort+flow/clientHosts)
	binary.BigEndian.PutUint32(b[p.address:], address)
	binary.BigEndian.PutUint16(b[p.port:], port)
	change := packet.Delta(0).Change32(0, address)
	if p.ipSum != 0 {
		apply(b[p.ipSum:], change)
	}
	apply(b[p.sum:], change.Change16(0, port))
}

// apply changes a checksum. Zero would mean that a datagram has none (RFC 768); in an IPv4 header
// both zeros are right.
func apply(sum []byte, change packet.Delta) {
	v := change.Apply(binary.BigEndian.Uint16(sum))
	if v == 0 {
		v = 0xffff
	}
	binary.BigEndian.PutUint16(sum, v)
}
