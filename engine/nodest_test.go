package engine

import (
	"slices"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/modes"
	"fulcrum/packet"
)

// expiring are settings with expire_nodest.
func (s *site) expiring(v ...Service) Settings {
	n := s.serving(v...)
	n.ExpireNoDest = true
	return n
}

// without takes a service's first real server away.
func (s Service) without() Service {
	s.RealServers = s.RealServers[1:]
	return s
}

// goesTo expects one frame, to the i-th real server.
func (b *bed) goesTo(i int) {
	b.Helper()
	got := collect(b.ports[b.site.back])
	if len(got) != 1 || packet.Ethernet(got[0]).Dst() != b.site.servers[i].mac {
		b.Fatalf("%d frames, want one to real server %d; dropped %s", len(got), i, b.drops())
	}
}

// The very packet that finds its real server removed goes to another one: a datagram or a SYN.
// Other TCP is without session. Each was explained before.
func TestExpireNoDest(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		for _, tt := range []struct {
			name  string
			first pkt
			next  pkt
			drops string
		}{
			{"datagram", udp(client, echoVIP, "?"), udp(client, echoVIP, "!"), ""},
			{"SYN", tcp(client, webVIP, "S"), tcp(client, webVIP, "S"), ""},
			{"ACK", tcp(client, webVIP, "S"), tcp(client, webVIP, "A"), "no_session=1"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				b := newBed(t, s, s.expiring(s.echo(m, 1), s.web(m, 1)))
				b.begin(m, tt.first)
				b.engine.Apply(s.expiring(s.echo(m, 2).without(), s.web(m, 2).without()))
				b.worker.update() // and no turn yet that ends sessions in the background
				b.worker.lookAfterServers()
				b.sessions(1)
				b.explained(s.front, s.in(tt.next).frame(s.gateway.mac, s.own(s.front).mac))
				b.dropped(tt.drops)
				b.sessions(1 - len(b.drops())/len("no_session=1"))
			})
		}
	})
}

// An association's INIT goes to another real server at once; its data is dropped or begins nothing.
func TestExpireNoDestOfAssociations(t *testing.T) {
	s := twoArm
	v := s.service(modes.NAT, packet.ProtocolSCTP, 2)
	one := v
	one.RealServers = v.RealServers[:1]
	b := newBed(t, s, s.expiring(one))
	send := func(chunk layers.SCTPChunkType) {
		p := sctpPacket{at4(client), v.Address, 64, chunk}
		b.receive(s.front, p.frame(s.gateway.mac, s.own(s.front).mac))
	}
	send(layers.SCTPChunkTypeInit)
	b.goesTo(0)
	b.engine.Apply(s.expiring(v.without()))
	send(layers.SCTPChunkTypeInit)
	b.goesTo(1)
	b.sessions(1)
	b.engine.Apply(s.expiring(one))
	send(layers.SCTPChunkTypeData)
	b.quiet()
	b.dropped("no_session=1")
	b.sessions(0)
}

// A real server's answer ends the session too, and goes nowhere.
func TestExpireNoDestByAnAnswer(t *testing.T) {
	for _, m := range []modes.Mode{modes.NAT, modes.FullNAT} {
		s := twoArm
		b := newBed(t, s, s.expiring(s.web(m, 1)))
		p := b.begin(m, tcp(client, webVIP, "S"))
		b.engine.Apply(s.expiring(s.web(m, 2).without()))
		sent := pkt{src: p.source, dst: p.server, protocol: packet.ProtocolTCP}
		b.fromServer(0, sent.reply("SA", ""))
		b.quiet()
		b.dropped("real_server_gone=1")
		b.sessions(0)
	}
}

// An echo request to a VIP whose real servers answer is scheduled anew as a datagram is.
func TestExpireNoDestOfEcho(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		v := s.web(modes.NAT, 2)
		v.Echo = false
		one := v
		one.RealServers = v.RealServers[:1]
		b := newBed(t, s, s.expiring(one))
		b.fromClient(echoRequest("192.168.5.9", vipAlone))
		b.goesTo(0)
		b.engine.Apply(s.expiring(v.without()))
		b.fromClient(echoRequest("192.168.5.9", vipAlone))
		b.goesTo(1)
		b.sessions(1)
		b.engine.Apply(s.expiring())
		b.fromClient(echoRequest("192.168.5.9", vipAlone))
		b.quiet()
		b.dropped("not_ours=1") // no service has this VIP any more
		b.sessions(0)
	})
}

