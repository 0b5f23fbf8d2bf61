package engine

import (
	"net/netip"
	"slices"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
)

// sources starts n fullnat sessions and returns how many came from each local address and port at
// each real server.
func (b *bed) sources(n int) map[[2]netip.AddrPort]int {
	b.Helper()
	seen := map[[2]netip.AddrPort]int{}
	for i := range n {
		b.deliver(0, udp(clientAt(i), echoVIP, "?").frame(b.site.gateway.mac, b.site.ports[0].mac))
		if i%ports.MaxBurst == ports.MaxBurst-1 || i == n-1 {
			b.turn()
			for _, f := range b.ports[b.site.back].Collect(0) {
				src, dst := flowOf(f)
				seen[[2]netip.AddrPort{src, dst}]++
			}
		}
	}
	return seen
}

func TestLocalPortsAreUniquePerRealServer(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.echo(modes.FullNAT, 3)))
	seen := b.sources(900)
	if len(seen) != 900 {
		t.Fatalf("%d different flows for 900 sessions; dropped %s", len(seen), b.drops())
	}
	byAddress := map[netip.Addr]int{}
	for flow := range seen {
		byAddress[flow[0].Addr()]++
	}
	if byAddress[s.local[0]] != 450 || byAddress[s.local[1]] != 450 {
		t.Fatalf("local addresses used unevenly: %v", byAddress)
	}
}

// One local address and port serves as many sessions as there are real servers.
func TestLocalPortIsUsedForEveryRealServer(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.echo(modes.FullNAT, 2)))
	b.worker.peers[0].turn, b.worker.peers[1].turn = 77, 77
	seen := b.sources(2)
	var local []netip.AddrPort
	for flow := range seen {
		local = append(local, flow[0])
	}
	if len(local) != 2 || local[0] != local[1] {
		t.Fatalf("sessions with two real servers come from %v, want one and the same", local)
	}
}

// Two services with the same real server and local addresses share its ports: the search skips
// taken ports.
func TestServicesShareARealServersPorts(t *testing.T) {
	s := twoArm
	one, two := s.echo(modes.FullNAT, 1), s.echo(modes.FullNAT, 1)
	two.Address = at4(vipAlone + ":8")
	b := newBed(t, s, s.serving(one, two))
	b.worker.peers[0].turn, b.worker.peers[1].turn = 10, 10
	flows := map[netip.AddrPort]bool{}
	for i := range 20 {
		b.fromClient(udp(clientAt(i), echoVIP, "?"), udp(clientAt(i), vipAlone+":8", "?"))
	}
	for _, f := range b.ports[1].Collect(0) {
		src, _ := flowOf(f)
		flows[src] = true
	}
	if len(flows) != 40 {
		t.Fatalf("%d flows for 40 sessions; dropped %s", len(flows), b.drops())
	}
}

// A port is free again when its session has ended. The search finds it although it is bounded.
func TestExhaustedPortsComeBack(t *testing.T) {
	b := exhaustedLocalPorts(t)
	b.dropped("no_local_port=1")
	b.collectAll()
	// A turn ends a bounded number of sessions, so that many sessions take many turns to end.
	b.wait(301_000)
	for range localPorts / 64 {
		b.wait(10)
	}
	b.sessions(0)
	b.fromClient(udp(client, echoVIP, "?"))
	if n := len(b.ports[1].Collect(0)); n != 1 {
		t.Fatalf("%d packets sent; dropped %s", n, b.drops())
	}
}

// The search goes on where it ended, so that it finds a free port among many taken ones after some
// packets.
func TestSearchGoesOn(t *testing.T) {
	s := twoArm
	v := s.echo(modes.FullNAT, 1)
	v.LocalAddresses = v.LocalAddresses[:1]
	b := newBed(t, s, s.serving(v))
	b.worker.peers[0].turn = 0
	b.sources(3 * maxProbes)
	b.confirmAll()
	b.worker.peers[0].turn = 0
	for i := range 4 {
		b.fromClient(udp(clientAt(1000), echoVIP, "?"))
		if sent := len(b.ports[1].Collect(0)) == 1; sent != (i == 3) {
			t.Fatalf("attempt %d: sent %v", i, sent)
		}
	}
	b.dropped("no_local_port=3")
}

