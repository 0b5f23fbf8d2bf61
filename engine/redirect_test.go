package engine

import (
	"encoding/binary"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// errorAbout is a router's ICMP error of a type about the answer of a session's real server.
func (s *site) errorAbout(typ, code uint8) []byte {
	answer := tcp(webVIP, client, "A")
	e := icmpError("172.20.0.1", answer, typ, code, 0)
	e.dst = answer.src
	return s.in(e).frame(s.gateway.mac, s.own(s.front).mac)
}

// A redirect is for a router's neighbours. It goes through in no mode, nor to the client.
func TestRedirectsAreDropped(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.web(m, 1)))
		p := b.begin(m, tcp(client, webVIP, "S"))
		for code := range uint8(4) {
			f := s.errorAbout(packet.ICMPUnreachable, packet.ICMPCodePortUnreachable)
			retype(f, packet.ICMPRedirect, packet.ICMP6Redirect, code)
			b.receive(s.front, f)
		}
		b.quiet()
		b.dropped("icmp_error=4")
		if !m.TwoWay() {
			return
		}
		sent := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolTCP, ttl: 64}
		e := icmpError("10.0.0.77", sent, packet.ICMPUnreachable, 1, 0)
		e.src = p.server
		f := e.frame(s.servers[0].mac, s.own(s.back).mac)
		retype(f, packet.ICMPRedirect, packet.ICMP6Redirect, 1)
		b.receive(s.back, f)
		b.quiet()
		b.dropped("icmp_error=5")
	})
}

// retype gives an ICMP message another type and code, with the right checksum.
func retype(f []byte, four, six, code uint8) {
	var m meta
	packet.Parse(f, &m.Parsed)
	message := f[m.Transport:m.End]
	rest := binary.BigEndian.Uint32(message[4:8])
	if m.Kind.Is6() {
		k := m.Key(f)
		packet.ICMPv6(message).Encode(six, code, rest, k.Src, k.Dst)
		return
	}
	packet.ICMP(message).Encode(four, code, rest)
}

// ICMP messages whose checksum is wrong go nowhere: errors in any mode and about tunnels, and echo.
func TestDamagedICMPIsDropped(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		for _, bit := range []int{1, 3, 9, 12} { // bytes of the message: code, checksum, quotation
			v := s.web(m, 1)
			b := newBed(t, s, s.serving(v))
			b.begin(m, tcp(client, webVIP, "S"))
			f := s.errorAbout(packet.ICMPUnreachable, packet.ICMPCodePortUnreachable)
			good := append([]byte(nil), f...)
			damage(f, bit)
			b.receive(s.front, f)
			b.quiet()
			b.dropped("bad_icmp_checksum=1")
			b.receive(s.front, good)
			if n := len(collect(b.ports[s.back])); n != 1 {
				t.Fatalf("%d frames: the undamaged one was not forwarded; dropped %s", n, b.drops())
			}
		}
		b := newBed(t, s, s.serving(s.web(m, 1)))
		for n, to := range []string{"10.0.0.1", vipAlone} {
			f := s.in(echoRequest("192.168.5.9", to)).frame(s.gateway.mac, s.own(s.front).mac)
			damage(f, 8)
			b.receive(s.front, f)
			b.quiet()
			b.dropped([]string{"bad_icmp_checksum=1", "bad_icmp_checksum=2"}[n])
		}
		v := s.web(m, 1)
		v.Echo = false
		b = newBed(t, s, s.serving(v)) // whose real server would get the request
		f := s.in(echoRequest("192.168.5.9", vipAlone)).frame(s.gateway.mac, s.own(s.front).mac)
		damage(f, 8)
		b.receive(s.front, f)
		b.quiet()
		b.dropped("bad_icmp_checksum=1")
		b.sessions(0)
		if m.TwoWay() { // nor does a damaged answer pass
			b.fromClient(echoRequest("192.168.5.9", vipAlone))
			answer := echoAnswer(collect(b.ports[s.back])[0])
			damage(answer, 8)
			b.receive(s.back, answer)
			b.quiet()
			b.dropped("bad_icmp_checksum=2")
		}
	})
}

// A wrong checksum is noticed before any other worker is asked about the error.
func TestDamagedErrorIsNotHandedOver(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)), crowd(2))
	f := s.errorAbout(packet.ICMPUnreachable, packet.ICMPCodePortUnreachable)
	damage(f, 9)
	b.receive(s.front, f)
	b.dropped("bad_icmp_checksum=1")
	if n := b.handedOver(); n != 0 {
		t.Fatalf("handed over %d times", n)
	}
}

// damage flips a bit of a byte of an ICMP message.
func damage(f []byte, at int) {
	var m meta
	packet.Parse(f, &m.Parsed)
	f[int(m.Transport)+at] ^= 4
}