// Sessions of a removed real server are ended in the background, a bounded number a turn, and no
// other ones. Without expire_nodest they stay; setting it ends them.
func TestSessionsOfRemovedServersAreFlushed(t *testing.T) {
	s := twoArm
	const clients = 4 * flushedSlots
	for _, expire := range []bool{true, false} {
		b := newBed(t, s, s.expiring(s.web(modes.DR, 2)), crowd(2))
		for i := range clients {
			b.fromClient(tcp(clientAt(i), webVIP, "S"))
		}
		b.collectAll()
		n := s.serving(s.web(modes.DR, 2).without())
		n.ExpireNoDest = expire
		b.engine.Apply(n)
		left := func() (n int) {
			for _, w := range b.engine.workers {
				n += w.sessions.Len()
			}
			return n
		}
		for range clients {
			before := left()
			b.turnAll()
			if ended := before - left(); ended > flushedEnds*len(b.engine.workers) {
				t.Fatalf("a turn ended %d sessions", ended)
			}
		}
		if !expire {
			b.sessions(clients)
			b.apply(s.expiring(s.web(modes.DR, 2).without()))
			for range clients {
				b.turnAll()
			}
		}
		b.sessions(clients / 2)
		b.connections(0, 0, clients/2, 0)
	}
}

// A real server that is removed while a pass is under way has a pass of its own.
func TestFlushBeginsAgain(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.expiring(s.web(modes.DR, 3)))
	const clients = 6 * flushedSlots
	for i := range clients {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.collectAll()
	b.engine.Apply(s.expiring(s.web(modes.DR, 3).without()))
	b.turnAll()
	if !b.worker.flush.due {
		t.Fatal("one turn was enough: the test shows nothing")
	}
	b.engine.Apply(s.expiring(s.web(modes.DR, 3).without().without()))
	for range clients {
		b.turnAll()
	}
	b.sessions(clients / 3)
	if b.worker.flush.due {
		t.Error("the pass goes on for ever")
	}
}

// With expire_nodest a SYN leaves a real server of weight 0, also on an established session; other
// packets and other real servers' sessions stay.
func TestSynLeavesADrainedServer(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		for _, expire := range []bool{true, false} {
			v := s.web(m, 2)
			slices.Reverse(v.RealServers) // rr begins with servers[0]
			n := s.serving(v)
			n.ExpireNoDest = expire
			b := newBed(t, s, n)
			b.fromClient(tcp(client, webVIP, "S"), tcp(client, webVIP, "A"))
			b.fromClient(tcp(clientAt(1), webVIP, "S"))
			b.collectAll()
			v.RealServers[1].Weight = 0
			n.Services[0] = v
			b.apply(n)
			b.fromClient(tcp(client, webVIP, "A"))
			b.goesTo(0)
			b.fromClient(tcp(clientAt(1), webVIP, "S"))
			b.goesTo(1)
			syn := s.in(tcp(client, webVIP, "S")).frame(s.gateway.mac, s.own(s.front).mac)
			b.explained(s.front, syn)
			b.sessions(2)
			if expire {
				b.connections(0, 0, 2, 0)
			} else {
				b.connections(0, 0, 1, 0)
			}
		}
	})
}

// An INIT leaves a real server of weight 0 as a SYN does, and data of the association stays.
func TestInitLeavesADrainedServer(t *testing.T) {
	s := twoArm
	v := s.service(modes.NAT, packet.ProtocolSCTP, 2)
	slices.Reverse(v.RealServers) // rr begins with servers[0]
	b := newBed(t, s, s.expiring(v))
	send := func(chunk layers.SCTPChunkType) {
		p := sctpPacket{at4(client), v.Address, 64, chunk}
		b.receive(s.front, p.frame(s.gateway.mac, s.own(s.front).mac))
	}
	send(layers.SCTPChunkTypeInit)
	b.goesTo(0)
	drained := s.expiring(v)
	drained.Services[0].RealServers = slices.Clone(v.RealServers)
	drained.Services[0].RealServers[1].Weight = 0
	b.apply(drained)
	send(layers.SCTPChunkTypeData)
	b.goesTo(0)
	send(layers.SCTPChunkTypeInit)
	b.goesTo(1)
	b.sessions(1)
}