func TestLocalAtUsesEverything(t *testing.T) {
	seen := map[[2]uint32]bool{}
	for turn := range uint32(3 * localPorts) {
		i, p := localAt(3, turn)
		if p < firstLocalPort {
			t.Fatalf("turn %d gives port %d", turn, p)
		}
		seen[[2]uint32{i, uint32(p)}] = true
	}
	if len(seen) != 3*localPorts {
		t.Fatalf("%d different ones, want %d", len(seen), 3*localPorts)
	}
}

// One client port towards two nat services with the same real server: the director could not tell
// the answers apart.
func TestFlowTaken(t *testing.T) {
	s := twoArm
	one, two := s.echo(modes.NAT, 1), s.echo(modes.NAT, 1)
	two.Address = at4(vipAlone + ":8")
	b := newBed(t, s, s.serving(one, two))
	p := b.begin(modes.NAT, udp(client, echoVIP, "?"))
	b.fromClient(udp(client, vipAlone+":8", "?"))
	b.toClient(icmpError(vipAlone, udp(client, vipAlone+":8", "?"), packet.ICMPUnreachable, packet.ICMPCodePortUnreachable, 0))
	b.dropped("flow_taken=1")
	b.connections(1, 0, 0, 0)
	p.answers("", "for the first")
}

// TestQuestionAsksForNoNeighbour: an explanation looks for a local port of a real server whose next
// hop is not resolved yet, and sends no question for it.
func TestQuestionAsksForNoNeighbour(t *testing.T) {
	s := twoArm
	n := s.settings()
	n.Neighbours = nil
	v := s.echo(modes.FullNAT, 1)
	for i := range 100 { // more than a worker handles in its first turn
		a := netip.AddrPortFrom(packet.AddrFrom4(0x0a010064+uint32(i)), 7000)
		v.RealServers = append(v.RealServers, RealServer{Address: a})
	}
	v.RealServers[0].Weight, v.RealServers[100].Weight = 0, 1
	n.Services = []Service{v}
	b := newSilentBed(t, s, n, crowd(2))
	b.turnAll()
	known, before := b.worker.neighbours.Len(), b.totals()
	q := Question{Protocol: packet.ProtocolUDP, From: at4(client), To: at4(echoVIP), Port: -1}
	var x Explanation
	b.worker.explainNew(&q, &x)
	if x.Verdict != Taken || x.To != v.RealServers[100].Address {
		t.Fatalf("%+v", x)
	}
	if b.worker.neighbours.Len() != known || b.totals() != before {
		t.Error("a question asked for a neighbour")
	}
}

// TestLocalPortsAreCounted: the ports in use by local address and real server, while sessions begin
// and end, in both families.
func TestLocalPortsAreCounted(t *testing.T) {
	for _, s := range []site{twoArm, twoArm.twin()} {
		b := newBed(t, s, s.serving(s.echo(modes.FullNAT, 2), s.web(modes.NAT, 1)))
		if s.is6 {
			for i := range 40 {
				b.fromClient(udp(clientAt(i), echoVIP, "?"))
			}
			b.collectAll()
		} else {
			b.sources(40)
		}
		r := b.engine.Report()
		for _, rs := range r.Services[0].RealServers {
			want := []LocalUse{{s.local[0], 10, 10. / localPorts}, {s.local[1], 10, 10. / localPorts}}
			if !slices.Equal(rs.Locals, want) {
				t.Errorf("%v: %v, want %v", rs.Address, rs.Locals, want)
			}
		}
		if got := r.Services[1].RealServers[0].Locals; got != nil {
			t.Errorf("local ports in nat: %v", got)
		}
		b.wait(302_000)
		b.sessions(0)
		for _, rs := range b.engine.Report().Services[0].RealServers {
			if rs.Locals[0].Used != 0 || rs.Locals[1].Used != 0 {
				t.Errorf("%v at the end: %v", rs.Address, rs.Locals)
			}
		}
	}
}

