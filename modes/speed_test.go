package modes_test

import (
	"bytes"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
)

const (
	client = 0x0a000001
	vip    = 0x0a000064
	server = 0x0a01000b
	local  = 0x0a010032
)

// forwarding does one mode's work on one packet again and again. The TTL wraps around.
func forwarding(t testing.TB, protocol uint8) map[string]func() {
	in := conntrack.Flow4{Src: client, Dst: vip, SrcPort: 40000, DstPort: 80}
	s := &segment{ip: layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocol(protocol)},
		payload: bytes.Repeat([]byte("x"), 18)}
	s.setFlow(in)
	nat := &conntrack.Session{In: in, Protocol: protocol,
		Out: conntrack.Flow4{Src: server, Dst: client, SrcPort: 8080, DstPort: 40000}}
	fullnat := &conntrack.Session{In: in, Protocol: protocol,
		Out: conntrack.Flow4{Src: server, Dst: local, SrcPort: 8080, DstPort: 5001}}
	routed, translated, wrapped := s.bytes(t), s.bytes(t),
		append(make(packet.IPv4, packet.IPv4MinLen), s.bytes(t)...)
	translate := func(session *conntrack.Session, d conntrack.Direction) func() {
		return func() {
			modes.Translate(translated, packet.IPv4MinLen, session, d)
			translated.SetTTL(64)
		}
	}
	return map[string]func(){
		"dr": func() {
			modes.Route(routed)
			routed.SetTTL(64)
		},
		"ipip": func() {
			modes.Encapsulate(wrapped, 0x0a010001, server, 7)
			wrapped[packet.IPv4MinLen:].SetTTL(64)
		},
		"nat":         translate(nat, conntrack.Inbound),
		"nat-out":     translate(nat, conntrack.Outbound),
		"fullnat":     translate(fullnat, conntrack.Inbound),
		"fullnat-out": translate(fullnat, conntrack.Outbound),
	}
}

var protocols = map[string]uint8{"tcp": packet.ProtocolTCP, "udp": packet.ProtocolUDP}

func TestNoAllocs(t *testing.T) {
	for protocol, number := range protocols {
		for mode, f := range forwarding(t, number) {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s %s: %v allocations", mode, protocol, n)
			}
		}
	}
}

func BenchmarkForward(b *testing.B) {
	for protocol, number := range protocols {
		for mode, f := range forwarding(b, number) {
			b.Run(mode+"/"+protocol, func(b *testing.B) {
				for b.Loop() {
					f()
				}
			})
		}
	}
}
