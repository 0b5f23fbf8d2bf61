package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// alone makes a service schedule each datagram on its own.
func (s Service) alone() Service {
	s.OnePacket = true
	return s
}

// eachLoneMode runs a test in every mode and topology that one-packet scheduling may have.
func eachLoneMode(t *testing.T, test func(*testing.T, site, modes.Mode)) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		if m.Source() != lvs.Local {
			test(t, s, m)
		}
	})
}

// arrives expects a datagram of a client at the i-th real server.
func (b *bed) arrives(m modes.Mode, i int, p pkt, tunnel uint16) {
	b.Helper()
	path := path{
		bed: b, mode: m, vip: p.dst, client: p.src, source: p.src, tunnel: tunnel,
		server: netip.AddrPortFrom(b.site.servers[i].addr, serverPort(m, p.dst)),
	}
	b.toServer(i, path.inbound(p))
}

// TestOnePacket: datagrams of one flow go to one real server after the other. Each counts as a
// connection, and nothing is left of it.
func TestOnePacket(t *testing.T) {
	eachLoneMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.echo(m, 3).alone()))
		question := udp(client, echoVIP, "question")
		for i := range 6 {
			tunnel := b.worker.outerID + 1
			b.fromClient(question)
			b.arrives(m, 2-i%3, question, tunnel)
			b.connections(0, i%3, 0, 0)
		}
		b.sessions(0)
		b.dropped("")
		size := uint64(len(s.in(question).ip()))
		for i := range 3 {
			if got := b.worker.roads[i].traffic; got.Connections != 2 || got.InPackets != 2 ||
				got.InBytes != 2*size {
				t.Errorf("real server %d counted %+v", i, got)
			}
		}
	})
}

// TestNoAnswerToOnePacket: an answer finds no session. It is dropped in nat as any other packet
// that goes by, and the real server is asked again all the same.
func TestNoAnswerToOnePacket(t *testing.T) {
	for _, s := range sites {
		b := newBed(t, s, s.serving(s.echo(modes.NAT, 1).alone()))
		question := udp(client, echoVIP, "question")
		b.fromClient(question)
		b.arrives(modes.NAT, 0, question, 0)
		asked := pkt{src: question.src, dst: netip.AddrPortFrom(s.servers[0].addr, 8007), protocol: question.protocol}
		if s.is6 {
			asked.src = sixPort(asked.src)
		}
		b.fromServer(0, asked.reply("", "answer"))
		b.quiet()
		b.dropped("not_ours=1")
	}
}

// TestLoneFragments go where the first of their datagram went, in every order, with other datagrams
// of the flow in between.
func TestLoneFragments(t *testing.T) {
	eachLoneMode(t, func(t *testing.T, s site, m modes.Mode) {
		for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}} {
			b := newBed(t, s, s.serving(s.echo(m, 3).alone()))
			whole := udp(client, echoVIP, strings.Repeat("0123456789", 300))
			for server := 2; server >= 0; server-- {
				whole.id++
				var sent [][]byte
				for _, i := range order {
					b.receive(s.front, ethernet(s.gateway.mac, s.own(s.front).mac,
						s.in(whole).etherType(), fragmentsOf(s.in(whole), 1200)[i]))
					got := collect(b.ports[s.back])
					sent = append(sent, got...)
					if len(got) > 0 { // the pick after the next is this datagram's again
						b.fromClient(udp(client, echoVIP, "?"), udp(client, echoVIP, "?"))
						b.fromClient(udp(client, echoVIP, "?"))
						collect(b.ports[s.back])
					}
				}
				b.reached(server, whole, m, sent)
			}
			b.sessions(0)
			b.dropped("")
		}
	})
}

