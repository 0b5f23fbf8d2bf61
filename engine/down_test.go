package engine

import (
	"testing"

	"fulcrum/lvs"
	"fulcrum/modes"
)

// down takes a service's i-th real server out of its pool.
func down(s Service, i int) Service {
	s.RealServers = append([]RealServer(nil), s.RealServers...)
	s.RealServers[i].Down = true
	return s
}

// A real server that is down gets no new sessions, those that it has go on, and nothing but the
// pool changes. When it is up again it gets sessions as before.
func TestDown(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		web := s.web(m, 3)
		b := newBed(t, s, s.serving(weighted(weighted(web, 1, 0), 2, 0)))
		p := b.begin(m, tcp(client, webVIP, "S"))
		p.answers("SA", "")
		p.sends(tcp(client, webVIP, "A"))
		snap := b.engine.snap.Load()
		b.engine.Change(Change{Put: []Service{down(web, 0)}})
		b.turn()
		b.quiet()
		p.sends(tcp(client, webVIP, "A"))
		for i := range 6 {
			b.fromClient(tcp(clientAt(i), webVIP, "S"))
		}
		b.collectAll()
		b.wait(publishInterval)
		r := b.engine.Report().Services[0]
		if !r.RealServers[0].Down || r.RealServers[0].Connections != 1 || r.RealServers[1].Down || r.RealServers[0].Weight != 1 {
			t.Errorf("%+v", r.RealServers)
		}
		b.engine.Change(Change{Put: []Service{web}})
		b.turn()
		b.fromClient(tcp(clientAt(7), webVIP, "S"))
		b.goesTo(0)
		if b.engine.snap.Load() != snap {
			t.Error("another snapshot")
		}
		b.dropped("")
	})
}

// Schedulers that hash take a real server that is down for removed: its clients, and only they, go
// where they would if it were not there. With weight 0 they are refused.
func TestDownIsNotWeightZero(t *testing.T) {
	s := twoArm
	for _, scheduler := range []lvs.Scheduler{lvs.SH, lvs.DH, lvs.MH} {
		picks := func(v Service) (all []int) {
			v.Scheduler = scheduler
			b := newBed(t, s, s.serving(v))
			for i := range 40 {
				b.fromClient(tcp(clientAt(i), webVIP, "S"))
				got := collect(b.ports[b.site.back])
				all = append(all, -1)
				for j := range b.site.servers {
					if len(got) == 1 && string(got[0][:6]) == string(b.site.servers[j].mac[:]) {
						all[i] = j
					}
				}
			}
			b.collectAll()
			return all
		}
		web := s.web(modes.NAT, 3)
		isDown, isGone, isZero := picks(down(web, 0)), picks(web.without()), picks(weighted(web, 0, 0))
		refused := 0
		for i := range isDown {
			if isDown[i] != isGone[i] || isDown[i] < 1 {
				t.Errorf("%v: client %d goes to %d, and to %d if the first is removed", scheduler, i, isDown[i], isGone[i])
			}
			if isZero[i] < 0 {
				refused++
			}
		}
		if refused == 0 && scheduler == lvs.SH { // to the others one without weight ever is not there
			t.Errorf("%v: weight 0 refuses no client", scheduler)
		}
	}
}

// Persistent clients leave a real server that is down, and stay with the next one.
func TestPersistentClientsLeaveDown(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		web := s.web(m, 2).kept()
		b := newBed(t, s, s.serving(web))
		b.fromClient(tcp("192.168.5.9:1000", webVIP, "S"))
		first := b.serverOf()
		b.engine.Change(Change{Put: []Service{down(web, first)}})
		b.turn()
		b.fromClient(tcp("192.168.5.9:1001", webVIP, "S"))
		if got := b.serverOf(); got == first {
			t.Error("the client stays")
		}
		b.engine.Change(Change{Put: []Service{web}})
		b.turn()
		b.fromClient(tcp("192.168.5.9:1002", webVIP, "S"))
		if got := b.serverOf(); got == first {
			t.Error("the client moves back")
		}
	})
}

// A client that repeats its SYN reaches another real server; one that is connected stays.
func TestNextSYNLeavesDown(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		web := s.web(m, 2)
		b := newBed(t, s, s.serving(web))
		b.fromClient(tcp("192.168.5.9:1000", webVIP, "S"))
		first := b.serverOf()
		b.engine.Change(Change{Put: []Service{down(web, first)}})
		b.turn()
		b.fromClient(tcp("192.168.5.9:1000", webVIP, "S"))
		if got := b.serverOf(); got == first {
			t.Error("the SYN does not leave")
		}
		b.sessions(1)
		b.dropped("")
	})
}

// With all real servers down, clients hear what they hear without any.
func TestAllDown(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(down(down(s.web(modes.NAT, 2), 0), 1)))
	b.fromClient(tcp(client, webVIP, "S"))
	b.collectAll()
	b.dropped("no_real_server=1")
}
