package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// kept makes a service persistent.
func (s Service) kept() Service {
	s.Persistence, s.PersistenceMask = 5*time.Minute, s.Address.Addr().BitLen()
	return s
}

// sip is echo, where each SIP call stays with its real server.
func (s *site) sip(m modes.Mode, servers int) Service {
	v := s.echo(m, servers).kept()
	v.PersistenceEngine = lvs.EngineSIP
	return v
}

// message is a SIP message of a call.
func message(call string) string {
	return "MESSAGE sip:bob@biloxi.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33\r\nCall-ID: " + call +
		"\r\nContent-Length: 0\r\n\r\n"
}

// serverOf returns the real server that the only frame sent goes to.
func (b *bed) serverOf() int {
	b.Helper()
	got := collect(b.ports[b.site.back])
	if len(got) == 1 {
		for i := range b.site.servers {
			if packet.Ethernet(got[0]).Dst() == b.site.servers[i].mac {
				return i
			}
		}
	}
	b.Fatalf("%d frames to real servers; dropped %s", len(got), b.drops())
	return -1
}

// Every mode, both families, every protocol's first packets, and all workers: a client stays with
// its real server, and another goes on to the next.
func TestPersistence(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		for name, workers := range map[string]int{"one worker": 1, "three": 3} {
			t.Run(name, func(t *testing.T) {
				b := newBed(t, s, s.serving(s.web(m, 2).kept(), s.echo(m, 2).kept()),
					func(c *bedConfig) { c.workers = workers })
				stays(b, webVIP, func(from, to string) pkt { return tcp(from, to, "S") })
				stays(b, echoVIP, func(from, to string) pkt { return udp(from, to, "?") })
				b.dropped("")
			})
		}
	})
}

// stays has sessions of two clients begin in turn.
func stays(b *bed, vip string, first func(from, to string) pkt) {
	b.Helper()
	servers := map[string]int{}
	for i := range 6 {
		for _, client := range []string{"192.168.5.9", "192.168.5.8"} {
			b.fromClient(first(client+":"+string(rune('1'+i))+"000", vip))
			got := b.serverOf()
			if want, known := servers[client]; known && got != want {
				b.Fatalf("session %d of %s goes to real server %d, not %d", i, client, got, want)
			}
			servers[client] = got
		}
	}
	if servers["192.168.5.9"] == servers["192.168.5.8"] {
		b.Fatalf("both clients go to real server %d", servers["192.168.5.8"])
	}
}

// A flood of SYNs from invented sources does not move a client that had a connection.
func TestFloodKeepsClients(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 2).kept()),
		func(c *bedConfig) { c.templates = 50 })
	b.fromClient(tcp(client, webVIP, "S"))
	want := b.serverOf()
	b.fromClient(tcp(client, webVIP, "A"))
	b.collectAll()
	for i := range 1500 { // more than sessions and templates
		b.fromClient(tcp(clientAt(i*251), webVIP, "S"))
		b.collectAll()
	}
	for _, port := range []string{":7001", ":7002", ":7003"} {
		b.fromClient(tcp("192.168.5.9"+port, webVIP, "S"))
		if got := b.serverOf(); got != want {
			t.Fatalf("the client goes to real server %d, not %d", got, want)
		}
	}
	n := b.engine.Report().Templates
	if n.Templates != n.Max || n.GaveWay == 0 || n.Refused != 0 {
		t.Errorf("%+v", n)
	}
}

// A real server's count of templates follows them, and ends with them.
func TestTemplatesAreCounted(t *testing.T) {
	s := twoArm
	v := s.web(modes.NAT, 2).kept()
	b := newBed(t, s, s.serving(v))
	for i := range 10 {
		b.fromClient(tcp(clientAt(i*251), webVIP, "S"))
	}
	b.collectAll()
	r := b.engine.Report()
	of := r.Services[0].RealServers
	if r.Templates.Templates != 10 || of[0].Templates != 5 || of[1].Templates != 5 {
		t.Errorf("%+v: %d and %d", r.Templates, of[0].Templates, of[1].Templates)
	}
	b.apply(s.serving(v.without()))
	for range 100 {
		b.wait(publishInterval)
	}
	r = b.engine.Report()
	if of = r.Services[0].RealServers; r.Templates.Templates != 5 || of[0].Templates != 5 {
		t.Errorf("after a removal %+v: %d", r.Templates, of[0].Templates)
	}
}

// A service that is not persistent any more goes by its scheduler.
func TestPersistenceEnds(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 2).kept()))
	b.fromClient(tcp(client, webVIP, "S"))
	b.collectAll()
	b.apply(s.serving(s.web(modes.DR, 2)))
	seen := map[int]bool{}
	for _, port := range []string{":7001", ":7002"} {
		b.fromClient(tcp("192.168.5.9"+port, webVIP, "S"))
		seen[b.serverOf()] = true
	}
	if len(seen) != 2 {
		t.Error("the client still stays with its real server")
	}
}

