package engine

import (
	"net/netip"
	"slices"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// One client port towards two nat services with the same real servers: the second service's
// scheduler picks the real server that has the flow already. The session goes to the next one, as
// was explained. None is lost, until all real servers have the flow.
func TestFlowTakenGoesToAnother(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		const clients = 6
		services := make([]Service, 4)
		for i := range services {
			services[i] = s.echo(modes.NAT, 3)
			services[i].Address = netip.AddrPortFrom(services[i].Address.Addr(), uint16(7+i))
		}
		b := newBed(t, s, s.serving(services...))
		ask := func(service, from int) []byte {
			p := udp(clientAt(from), vipAlone+":7", "?")
			p.dst = netip.AddrPortFrom(p.dst.Addr(), uint16(7+service))
			return s.in(p).frame(s.gateway.mac, s.own(s.front).mac)
		}
		for service := range services {
			for i := range clients {
				b.collectAll()
				b.explained(s.front, ask(service, i))
			}
			if service < 3 {
				b.dropped("")
			}
		}
		b.dropped("flow_taken=6")
		b.sessions(3 * clients)
	}
}

// A real server whose ports are used up is passed over: all sessions that rr would give it go to
// the other one. Once that is used up too, clients are answered.
func TestUsedUpServerIsPassedOver(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 130,000 sessions")
	}
	s := twoArm
	v := s.echo(modes.FullNAT, 1)
	v.LocalAddresses = v.LocalAddresses[:1]
	b := newBed(t, s, s.serving(v), func(c *bedConfig) { c.sessions = 2*localPorts + 100 })
	b.flood(localPorts)
	b.confirmAll()
	b.dropped("")
	two := s.echo(modes.FullNAT, 2)
	two.LocalAddresses = v.LocalAddresses
	b.apply(s.serving(two))
	next := localPorts
	begin := func(n int) {
		t.Helper()
		for range n {
			b.collectAll()
			ask := udp(clientAt(next), echoVIP, "?")
			b.explained(s.front, ask.frame(s.gateway.mac, s.own(s.front).mac))
			next++
		}
	}
	begin(10)
	b.dropped("")
	b.connections(0, 0, 0, localPorts)
	b.connections(0, 1, 0, 10)
	b.worker.sessions.EndAll()
	b.flood(2 * localPorts)
	b.confirmAll()
	b.dropped("")
	b.fromClient(udp(client, echoVIP, "?"))
	b.toClient(icmpError(vipAlone, udp(client, echoVIP, "?"),
		packet.ICMPUnreachable, packet.ICMPCodePortUnreachable, 0))
	b.dropped("no_local_port=1")
}

// The same with few ports: a real server's next 64 are taken by another service.
func TestCrowdedServerIsPassedOver(t *testing.T) {
	s := twoArm
	v := s.echo(modes.FullNAT, 2)
	v.LocalAddresses = v.LocalAddresses[:1]
	b := newBed(t, s, s.serving(v))
	b.worker.peers[0].turn, b.worker.peers[1].turn = 0, 1000
	b.sources(2 * maxProbes)
	b.worker.peers[0].turn = 0
	for i := range 2 {
		ask := udp(clientAt(1000+i), echoVIP, "?")
		b.explained(s.front, ask.frame(s.gateway.mac, s.own(s.front).mac))
	}
	b.dropped("")
	b.connections(0, 0, 0, maxProbes)
	b.connections(0, 1, 0, maxProbes+2)
}

// At most eight real servers are tried, and the first one's reason counts.
func TestTriesAreBounded(t *testing.T) {
	s := twoArm
	one, many := s.echo(modes.NAT, 0), s.echo(modes.NAT, 0)
	for i := range 10 {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(50 + i)}), 8007)
		one.RealServers = append(one.RealServers, RealServer{Address: a, Weight: 1})
	}
	many.RealServers = slices.Clone(one.RealServers)
	many.Address = at4(vipAlone + ":8")
	for _, free := range []int{maxTries - 1, maxTries} {
		var services []Service
		for i := range free { // each takes the client's flow with one more real server
			v := s.echo(modes.NAT, 0)
			v.Address = netip.AddrPortFrom(at4(echoVIP).Addr(), uint16(100+i))
			v.RealServers = many.RealServers[9-i : 10-i]
			services = append(services, v)
		}
		b := newBed(t, s, s.serving(append(services, many)...))
		for i := range free {
			p := udp(client, echoVIP, "?")
			p.dst = services[i].Address
			b.fromClient(p)
		}
		b.dropped("")
		b.sessions(free)
		b.fromClient(udp(client, vipAlone+":8", "?"))
		if free < maxTries {
			b.dropped("")
			b.sessions(maxTries)
		} else {
			b.dropped("flow_taken=1")
		}
	}
}

// An echo request of an IPv6 client passes over real servers of IPv4, which cannot have it.
func TestEchoPassesOverTheOtherFamily(t *testing.T) {
	s := twoArm.twin()
	v := s.web(modes.NAT, 1)
	v.Echo = false
	v.RealServers = append(v.RealServers, RealServer{Address: at4("10.1.0.77:8080"), Weight: 1})
	b := newBed(t, s, s.serving(v))
	for i := range 2 {
		ask := echoRequest("192.168.5.9", vipAlone)
		ask.rest += uint32(i) << 16
		b.fromClient(ask)
		b.goesTo(0)
	}
	b.dropped("")
	b.connections(0, 0, 0, 2)
}
