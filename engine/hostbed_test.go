package engine

import (
	"bytes"
	"encoding/binary"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/packet"
)

// hostRing is the length of a bed's rings to and from the host, in frames.
const hostRing = 256

// withHost gives the workers links to the host.
func withHost(c *bedConfig) { c.host = true }

// hosted gives every port a host interface.
func hosted(n Settings) Settings {
	for i := range n.Ports {
		n.Ports[i].Host = true
	}
	return n
}

// handed is a frame that the host has got.
type handed struct {
	worker int
	port   uint16
	frame  []byte
}

// toHost takes what the host has got from all workers.
func (b *bed) toHost() (all []handed) {
	for i, l := range b.links {
		for port, f := l.ToHost.Peek(); f != nil; port, f = l.ToHost.Peek() {
			all = append(all, handed{i, port, bytes.Clone(f)})
			l.ToHost.Next()
		}
	}
	return all
}

// host expects exactly these frames of a port at the host, byte for byte.
func (b *bed) host(port int, want ...[]byte) {
	b.Helper()
	got := b.toHost()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			b.Fatalf("the host did not get\n%sdropped %q", dump(want[i]), b.drops())
		case i >= len(want):
			b.Fatalf("the host got, unexpected,\n%s", dump(got[i].frame))
		case !bytes.Equal(got[i].frame, want[i]) || int(got[i].port) != port:
			b.Fatalf("the host got at port %d\n%swant\n%s", got[i].port, dump(got[i].frame),
				dump(want[i]))
		}
	}
}

// hostCounts returns what went to the host in a class, of all workers.
func (b *bed) hostCounts(c HostClass) (sum HostTotals) {
	for _, w := range b.engine.workers {
		t := w.counters.host[c]
		sum.Handed += t.Handed
		sum.Copied += t.Copied
		sum.Limited += t.Limited
		sum.Full += t.Full
	}
	return sum
}

// fromHost has the host send frames at a port, through one worker.
func (b *bed) fromHost(worker, port int, frames ...[]byte) {
	b.Helper()
	for _, f := range frames {
		if !b.links[worker].FromHost.Put(uint16(port), f) {
			b.Fatal("the ring from the host is full")
		}
	}
	b.turn()
}

// groupMAC is the Ethernet address of a multicast address (RFC 1112, 6.4; RFC 2464, 7).
func groupMAC(p pkt) packet.MAC {
	a := p.dst.Addr().AsSlice()
	if p.is6() {
		return packet.MAC{0x33, 0x33, a[12], a[13], a[14], a[15]}
	}
	return packet.MAC{1, 0, 0x5e, a[1] & 0x7f, a[2], a[3]}
}

// toGroup is a packet to a group, whose twin in the other family is given.
func (s *site) toGroup(p pkt, six string) []byte {
	if s.is6 {
		p.src, p.dst = sixPort(p.src), at4(six)
	}
	return p.frame(s.gateway.mac, groupMAC(p))
}

// raw is a packet of a protocol without ports.
func raw(src, dst string, protocol, ttl uint8) pkt {
	return pkt{src: at4(src), dst: at4(dst), protocol: protocol, ttl: ttl,
		payload: []byte("routers talk")}
}

// llc is a frame of another protocol than IP.
func llc(src, dst packet.MAC, t layers.EthernetType) []byte {
	return ethernet(src, dst, t, make([]byte, 46))
}

// mld is a multicast listener report, without its hop-by-hop option.
func mld(from host, typ uint8) []byte {
	to := at4("[ff02::16]:0").Addr()
	body := append(make([]byte, 4), to.AsSlice()...)
	ip := &layers.IPv6{Version: 6, HopLimit: 1, NextHeader: layers.IPProtocolICMPv6,
		SrcIP: from.addr.AsSlice(), DstIP: to.AsSlice()}
	l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(typ, 0)}
	l.SetNetworkLayerForChecksum(ip)
	return ethernet(from.mac, packet.MAC{0x33, 0x33, 0, 0, 0, 0x16}, layers.EthernetTypeIPv6,
		serialize(ip, l, gopacket.Payload(body)))
}

// routerAdvert is a router's advertisement to all stations.
func routerAdvert(from host) []byte {
	to := at4("[ff02::1]:0").Addr()
	body := make([]byte, 12)
	body[0] = 64
	binary.BigEndian.PutUint16(body[2:], 1800)
	ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6,
		SrcIP: from.addr.AsSlice(), DstIP: to.AsSlice()}
	l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(134, 0)}
	l.SetNetworkLayerForChecksum(ip)
	return ethernet(from.mac, packet.MAC(packet.AllNodesMAC), layers.EthernetTypeIPv6,
		serialize(ip, l, gopacket.Payload(body)))
}