// Sessions of persistent services allocate nothing, and neither does the sweep.
func TestNoAllocsForPersistence(t *testing.T) {
	for _, m := range allModes {
		t.Run(m.String(), func(t *testing.T) {
			b := newBed(t, twoArm, twoArm.serving(twoArm.web(m, 3).kept()),
				func(c *bedConfig) { c.sessions, c.templates = 10_000, 1000 })
			s := newSalvo(b)
			defer s.end()
			f := b.fromClients(tcp(client, webVIP, "S"), 0)
			s.noAllocs(func(n int) {
				for i := range ports.MaxBurst {
					setSource(f, uint16(1000+n*ports.MaxBurst+i))
					s.load(i, f)
				}
				b.worker.sweepTemplates()
			})
			b.dropped("")
		})
	}
}

// Packets of one burst see what those before them did.
func TestPersistenceInABurst(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.web(modes.DR, 3).kept()))
	var burst []pkt
	for i := range 9 {
		burst = append(burst, tcp("192.168.5.9:"+string(rune('1'+i))+"000", webVIP, "S"))
	}
	b.fromClient(burst...)
	got := collect(b.ports[s.back])
	for i := range got {
		if packet.Ethernet(got[i]).Dst() != packet.Ethernet(got[0]).Dst() {
			t.Errorf("packet %d goes elsewhere than the first", i)
		}
	}
	if n := b.engine.Report().Templates.Templates; len(got) != 9 || n != 1 {
		t.Errorf("%d packets, %d templates", len(got), n)
	}
}

// Every mode and family: an association stays with its client's real server as well.
func TestPersistenceOfSCTP(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		v := s.service(m, packet.ProtocolSCTP, 2).kept()
		b := newBed(t, s, s.serving(v))
		stays(b, webVIP, sctpInit)
		b.dropped("")
	})
}

// Every mode and family, and all workers: the messages of a call go to one real server, from any
// port of their client, and another call of that client to the next one.
func TestSIPCalls(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		for name, workers := range map[string]int{"one worker": 1, "three": 3} {
			t.Run(name, func(t *testing.T) {
				b := newBed(t, s, s.serving(s.sip(m, 2)),
					func(c *bedConfig) { c.workers = workers })
				servers := map[string]int{}
				for i := range 6 {
					for j, call := range []string{"a84b4c76e66710@pc33", "a84b4c76e66711@pc33"} {
						port := 4000 + 2*i + j
						b.fromClient(udp(fmt.Sprint("192.168.5.9:", port), echoVIP, message(call)))
						got := b.serverOf()
						if want, known := servers[call]; known && got != want {
							t.Fatalf("message %d of %s goes to real server %d, not %d", i, call, got, want)
						}
						servers[call] = got
					}
				}
				if servers["a84b4c76e66710@pc33"] == servers["a84b4c76e66711@pc33"] {
					t.Error("both calls go to one real server")
				}
				b.dropped("")
			})
		}
	})
}

// Of a fragmented message the first fragment decides. A Call-ID behind it is not found.
func TestSIPFragments(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		b := newBed(t, s, s.serving(s.sip(modes.DR, 2)))
		for _, p := range []pkt{
			udp("192.168.5.9:4001", echoVIP, message("a@b")+strings.Repeat("x", 1500)),
			udp("192.168.5.9:4002", echoVIP, "BYE sip:x SIP/2.0\r\nTo: "+strings.Repeat("x", 1500)+
				"\r\ni: a@b\r\n\r\n"),
		} {
			p = s.in(p)
			for _, f := range fragmentsOf(p, 1200) {
				b.receive(s.front, ethernet(s.gateway.mac, s.ports[s.front].mac, p.etherType(), f))
			}
		}
		if got := collect(b.ports[s.back]); len(got) != 2 {
			t.Errorf("%s: %d fragments forwarded; want 2", s.name, len(got))
		}
		b.dropped("no_session=1 no_call_id=1") // its other fragment finds nothing
	}
}

// A Call-ID is asked for only where it is needed: for new sessions, and no echo request has one.
func TestSIPEcho(t *testing.T) {
	s := twoArm
	v := s.sip(modes.DR, 1)
	v.Echo = false
	b := newBed(t, s, s.serving(v))
	b.fromClient(echoRequest("192.168.5.9", at4(echoVIP).Addr().String()))
	b.fromClient(udp(client, echoVIP, message("a@b")), udp(client, echoVIP, "\r\n\r\n"))
	if got := collect(b.ports[s.back]); len(got) != 3 {
		t.Errorf("%d packets forwarded; want 3", len(got))
	}
	b.dropped("")
}

// The reading of Call-IDs allocates nothing.
func TestNoAllocsForSIP(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.sip(modes.DR, 3)),
		func(c *bedConfig) { c.sessions, c.templates = 10_000, 1000 })
	s := newSalvo(b)
	defer s.end()
	f := b.fromClients(udp(client, echoVIP, message("a84b4c76e66710@pc33.atlanta.com")), 0)
	s.noAllocs(func(n int) {
		for i := range ports.MaxBurst {
			setSource(f, uint16(1000+n*ports.MaxBurst+i))
			s.load(i, f)
		}
	})
	b.dropped("")
}
