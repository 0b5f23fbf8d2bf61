package engine

import (
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// TestEchoSessions: with Echo off, real servers answer the VIP's echo requests.
func TestEchoSessions(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		v := s.web(m, 2)
		v.Echo = false
		b := newBed(t, s, s.serving(v))
		ask := echoRequest("192.168.5.9", vipAlone)
		for i := range 2 { // the same identifier, the same real server
			b.fromClient(ask.with(func(p *pkt) { p.rest += uint32(i) }))
			got := collect(b.ports[s.back])
			if len(got) != 1 {
				t.Fatalf("%d frames; dropped %s", len(got), b.drops())
			}
			judge(t, got[0])
			if dst := packet.Ethernet(got[0]).Dst(); dst != s.servers[1].mac {
				t.Fatalf("request %d went to %v", i, dst)
			}
			if m.TwoWay() {
				b.receive(s.back, echoAnswer(got[0]))
				b.toClient(icmp(vipAlone, "192.168.5.9", packet.ICMPEchoReply, 0,
					ask.rest+uint32(i), ask.payload).with(func(p *pkt) { p.ttl = 62 }))
			}
		}
		b.connections(0, 1, 0, 1)
		b.fromClient(echoRequest("192.168.5.9", "10.0.0.1"))
		b.toClient(icmp("10.0.0.1", "192.168.5.9", packet.ICMPEchoReply, 0, ask.rest, ask.payload))
		b.dropped("")
		b.wait(63_000)
		b.sessions(0)
	})
}

// echoAnswer turns an echo request into its answer, as a real server does.
func echoAnswer(f []byte) []byte {
	f = append([]byte(nil), f...)
	e := packet.Ethernet(f)
	src, dst := e.Src(), e.Dst()
	e.SetDst(src)
	e.SetSrc(dst)
	if e.Type() == packet.EtherTypeIPv6 {
		ip := packet.IPv6(f[packet.EthernetLen:])
		from, to := ip.Src(), ip.Dst()
		ip.SetSrc(to)
		ip.SetDst(from)
		message := packet.ICMPv6(ip[packet.IPv6Len:])
		message.Encode(packet.ICMP6EchoReply, 0, message.Rest(), to, from)
		return f
	}
	ip := packet.IPv4(f[packet.EthernetLen:])
	from, to := ip.Src(), ip.Dst()
	ip.SetSrc(to)
	ip.SetDst(from)
	message := packet.ICMP(ip[packet.IPv4MinLen:])
	rest := uint32(message[4])<<24 | uint32(message[5])<<16 | uint32(message[6])<<8 | uint32(message[7])
	message.Encode(packet.ICMPEchoReply, 0, rest)
	return f
}