// reached expects three fragments at a real server, which are the datagram.
func (b *bed) reached(server int, whole pkt, m modes.Mode, sent [][]byte) {
	b.Helper()
	if len(sent) != 3 {
		b.Fatalf("%d of 3 fragments arrive; dropped %s", len(sent), b.drops())
	}
	for i, f := range sent {
		if packet.Ethernet(f).Dst() != b.site.servers[server].mac {
			b.Fatalf("fragment %d is not at real server %d:\n%s", i, server, dump(f))
		}
	}
	if m != modes.IPIP {
		p := path{bed: b, mode: m, source: whole.src, server: netip.AddrPortFrom(b.site.servers[server].addr, 8007)}
		if got, want := reassembled(b, sent), string(p.inbound(whole).payload); got != want {
			b.Fatal("the datagram is another")
		}
	}
}

// TestLoneFragmentsOfManyWorkers: NICs spread fragments by addresses, so that the first one goes on
// to another worker.
func TestLoneFragmentsOfManyWorkers(t *testing.T) {
	s := twoArm
	for _, m := range []modes.Mode{modes.DR, modes.NAT} {
		b := newBed(t, s, s.serving(s.echo(m, 3).alone()), crowd(4), spreading(t, 4, byFlow))
		to := map[uint16]packet.MAC{}
		for i := range 60 {
			p := udp(clientAt(7*i), echoVIP, strings.Repeat("0123456789", 10)).with(func(p *pkt) {
				p.id = uint16(i + 1)
			})
			pieces := fragmentsOf(p, 24)
			if i%2 == 1 {
				slices.Reverse(pieces)
			}
			for _, f := range pieces {
				b.receive(0, ethernet(s.gateway.mac, s.ports[0].mac, layers.EthernetTypeIPv4, f))
			}
			got := collect(b.ports[s.back])
			if len(got) != len(pieces) {
				t.Fatalf("%d of %d fragments; dropped %s", len(got), len(pieces), b.drops())
			}
			for _, f := range got {
				if to[p.id] == (packet.MAC{}) {
					to[p.id] = packet.Ethernet(f).Dst()
				}
				if packet.Ethernet(f).Dst() != to[p.id] {
					t.Fatalf("%v: datagram %d is at two real servers", m, i)
				}
			}
		}
		handedOver := func(w *Worker) bool { return totalsOf(w).HandedOver > 0 }
		if !slices.ContainsFunc(b.engine.workers, handedOver) {
			t.Errorf("%v: no fragment was handed over", m)
		}
		b.sessions(0)
		b.dropped("")
	}
}

// TestLoneFragmentsOfRemoved: a datagram whose real server was removed or changed its mode after
// the first fragment.
func TestLoneFragmentsOfRemoved(t *testing.T) {
	s := twoArm
	for change, want := range map[string]string{
		"none": "", "service removed": "real_server_gone=1", "mode": "", "sessions again": "",
	} {
		v := s.echo(modes.DR, 1).alone()
		b := newBed(t, s, s.serving(v))
		pieces := fragmentsOf(udp(client, echoVIP, strings.Repeat("0123456789", 200)), 1200)
		send := func(i int) {
			b.receive(0, ethernet(s.gateway.mac, s.ports[0].mac, layers.EthernetTypeIPv4, pieces[i]))
		}
		send(0)
		first := collect(b.ports[s.back])
		switch change {
		case "service removed":
			b.apply(s.serving())
		case "mode":
			v.RealServers[0].Mode = lvs.Own(modes.IPIP)
			b.apply(s.serving(v))
		case "sessions again":
			v.OnePacket = false
			b.apply(s.serving(v))
		}
		send(1)
		sent := append(first, collect(b.ports[s.back])...)
		b.dropped(want)
		if want != "" {
			continue
		}
		if got, whole := reassembled(t, sent), strings.Repeat("0123456789", 200); got != whole {
			t.Errorf("%s: the datagram is another", change)
		}
	}
}

