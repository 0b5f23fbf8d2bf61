package engine

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"fulcrum/lvs"
	"fulcrum/modes"
)

// applyAt applies settings as if at another time.
func (b *bed) applyAt(n Settings, now time.Time) {
	b.Helper()
	b.engine.applyAt(n, now)
	b.turn()
	b.announced()
}

// comingAndGoing is a service whose only real server has its i-th address.
func comingAndGoing(s site, i int) Settings {
	v := s.web(modes.NAT, 1)
	v.RealServers[0].Address = netip.AddrPortFrom(s.servers[0].addr, uint16(8000+i))
	return s.serving(v)
}

// serverID is the identity of a service's i-th real server.
func (s *Service) serverID(i int) lvs.RealServerID {
	return lvs.RealServerID{Service: s.ID(), Address: s.RealServers[i].Address}
}

// TestRealServersThatNeverComeBack: real servers that come, serve and go for ever take no more ids
// than are needed at one time. The counts of their service do not go back.
func TestRealServersThatNeverComeBack(t *testing.T) {
	s := twoArm
	b := newBed(t, s, comingAndGoing(s, 0))
	now := time.Now()
	for i := range 40 {
		b.applyAt(comingAndGoing(s, i), now)
		for j := range 3 {
			b.fromClient(tcp(clientAt(3*i+j), webVIP, "S"))
		}
		b.wait(61_000) // SYN_RECV's timeout, and then publication
		r := b.engine.Report().Services[0]
		if r.Connections != uint64(3*(i+1)) || r.InPackets != r.Connections || r.RealServers[0].Connections != 3 {
			t.Fatalf("after %d: %+v", i+1, r)
		}
		now = now.Add(forgetAfter)
	}
	if n := len(b.engine.registry.live); n > 3 {
		t.Errorf("%d ids", n)
	}
}

// TestServicesThatNeverComeBack: the registry forgets services and real servers that have been gone
// for long.
func TestServicesThatNeverComeBack(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	now := time.Now()
	for i := range 20 {
		v := s.web(modes.NAT, 2)
		v.Address = netip.AddrPortFrom(v.Address.Addr(), uint16(1000+i))
		b.applyAt(s.serving(v), now)
		now = now.Add(forgetAfter)
	}
	r := b.engine.registry
	servers := 0
	for _, s := range r.services {
		servers += len(s.servers)
	}
	if len(r.live) > 8 || servers > 8 || len(r.services) > 3 || len(r.vips) > 1 {
		t.Errorf("%d ids, %d real servers, %d services, %d VIPs", len(r.live), servers, len(r.services), len(r.vips))
	}
}

// TestIDsOfSessionsAreKept: a real server with a session keeps its id however long it is gone, so
// that the session does not count for another one. It may come back to the id.
func TestIDsOfSessionsAreKept(t *testing.T) {
	s := twoArm
	b := newBed(t, s, comingAndGoing(s, 0))
	b.fromClient(tcp(client, webVIP, "S"), tcp(client, webVIP, "A"))
	now := time.Now()
	for i := 1; i < 5; i++ {
		now = now.Add(2 * forgetAfter)
		b.applyAt(comingAndGoing(s, i), now)
	}
	b.fromClient(tcp(client, webVIP, "A"))
	b.dropped("real_server_gone=1")
	b.applyAt(comingAndGoing(s, 0), now)
	b.fromClient(tcp(client, webVIP, "A"))
	b.wait(100)
	if r := b.engine.Report().Services[0]; r.RealServers[0].Connections != 1 || r.RealServers[0].InPackets != 3 || r.RealServers[0].Active != 1 {
		t.Errorf("%+v", r)
	}
}

// TestSessionsAreCountedWhileIDsAreForgotten: a drain may ask for the number of sessions while a
// change of the configuration forgets ids.
func TestSessionsAreCountedWhileIDsAreForgotten(t *testing.T) {
	s := twoArm
	b := newBed(t, s, comingAndGoing(s, 0))
	web, now := comingAndGoing(s, 0).Services[0], time.Now()
	changed := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for {
			select {
			case <-changed:
				return
			default:
				b.engine.SessionsOf(web.serverID(0))
			}
		}
	})
	for i := range 200 {
		now = now.Add(forgetAfter)
		b.engine.applyAt(comingAndGoing(s, i), now)
	}
	close(changed)
	asking.Wait()
}

// TestEndingSparesWhoGetsTheID: EndSessions goes over the table piece by piece. Meanwhile the id
// may go to another real server, whose sessions go on.
func TestEndingSparesWhoGetsTheID(t *testing.T) {
	s := twoArm
	b := newBed(t, s, comingAndGoing(s, 0))
	web, now := comingAndGoing(s, 0).Services[0], time.Now()
	load := b.engine.registry.find(web.serverID(0))
	b.applyAt(comingAndGoing(s, 1), now)
	b.applyAt(comingAndGoing(s, 2), now.Add(forgetAfter))
	b.fromClient(tcp(client, webVIP, "S"))
	if id := b.worker.sessions.At(0).Server; load == nil || id != 0 {
		t.Fatalf("load %v, then id %d: it was not given out again", load, id)
	}
	if ended, _, _ := b.worker.endSessions(load, 0); ended != 0 {
		t.Error("a stranger's session ended")
	}
}

