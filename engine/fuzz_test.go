package engine

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// A fuzz input is a row of frames: a byte with the port in bit 0 and "a turn comes first" in bit 1,
// two bytes of length, and the frame.
func appendFrame(input []byte, flags byte, f []byte) []byte {
	input = append(input, flags)
	return append(binary.BigEndian.AppendUint16(input, uint16(len(f))), f...)
}

// cutFrame takes the first frame off an input; ok is false at its end.
func cutFrame(input []byte) (flags byte, f, rest []byte, ok bool) {
	if len(input) < 3 {
		return 0, nil, nil, false
	}
	n := min(int(binary.BigEndian.Uint16(input[1:3])), len(input)-3, 2000)
	return input[0], input[3 : 3+n], input[3+n:], true
}

// everythingTwice has all modes in both families, real servers of the other family, SCTP, segment
// sizes, and echo requests that go to real servers.
func everythingTwice() Settings {
	s, six := twoArm, twoArm.twin()
	n, n6 := everything(&s, 1), everything(&six, 1)
	for i := range n.Ports {
		n.Ports[i].Addresses = append(n.Ports[i].Addresses, n6.Ports[i].Addresses...)
	}
	n.Routes = append(n.Routes, n6.Routes...)
	n.Neighbours = append(n.Neighbours, n6.Neighbours...)
	for i := range n6.Services {
		v := &n6.Services[i]
		v.MSS, v.Echo = 1220, i != 0
		if v.Mode == modes.FullNAT || v.Mode == modes.IPIP {
			v.RealServers = n.Services[i].RealServers
			v.LocalAddresses = n.Services[i].LocalAddresses
		}
	}
	n.Services = append(n.Services, n6.Services...)
	for _, m := range allModes {
		v := s.service(m, packet.ProtocolSCTP, 2)
		v.Address = netip.AddrPortFrom(v.Address.Addr(), 90+uint16(m))
		for i := range v.RealServers {
			v.RealServers[i].Address = netip.AddrPortFrom(v.RealServers[i].Address.Addr(),
				serverPort(m, v.Address))
		}
		n.Services = append(n.Services, v)
	}
	return n
}

// FuzzPipeline sends any bytes on any port to a director with all modes. It must not panic and must
// account for every packet. Every packet it sends must be well-formed and come from its own MAC.
func FuzzPipeline(f *testing.F) {
	for _, m := range allModes {
		var all []byte
		for _, c := range readCapture(f, goldenFile(m, "in")) {
			all = appendFrame(all, 2, c.frame)
			f.Add(appendFrame(nil, 0, c.frame))
		}
		f.Add(all)
	}
	f.Add(appendFrame(nil, 0, whoHas(twoArm.ports[0].addr, twoArm.neighbour)))
	f.Add(appendFrame(nil, 1, isAt(twoArm.servers[2], twoArm.ports[1])))
	ping := echoRequest("192.168.5.9", vipAlone)
	f.Add(appendFrame(nil, 0, ping.frame(twoArm.gateway.mac, twoArm.ports[0].mac)))
	six := twoArm.twin()
	for i := range allModes {
		to := at4(vipAlone)
		for _, p := range []pkt{
			tcp(client, "10.0.0.100:80", "S").to(netip.AddrPortFrom(to.Addr(),
				uint16(80+i))).with(func(p *pkt) { p.mss = 1460 }),
			udp(client, "10.0.0.100:70", "question").to(netip.AddrPortFrom(to.Addr(),
				uint16(70+i))),
			icmpError("192.168.5.9", udp(fmt.Sprint("10.0.0.100:", 70+i), client, "answer"),
				packet.ICMPUnreachable, 3, 0),
		} {
			f.Add(appendFrame(nil, 0, p.six().frame(six.gateway.mac, six.ports[0].mac)))
			f.Add(appendFrame(appendFrame(nil, 0, p.frame(six.gateway.mac, six.ports[0].mac)), 0,
				p.six().frame(six.gateway.mac, six.ports[0].mac)))
		}
		whole := udp(client, "10.0.0.100:70",
			strings.Repeat("0123456789", 200)).to(netip.AddrPortFrom(to.Addr(), uint16(70+i)))
		for _, p := range []pkt{whole, whole.six()} {
			var all []byte
			for _, piece := range fragmentsOf(p, 800) {
				all = appendFrame(all, 0, ethernet(six.gateway.mac, six.ports[0].mac, p.etherType(),
					piece))
			}
			f.Add(all)
		}
	}
	f.Add(appendFrame(nil, 0, solicits(six.ports[0].addr, six.gateway)))
	f.Add(appendFrame(nil, 1, advertises(six.servers[0], six.ports[1])))
	f.Add(appendFrame(nil, 0, ping.six().frame(six.gateway.mac, six.ports[0].mac)))
	f.Fuzz(func(t *testing.T, input []byte) {
		s := twoArm
		b := newBed(t, s, everythingTwice(), func(c *bedConfig) { c.sessions, c.buffers = 16, 256 })
		for flags, frame, rest, ok := cutFrame(input); ok; flags, frame, rest, ok = cutFrame(rest) {
			if flags&2 != 0 || b.ports[flags&1].Pending() > 32 {
				b.now += 50
				b.turn()
				b.wellFormed()
			}
			b.deliver(int(flags&1), frame)
		}
		b.turn()
		b.wait(5000)
		b.wellFormed()
	})
}

// wellFormed checks that each sent packet parses, comes from this station, and may pass another
// router.
func (b *bed) wellFormed() {
	b.Helper()
	for port, frames := range b.collectAll() {
		for _, f := range frames {
			var p packet.Parsed
			packet.Parse(f, &p)
			switch {
			case p.Kind == packet.Invalid || p.Kind == packet.Other || p.Kind == packet.Tagged:
				b.Fatalf("port %d sent what is of kind %d, fault %d:\n%s", port, p.Kind, p.Fault,
					dump(f))
			case packet.Ethernet(f).Src() != packet.MAC(b.site.ports[port].mac):
				b.Fatalf("port %d sent under another's MAC:\n%s", port, dump(f))
			case p.Kind != packet.ARPPacket && p.TTL == 0:
				b.Fatalf("port %d sent with TTL 0:\n%s", port, dump(f))
			}
		}
	}
}
