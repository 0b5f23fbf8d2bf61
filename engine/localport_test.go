package engine

import (
	"net/netip"
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