// TestSharedSocketIsForgottenOnce: a real server of two services answers the clients of both. After
// one service is forgotten, answers to clients of the other still find their workers.
func TestSharedSocketIsForgottenOnce(t *testing.T) {
	s := twoArm
	web, other, now := s.web(modes.NAT, 1), s.web(modes.NAT, 1), time.Now()
	other.Address = netip.AddrPortFrom(at4(vipAlone).Addr(), 81)
	other.RealServers[0] = web.RealServers[0]
	b := newBed(t, s, s.serving(web, other))
	end := endKey(other.serverID(0))
	for step, all := range [][]Service{{web}, {web}, {web, other}, {other}, {other}, {}, {}} {
		b.applyAt(s.serving(all...), now)
		now = now.Add(forgetAfter)
		_, known := b.engine.snap.Load().clientEnds.get(end)
		if want := step < 6; known != want {
			t.Errorf("step %d: known %v", step, known)
		}
	}
	if n := len(b.engine.registry.ends); n != 0 {
		t.Errorf("%d sockets are left", n)
	}
}

// TestTooManyRealServers: a change without enough ids changes nothing, and the workers never meet
// an id out of bounds. Forgotten ids are free for others.
func TestTooManyRealServers(t *testing.T) {
	s := twoArm
	web, now := s.web(modes.NAT, 3), time.Now()
	b := newBed(t, s, s.serving(web))
	b.engine.registry.most = 4
	snap, pool := b.engine.snap.Load(), b.poolOf(0)
	other := s.echo(modes.NAT, 2)
	lighter := weighted(web, 0, 0)
	for what, err := range map[string]error{
		"apply":  b.engine.Apply(s.serving(lighter, other)),
		"change": b.engine.Change(Change{[]Service{lighter, other}, []lvs.ServiceID{web.ID()}}),
	} {
		numbers := "2 are new, and there is room for 1"
		if !errors.Is(err, ErrManyServers) || !strings.Contains(err.Error(), numbers) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	if b.engine.snap.Load() != snap || b.poolOf(0) != pool {
		t.Fatal("it changed something")
	}
	fewer := web
	fewer.RealServers = web.RealServers[:2]
	if err := b.engine.applyAt(s.serving(fewer), now); err != nil {
		t.Fatal(err)
	}
	err := b.engine.changeAt(Change{Put: []Service{other}}, now)
	if !errors.Is(err, ErrManyServers) {
		t.Fatalf("error %v, though the third real server is remembered", err)
	}
	if err := b.engine.changeAt(Change{Put: []Service{other}}, now.Add(forgetAfter)); err != nil {
		t.Fatal(err)
	}
}

// TestRoomIsWhatWorkersReserve: there is memory for the last id.
func TestRoomIsWhatWorkersReserve(t *testing.T) {
	b := newBed(t, oneArm, oneArm.settings())
	last := b.engine.registry.most - 1
	b.worker.peers[last].turn++
	b.worker.published.servers[last].traffic[0].Add(1)
	if b.engine.counted(uint32(last)).Connections != 1 {
		t.Error("nothing was counted")
	}
}

// TestEndOfALateSession: the counts of a real server's last session are its own, even if the
// session ends before they are published: the id is given out again later than that.
func TestEndOfALateSession(t *testing.T) {
	s := twoArm
	b := newBed(t, s, comingAndGoing(s, 0))
	b.fromClient(tcp(client, webVIP, "S"))
	b.wait(100)
	now := time.Now()
	b.applyAt(comingAndGoing(s, 1), now)
	b.applyAt(comingAndGoing(s, 2), now.Add(forgetAfter)) // still has the session
	b.worker.sessions.EndAll()
	b.applyAt(comingAndGoing(s, 3), now.Add(forgetAfter+forgetEvery))
	if r := b.engine.registry; r.live[0].id.Address.Port() != 8000 {
		t.Errorf("its id is that of %v already", r.live[0].id)
	}
}

// TestCountsOfALateSession: a service keeps all that the last session of a removed real server has
// counted, even if nothing changed before the session ended, and the id is given out right then.
func TestCountsOfALateSession(t *testing.T) {
	s := twoArm
	b := newBed(t, s, comingAndGoing(s, 0))
	now := time.Now()
	b.fromClient(tcp(client, webVIP, "S"))
	b.applyAt(comingAndGoing(s, 1), now)
	b.turn()
	b.worker.sessions.EndAll()
	b.applyAt(comingAndGoing(s, 2), now.Add(2*forgetAfter))
	if r := b.engine.registry; r.live[0].id.Address.Port() == 8000 {
		t.Error("the id was not given out again")
	}
	if web := b.engine.Report().Services[0]; web.Connections != 1 || web.InPackets != 1 {
		t.Errorf("the service kept %+v", web.Traffic)
	}
}

// TestReportOfARemovedService: a report that began before a service was removed leaves the service
// out.
func TestReportOfARemovedService(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1), s.echo(modes.NAT, 1)))
	old := b.engine.snap.Load()
	web := s.web(modes.NAT, 1)
	b.engine.Change(Change{Remove: []lvs.ServiceID{web.ID()}})
	b.engine.snap.Store(old) // as if the report had read it just before
	if r := b.engine.Report(); len(r.Services) != 1 || r.Services[0].Service.ID() == web.ID() {
		t.Errorf("%+v", r.Services)
	}
}

// TestReportAfterClose: Report may still be called after Close.
func TestReportAfterClose(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	reporting := make(chan struct{})
	go func() {
		defer close(reporting)
		for range 1000 {
			b.engine.Report()
		}
	}()
	b.close()
	<-reporting
	if r := b.engine.Report(); len(r.Services) != 1 {
		t.Errorf("%+v", r)
	}
}
