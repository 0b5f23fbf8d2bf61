package engine

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

// sctpPacket is a packet with one chunk.
type sctpPacket struct {
	src, dst netip.AddrPort
	ttl      uint8
	chunk    layers.SCTPChunkType
}

// frame returns the packet on Ethernet; gopacket makes its checksum.
func (p sctpPacket) frame(from, to packet.MAC) []byte {
	l := &layers.SCTP{SrcPort: layers.SCTPPort(p.src.Port()),
		DstPort: layers.SCTPPort(p.dst.Port()), VerificationTag: 7}
	body := append(gopacket.Payload{byte(p.chunk), 0, 0, 24}, make([]byte, 20)...)
	if p.src.Addr().Is6() {
		ip := &layers.IPv6{Version: 6, HopLimit: p.ttl, NextHeader: layers.IPProtocolSCTP,
			SrcIP: p.src.Addr().AsSlice(), DstIP: p.dst.Addr().AsSlice()}
		return ethernet(from, to, layers.EthernetTypeIPv6, serialize(ip, l, body))
	}
	ip := &layers.IPv4{Version: 4, TTL: p.ttl, Id: 7, Protocol: layers.IPProtocolSCTP,
		SrcIP: p.src.Addr().AsSlice(), DstIP: p.dst.Addr().AsSlice()}
	return ethernet(from, to, layers.EthernetTypeIPv4, serialize(ip, l, body))
}

// TestSCTP: an association through every mode, with its states and its checksum.
func TestSCTP(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		v := s.service(m, packet.ProtocolSCTP, 1)
		b := newBed(t, s, s.serving(v))
		from := at4(client)
		if s.is6 {
			from = sixPort(from)
		}
		server := v.RealServers[0].Address
		source := from
		for i, chunk := range []layers.SCTPChunkType{
			layers.SCTPChunkTypeInit, layers.SCTPChunkTypeCookieEcho, layers.SCTPChunkTypeData,
		} {
			in := sctpPacket{from, v.Address, 64, chunk}
			b.receive(s.front, in.frame(s.gateway.mac, s.own(s.front).mac))
			got := collect(b.ports[s.back])
			if len(got) != 1 {
				t.Fatalf("%d frames; dropped %s", len(got), b.drops())
			}
			if i == 0 && m == modes.FullNAT {
				source, _ = flowOf(got[0])
			}
			to := server
			if !m.TwoWay() {
				to = v.Address
			}
			out := sctpPacket{source, to, 63, chunk}
			want := out.frame(s.own(s.back).mac, s.servers[0].mac)
			if m == modes.IPIP {
				got[0] = append(append([]byte(nil), got[0][:14]...),
					got[0][14+modes.Overhead(m, conntrack.Inbound, s.is6, s.is6):]...)
			}
			if string(got[0]) != string(want) {
				t.Fatalf("sent\n%x\nwant\n%x", got[0], want)
			}
			if m.TwoWay() {
				answer := []layers.SCTPChunkType{layers.SCTPChunkTypeInitAck,
					layers.SCTPChunkTypeCookieAck, layers.SCTPChunkTypeSack}[i]
				back := sctpPacket{server, source, 64, answer}
				b.receive(s.back, back.frame(s.servers[0].mac, s.own(s.back).mac))
				back = sctpPacket{v.Address, from, 63, answer}
				want := back.frame(s.own(s.front).mac, s.gateway.mac)
				if got := collect(b.ports[s.front]); len(got) != 1 ||
					string(got[0]) != string(want) {
					t.Fatalf("%d frames came back, want\n%x", len(got), want)
				}
			}
		}
		b.connections(0, 0, 1, 0)
		b.dropped("")
		stray := sctpPacket{nextPort(from), v.Address, 64, layers.SCTPChunkTypeData}
		b.receive(s.front, stray.frame(s.gateway.mac, s.own(s.front).mac))
		b.dropped("no_session=1")
	})
}

// nextPort returns the address with the next port.
func nextPort(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), a.Port()+1) }

// An INIT on a closed association begins another one, which goes to the next real server, as it was
// explained. An INIT on any other is sent again, and stays.
func TestInitOnAnAssociation(t *testing.T) {
	const (
		initiate = layers.SCTPChunkTypeInit
		abort    = layers.SCTPChunkTypeAbort
		echo     = layers.SCTPChunkTypeCookieEcho
		data     = layers.SCTPChunkTypeData
	)
	for _, tt := range []struct {
		name   string
		chunks []layers.SCTPChunkType // after the first INIT
		anew   bool
	}{
		{"closed", []layers.SCTPChunkType{abort}, true},
		{"closed again", []layers.SCTPChunkType{abort, data}, true},
		{"init sent again", nil, false},
		{"data", []layers.SCTPChunkType{echo, data}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, s site, m modes.Mode) {
				v := s.service(m, packet.ProtocolSCTP, 2)
				b := newBed(t, s, s.serving(v))
				from := at4(client)
				if s.is6 {
					from = sixPort(from)
				}
				send := func(chunk layers.SCTPChunkType, server int) {
					t.Helper()
					to := s.own(s.front).mac
					b.receive(s.front, sctpPacket{from, v.Address, 64, chunk}.frame(s.gateway.mac, to))
					got := collect(b.ports[s.back])
					if len(got) != 1 || string(got[0][:6]) != string(s.servers[server].mac[:]) {
						t.Fatalf("%v not at real server %d; dropped %s", chunk, server, b.drops())
					}
				}
				send(initiate, 1)
				for _, chunk := range tt.chunks {
					send(chunk, 1)
				}
				server := 1
				if tt.anew {
					server = 0
				}
				x := b.asked(&Question{
					Protocol: packet.ProtocolSCTP, From: from, To: v.Address, Port: s.front,
				})
				if x.Replaces != tt.anew || x.RealServer != v.RealServers[server].Address {
					t.Fatalf("explained %+v", x)
				}
				send(initiate, server)
				b.sessions(1)
				b.dropped("")
				if tt.anew {
					b.connections(0, 0, 0, 1)
					b.connections(0, 1, 0, 0)
				}
			})
		})
	}
}

// A real server's INIT on a closed association belongs to it.
func TestInitFromTheServerDoesNotReuse(t *testing.T) {
	s := twoArm
	v := s.service(modes.NAT, packet.ProtocolSCTP, 1)
	b := newBed(t, s, s.serving(v))
	from, server := at4(client), v.RealServers[0].Address
	front, back := s.own(s.front).mac, s.own(s.back).mac
	initiate, abort := layers.SCTPChunkTypeInit, layers.SCTPChunkTypeAbort
	for _, chunk := range []layers.SCTPChunkType{initiate, abort} {
		b.receive(s.front, sctpPacket{from, v.Address, 64, chunk}.frame(s.gateway.mac, front))
	}
	b.collectAll()
	answer := sctpPacket{server, from, 64, initiate}.frame(s.servers[0].mac, back)
	b.receive(s.back, answer)
	if got := collect(b.ports[s.front]); len(got) != 1 {
		t.Fatalf("%d frames came back; dropped %s", len(got), b.drops())
	}
	b.sessions(1)
	if got := b.stateOf(client, webVIP, packet.ProtocolSCTP); got != conntrack.SCTPCookieWait {
		t.Errorf("in state %v", got)
	}
}
