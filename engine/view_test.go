package engine

import (
	"reflect"
	"testing"
	"time"

	"fulcrum/lvs"
	"fulcrum/modes"
)

// sight is everything that readers see of the registry.
type sight struct {
	Report
	retired         []RetiredLocal
	crowded         []CrowdedLocal
	local, sessions int
	load            [2]int
}

// see reads everything of a service and its first real server. It fails if that takes for ever.
func (b *bed) see(v Service) (n sight) {
	b.Helper()
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		e := b.engine
		n.Report, n.retired, n.crowded = e.Report(), e.RetiredLocals(), e.CrowdedLocals(0)
		n.local = e.LocalSessions(v.ID(), twoArm.local[0])
		n.sessions = e.SessionsOf(v.serverID(0))
		n.load[0], n.load[1] = e.LoadOf(v.serverID(0))
	}()
	select {
	case <-seen:
	case <-time.After(30 * time.Second):
		b.Fatal("readers wait for a change")
	}
	return n
}

// TestReadersDoNotWait: readers see the state before a change until it is complete.
func TestReadersDoNotWait(t *testing.T) {
	s := twoArm
	web, echo := s.web(modes.NAT, 2), s.echo(modes.FullNAT, 2)
	b := newBed(t, s, s.serving(web, echo))
	for i := range 4 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"), udp(clientAt(i), echoVIP, "?"))
	}
	b.collectAll()
	b.wait(100)
	other := web
	other.Address, other.Name = at4(vipAlone+":81"), "other"
	next := weighted(echo, 0, 7)
	next.LocalAddresses, next.RealServers = echo.LocalAddresses[:1], next.RealServers[:1]
	before := b.see(echo)

	c := b.engine.begin(time.Now())
	c.forget()
	c.edit(&Change{Put: []Service{next, other}, Remove: []lvs.ServiceID{web.ID()}})
	during := b.see(echo)
	c.publish()
	after := b.see(echo)

	if before.local == 0 || before.sessions == 0 || len(before.crowded) == 0 {
		t.Fatalf("nothing to see: %+v", before)
	}
	if !reflect.DeepEqual(during, before) {
		t.Errorf("during the change %+v, before it %+v", during, before)
	}
	names := ""
	for _, v := range after.Services {
		names += v.Service.Name + " "
	}
	rs := after.Services[0].RealServers
	if names != echo.Name+" other " || len(rs) != 1 || rs[0].Weight != 7 || len(after.retired) != 1 {
		t.Errorf("after the change %+v", after)
	}
}

// TestSilenceIsSeen: a service whose VIP alone is announced no more has another view.
func TestSilenceIsSeen(t *testing.T) {
	s := twoArm
	web := s.web(modes.NAT, 1)
	b := newBed(t, s, s.serving(web))
	web.Silent = true
	b.apply(s.serving(web))
	if v := b.engine.Report().Services[0]; !v.Service.Silent || v.Announced {
		t.Errorf("%+v", v)
	}
}

// TestReleasedServersDoNotCount: a reader that read a service before one of its real servers was
// released must read it again: the id counts for another real server now.
func TestReleasedServersDoNotCount(t *testing.T) {
	s := twoArm
	web, echo, now := s.web(modes.NAT, 2), s.echo(modes.NAT, 1), time.Now()
	b := newBed(t, s, s.serving(web))
	live := b.engine.snap.Load().order[0].live
	old := live.view.Load()
	b.applyAt(s.serving(weighted(web, 0, 3)), now)
	if !old.counts(live.view.Load()) {
		t.Error("another weight makes the counts those of others")
	}
	fewer := web
	fewer.RealServers = web.RealServers[:1]
	b.applyAt(s.serving(fewer), now)
	if !old.counts(live.view.Load()) {
		t.Error("a removed real server's id counts for others at once")
	}
	b.applyAt(s.serving(fewer, echo), now.Add(forgetAfter))
	b.fromClient(udp(client, echoVIP, "?"))
	b.collectAll()
	b.wait(100)
	if r := b.engine.reportView(old); r.Connections != 1 || b.engine.registry.reuses != 1 {
		t.Fatalf("%+v: the id was not given out again", r)
	}
	if old.counts(live.view.Load()) {
		t.Error("the counts of a released real server are taken for its own")
	}
	if r := b.engine.Report(); r.Services[0].Connections != 0 || r.Services[1].Connections != 1 {
		t.Errorf("%+v", r.Services)
	}
}

// TestRemovedServiceDoesNotCount: the same, if the service was removed and is forgotten.
func TestRemovedServiceDoesNotCount(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	live, now := b.engine.snap.Load().order[0].live, time.Now()
	old := live.view.Load()
	b.applyAt(s.serving(), now)
	b.applyAt(s.serving(), now.Add(forgetAfter))
	if b.engine.registry.services[live.id] != nil || old.counts(live.view.Load()) {
		t.Error("the counts of a forgotten service are taken for its own")
	}
	if _, ok := b.engine.reportService(live); ok {
		t.Error("a forgotten service is reported")
	}
}

// TestSocketsAreForgotten: a socket lists the real servers of all services that share it, and is
// forgotten with the last of them.
func TestSocketsAreForgotten(t *testing.T) {
	s := twoArm
	one, two, now := s.echo(modes.FullNAT, 1), s.echo(modes.FullNAT, 1), time.Now()
	two.Name, two.Address = "two", at4(vipAlone+":81")
	b := newBed(t, s, s.serving(one, two))
	socket := b.engine.registry.sockets[endKey(one.serverID(0))]
	shared := *socket.servers.Load()
	b.fromClient(udp(client, echoVIP, "?"), udp(client, vipAlone+":81", "?"))
	b.collectAll()
	for _, server := range shared {
		if n := server.sharedSessions(); n != 2 {
			t.Errorf("%v: %d sessions share the socket, want 2", server.id, n)
		}
	}
	b.worker.sessions.EndAll()
	for i, want := range []int{2, 1, 1, 0} {
		b.applyAt(s.serving([]Service{one}[:max(0, 1-i/2)]...), now)
		now = now.Add(forgetAfter)
		if n := len(*socket.servers.Load()); n != want {
			t.Errorf("step %d: %d real servers share the socket, want %d", i, n, want)
		}
	}
	if n := len(b.engine.registry.sockets); len(shared) != 2 || n != 0 {
		t.Errorf("%d real servers shared the socket; %d sockets are left", len(shared), n)
	}
}