// TestSharedLocalPortsAreCountedTogether: services with the same real server and local addresses,
// even one that was removed, share the ports.
func TestSharedLocalPortsAreCountedTogether(t *testing.T) {
	s := twoArm
	one, two := s.echo(modes.FullNAT, 1), s.echo(modes.FullNAT, 1)
	two.Name, two.Address = "other", at4(vipAlone+":8")
	b := newBed(t, s, s.serving(one, two))
	for i := range 20 {
		b.fromClient(udp(clientAt(i), echoVIP, "?"), udp(clientAt(i), vipAlone+":8", "?"))
	}
	b.collectAll()
	b.apply(s.serving(one))
	if got := b.engine.Report().Services[0].RealServers[0].Locals[0].Used; got != 20 {
		t.Errorf("%d ports in use, want 20", got)
	}
}

// TestCrowdedLocals: all ports but some of one local address are taken.
func TestCrowdedLocals(t *testing.T) {
	b := exhaustedLocalPorts(t)
	r := b.engine.Report().Services[0]
	want := LocalUse{twoArm.local[0], localPorts, 1}
	if got := r.RealServers[0].Locals; !slices.Equal(got, []LocalUse{want}) {
		t.Errorf("%v, want %v", got, want)
	}
	at := r.RealServers[0].Address
	if got := b.engine.CrowdedLocals(0.8); !slices.Equal(got, []CrowdedLocal{{"test", at, want}}) {
		t.Errorf("crowded: %v", got)
	}
	b.worker.sessions.EndAll()
	if got := b.engine.CrowdedLocals(0.8); len(got) != 0 {
		t.Errorf("crowded without sessions: %v", got)
	}
}

// TestCrowdedWorker: a worker may have used up its own ports while others have theirs.
func TestCrowdedWorker(t *testing.T) {
	s := twoArm
	v := s.echo(modes.FullNAT, 1)
	v.LocalAddresses = v.LocalAddresses[:1]
	b := newBed(t, s, s.serving(v), crowd(2), narrow(1), func(c *bedConfig) {
		c.sessions = 2 * localPorts
	})
	use := b.engine.registry.live[0].use.Load()
	use.at(0, 1).Store(localPorts / 2 * 9 / 10)
	defer use.at(0, 1).Store(0)
	got := b.engine.Report().Services[0].RealServers[0].Locals[0]
	if got.Used != localPorts/2*9/10 || got.Share < 0.89 || got.Share > 0.91 {
		t.Errorf("%+v", got)
	}
}

// TestForeseenIsNext: the local port that was foreseen for a real server's next session is the one
// that a search finds, and the hash is that of its answers; until anything may have changed.
func TestForeseenIsNext(t *testing.T) {
	for _, workers := range []int{1, 3} {
		s := twoArm
		b := newBed(t, s, s.serving(s.echo(modes.FullNAT, 3), s.web(modes.FullNAT, 1)),
			func(c *bedConfig) { c.workers, c.queues = workers, 1 })
		recalled := 0
		for i := range 200 {
			b.fromClient(udp(clientAt(i), echoVIP, "?"), tcp(clientAt(i), webVIP, "S"))
			b.turnAll()
			for _, w := range b.engine.workers {
				recalled += w.compareForeseen(t)
			}
		}
		if recalled == 0 {
			t.Errorf("%d workers: nothing was foreseen", workers)
		}
		b.collectAll()
	}
}

// compareForeseen compares the foreseen local port of each real server with a search, and returns
// how many there were.
func (w *Worker) compareForeseen(t *testing.T) (recalled int) {
	t.Helper()
	for id, server := range w.snap.servers {
		p := &w.peers[id]
		service, _ := w.snap.serviceOf(server.service)
		d := decision{service: service, id: uint32(id), server: server, turn: p.turn}
		d.out.Src, d.out.SrcPort, d.out.Protocol = server.address, p.port, p.protocol
		searched := d
		if !w.recall(p, &d) {
			continue
		}
		recalled++
		if w.nextLocal(&searched); d != searched || d.outHash != w.sessions.Hash(&d.out) {
			t.Fatalf("foreseen %+v, found %+v", d, searched)
		}
		for _, other := range []func(*decision){
			func(d *decision) { d.turn++ },
			func(d *decision) { d.out.SrcPort++ },
			func(d *decision) { d.out.Protocol++ },
		} {
			d := searched
			d.turn = p.turn
			if other(&d); w.recall(p, &d) {
				t.Fatal("what was foreseen for another session is recalled")
			}
		}
	}
	return recalled
}