// TestLoneDatagramWaits: it waits for its real server's MAC like any other packet, and needs no
// session for that.
func TestLoneDatagramWaits(t *testing.T) {
	eachLoneMode(t, func(t *testing.T, s site, m modes.Mode) {
		n := s.serving(s.echo(m, 1).alone())
		n.Neighbours = n.Neighbours[:2]
		b := newBed(t, s, n)
		b.collectAll()
		question := udp(client, echoVIP, "question")
		tunnel := b.worker.outerID + 1
		b.fromClient(question)
		if got := b.totals().Held; got != 1 {
			t.Fatalf("%d packets wait", got)
		}
		b.sessions(0)
		b.connections(0, 0, 0, 0)
		b.collectAll()
		if s.is6 {
			b.receive(s.back, advertises(s.servers[0], s.ports[s.back]))
		} else {
			b.receive(s.back, isAt(s.servers[0], s.ports[s.back]))
		}
		b.arrives(m, 0, question, tunnel)
		b.dropped("")
	})
}

// TestLoneDatagramsNeedNoPlace: neither a full table nor the limit of the service concerns them,
// nor a session that has their flow behind the director.
func TestLoneDatagramsNeedNoPlace(t *testing.T) {
	s := twoArm
	for _, m := range []modes.Mode{modes.DR, modes.NAT, modes.IPIP} {
		v, other := s.echo(m, 1), s.echo(m, 1)
		v.MaxSessions = 1
		other.Address = at4("10.0.0.100:9")
		if m == modes.NAT {
			other.RealServers = v.RealServers
		}
		b := newBed(t, s, s.serving(v, other), func(c *bedConfig) { c.sessions = 2 })
		proven := func(from, vip string) {
			b.fromClient(udp(from, vip, "?"), udp(from, vip, "?"))
			if m == modes.NAT {
				asked := pkt{src: at4(from), dst: v.RealServers[0].Address, protocol: packet.ProtocolUDP}
				b.fromServer(0, asked.reply("", "!"), asked.reply("", "!"))
			}
		}
		proven(client, "10.0.0.100:9")
		proven("192.168.5.8:4000", echoVIP)
		b.sessions(2)
		b.apply(s.serving(v.alone(), other))
		b.collectAll()
		for range 3 { // of a flow that the first session has behind the director in nat
			b.fromClient(udp(client, echoVIP, "question"))
		}
		if got := len(collect(b.ports[s.back])); got != 3 {
			t.Errorf("%v: %d of 3 datagrams; dropped %s", m, got, b.drops())
		}
		b.sessions(2)
		b.dropped("")
	}
}

// TestOnePacketAtTheThreshold: a connection that is over counts no more.
func TestOnePacketAtTheThreshold(t *testing.T) {
	v := twoArm.echo(modes.DR, 1).alone()
	v.RealServers[0].UpperThreshold = 1
	for _, scheduler := range lvs.Schedulers() {
		v.Scheduler = scheduler
		b := newBed(t, twoArm, twoArm.serving(v))
		for range 3 {
			b.fromClient(udp(client, echoVIP, "?"))
		}
		b.dropped("")
	}
}

// TestServiceOfSessionsBecomesOnePacket, as in the kernel: sessions go on, with the answers in nat,
// and new flows have none. When it keeps sessions again, the next datagram begins one.
func TestServiceOfSessionsBecomesOnePacket(t *testing.T) {
	eachLoneMode(t, func(t *testing.T, s site, m modes.Mode) {
		v := s.echo(m, 1)
		b := newBed(t, s, s.serving(v))
		p := b.begin(m, udp(client, echoVIP, "question"))
		if err := b.engine.Change(Change{Put: []Service{v.alone()}}); err != nil {
			t.Fatal(err)
		}
		b.turn()
		p.sends(udp(client, echoVIP, "again"))
		p.answers("", "answer")
		b.fromClient(udp("192.168.5.9:4001", echoVIP, "alone"))
		b.collectAll()
		b.sessions(1)
		b.wait(302_000)
		b.sessions(0)
		b.fromClient(udp(client, echoVIP, "alone"))
		b.sessions(0)
		b.apply(s.serving(v))
		b.fromClient(udp(client, echoVIP, "a session"))
		b.sessions(1)
		b.dropped("")
	})
}

