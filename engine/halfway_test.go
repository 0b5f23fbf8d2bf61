package engine

import (
	"testing"
	"time"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
)

// halfway makes a change and calls see while workers have its snapshot but not its pools.
func (b *bed) halfway(put []Service, remove []lvs.ServiceID, see func()) {
	b.Helper()
	c := b.engine.begin(time.Now())
	for _, id := range remove {
		c.remove(c.registry.services[id])
	}
	for i := range put {
		c.put(&put[i])
	}
	c.setAddresses()
	c.publishViews()
	c.publishSnapshot()
	see()
	c.publishPools()
	c.registry.changing.Unlock()
}

// TestNewServiceHasAPool: a worker that sees a new service finds its pool, for clients and for echo
// requests.
func TestNewServiceHasAPool(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	echo := s.echo(modes.NAT, 1)
	b.halfway([]Service{echo}, nil, func() {
		vip := at4(echoVIP).Addr().String()
		b.fromClient(udp(client, echoVIP, "?"), echoRequest("192.168.5.9", vip))
		b.dropped("")
	})
	b.sessions(1)
}

// TestServiceThatComesBackHasItsPool: between a service's removal and its return, its real servers
// may be forgotten and one of their ids given to another service. No session goes there by mistake.
func TestServiceThatComesBackHasItsPool(t *testing.T) {
	s := twoArm
	web, echo, now := s.web(modes.NAT, 2), s.echo(modes.FullNAT, 1), time.Now()
	web.RealServers[1].Weight = 0
	b := newBed(t, s, s.serving(web))
	b.fromClient(tcp(client, webVIP, "S")) // to real server 0, which is remembered therefore
	web.RealServers[0].Weight, web.RealServers[1].Weight = 0, 1
	b.apply(s.serving(web))
	b.applyAt(s.serving(), now)
	b.applyAt(s.serving(), now.Add(forgetAfter)) // real server 1 is forgotten
	b.applyAt(s.serving(echo), now.Add(forgetAfter))
	b.collectAll()
	if n := len(b.engine.registry.live); n != 2 {
		t.Fatalf("%d ids: none was given out again", n)
	}
	web.RealServers = web.RealServers[:1]
	web.RealServers[0].Weight = 1
	b.halfway([]Service{web}, nil, func() {
		b.fromClient(tcp(clientAt(1), webVIP, "S"))
		b.toServer(0, tcp(clientAt(1), webVIP, "S").to(web.RealServers[0].Address).hop())
	})
	b.connections(1, 0, 2, 0)
	b.connections(0, 0, 0, 0)
}

// TestRemovedServerIsNotPicked: a pool that is older than the snapshot may name a removed real
// server. The director does not send a client there: the client asks again and gets another.
func TestRemovedServerIsNotPicked(t *testing.T) {
	s := twoArm
	web := s.web(modes.NAT, 2)
	b := newBed(t, s, s.serving(web))
	fewer := web
	fewer.RealServers = web.RealServers[:1]
	b.halfway([]Service{fewer}, nil, func() {
		b.fromClient(tcp(client, webVIP, "S"))
		b.quiet()
		b.dropped("real_server_gone=1")
	})
	b.sessions(0)
	b.fromClient(tcp(client, webVIP, "S"))
	b.connections(0, 0, 1, 0)
}

// TestDecisionsDoNotMixSnapshots: a worker that meets a newer pool in the middle of a burst takes
// both service and real server from the newer snapshot.
func TestDecisionsDoNotMixSnapshots(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
		old := b.worker.snap
		next := s.web(modes.FullNAT, 2)
		next.RealServers[0].Weight = 0
		b.engine.Change(Change{Put: []Service{next}})
		b.worker.snap = old // as if it had read the snapshot just before the change
		b.worker.burst++
		p := s.in(tcp(client, webVIP, "S"))
		a, d := arrival{flags: packet.TCPSyn}, decision{}
		a.key.Src, a.key.SrcPort = packet.AddrOf(p.src.Addr()), p.src.Port()
		a.key.Dst, a.key.DstPort = packet.AddrOf(p.dst.Addr()), p.dst.Port()
		a.key.Protocol = p.protocol
		b.worker.decide(&a, &d, nil, nil)
		if d.verdict != Taken || d.server.mode != modes.FullNAT || len(d.service.local[d.server.families.server()].addresses) == 0 {
			t.Fatalf("%v: %+v of %+v", d.verdict, d.server, d.service)
		}
		if d.out.Dst.Netip() != s.local[0] && d.out.Dst.Netip() != s.local[1] {
			t.Errorf("answers come to %v", d.out.Dst.Netip())
		}
	})
}