// TestOnePacketPersists: a template is honoured, restarted by each datagram, and confirmed by the
// second, so that invented sources that send one each do not end it.
func TestOnePacketPersists(t *testing.T) {
	eachLoneMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, s.serving(s.echo(m, 3).kept().alone()),
			func(c *bedConfig) { c.templates = 50 })
		stays(b, echoVIP, func(from, to string) pkt { return udp(from, to, "?") })
		b.fromClient(udp(client, echoVIP, "?"))
		want := b.serverOf()
		for i := range 300 {
			b.fromClient(udp(clientAt(i*251), echoVIP, "?"))
		}
		b.collectAll()
		b.fromClient(udp(client, echoVIP, "?"))
		if got := b.serverOf(); got != want {
			t.Errorf("the client goes to real server %d, not %d", got, want)
		}
		if n := b.engine.Report().Templates; n.GaveWay == 0 || n.Refused != 0 {
			t.Errorf("%+v", n)
		}
		b.sessions(0)
		b.dropped("")
	})
}

// TestErrorsAboutOnePacket: an ICMP error finds no session, neither one about the question nor one
// about the answer.
func TestErrorsAboutOnePacket(t *testing.T) {
	s := twoArm
	for _, m := range []modes.Mode{modes.DR, modes.NAT, modes.IPIP} {
		b := newBed(t, s, s.serving(s.echo(m, 1).alone()))
		question := udp(client, echoVIP, "question")
		b.fromClient(question)
		b.collectAll()
		about := question.reply("", "answer")
		p := icmp("172.20.0.1", vipAlone, packet.ICMPUnreachable, 1, 0, nil)
		p.about = &about
		b.fromClient(p)
		b.quiet()
		b.dropped("icmp_error=1")
	}
}

// TestNoAllocsForOnePacket: no burst allocates, and none leaves a session.
func TestNoAllocsForOnePacket(t *testing.T) {
	for _, m := range allModes {
		if m.Source() == lvs.Local {
			continue
		}
		for _, v := range []Service{twoArm.echo(m, 3).alone(), twoArm.echo(m, 3).kept().alone()} {
			b := newBed(t, twoArm, twoArm.serving(v))
			s := newSalvo(b)
			f := b.fromClients(udp(client, echoVIP, "?"), 0)
			s.noAllocs(func(n int) {
				for i := range ports.MaxBurst {
					setSource(f, uint16(1000+n*ports.MaxBurst+i))
					s.load(i, f)
				}
			})
			b.sessions(0)
			b.dropped("")
			s.end()
		}
	}
}

// TestOnlyUDPIsAlone: the echo requests of a one-packet service have sessions as ever.
func TestOnlyUDPIsAlone(t *testing.T) {
	for _, s := range sites {
		v := s.echo(modes.NAT, 1).alone()
		v.Echo = false
		b := newBed(t, s, s.serving(v))
		b.fromClient(echoRequest("192.168.5.9", vipAlone))
		b.sessions(1)
	}
}

// TestFragmentNotes: what is noted comes back.
func TestFragmentNotes(t *testing.T) {
	for _, id := range []uint32{0, 1, maxServers - 1} {
		for m := range lvs.NumModes {
			server, mode, ok := noteOfLone(id, m).lone()
			if !ok || server != id || mode != m {
				t.Errorf("%d and %v come back as %d and %v, %t", id, m, server, mode, ok)
			}
		}
	}
	for _, number := range []int{0, 127} {
		n := noteOfWorker(number)
		if _, _, ok := n.lone(); ok || n == 0 || n.worker() != number {
			t.Error(fmt.Sprint("worker ", number, " comes back as ", n.worker()))
		}
	}
}
