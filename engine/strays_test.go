package engine

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"fulcrum/modes"
	"fulcrum/packet"
)

// otherNumbers are changes of the number of workers.
var otherNumbers = [][2]int{{1, 2}, {2, 1}, {2, 3}, {3, 2}}

// waysToSpread are devices that spread packets over a number of workers in different ways.
func waysToSpread(t *testing.T) map[string]func(workers int) func(*bedConfig) {
	return map[string]func(workers int) func(*bedConfig){
		"untold":    scattered,
		"by flow":   func(n int) func(*bedConfig) { return spreading(t, n, byFlow) },
		"by client": func(n int) func(*bedConfig) { return spreading(t, n, byClient) },
		"one queue": func(int) func(*bedConfig) { return narrow(1) },
	}
}

// eachNumber runs a test for each change of the number of workers, and each way to spread packets;
// in short tests for two of these changes.
func eachNumber(t *testing.T, test func(t *testing.T, workers [2]int, spread func(int) func(*bedConfig))) {
	numbers := otherNumbers
	if testing.Short() {
		numbers = numbers[1:3]
	}
	for name, spread := range waysToSpread(t) {
		for _, workers := range numbers {
			t.Run(fmt.Sprintf("%s, %d to %d", name, workers[0], workers[1]), func(t *testing.T) {
				test(t, workers, spread)
			})
		}
	}
}

// eachModeAcross runs a test for each mode in both families, in one topology each.
func eachModeAcross(t *testing.T, test func(*testing.T, site, modes.Mode)) {
	for _, s := range []site{oneArm, twoArm.twin()} {
		for _, m := range allModes {
			t.Run(fmt.Sprintf("%s/%v", s.name, m), func(t *testing.T) { test(t, s, m) })
		}
	}
}

// strayed expects stray sessions where there must be some: in fullnat with several workers.
func (b *bed) strayed(m modes.Mode, want bool) {
	b.Helper()
	want = want && m == modes.FullNAT && len(b.engine.workers) > 1
	if got := b.engine.snap.Load().strays != nil; got != want {
		b.Errorf("strays: %v, want %v", got, want)
	}
}

// conversation begins the connections of some clients, and returns where their packets go.
func (b *bed) conversation(m modes.Mode, first, n int) map[string]trail {
	b.Helper()
	all := map[string]trail{}
	for i := first; i < first+n; i++ {
		at := b.ask(m, tcp(clientAt(i), webVIP, "S"))
		if all[clientAt(i)] = at; m.TwoWay() {
			b.reply(at, clientAt(i))
		}
		b.ask(m, tcp(clientAt(i), webVIP, "A"))
	}
	return all
}

// goesOn expects packets of connections where those before them went, and answers at the clients.
func (b *bed) goesOn(m modes.Mode, all map[string]trail) {
	b.Helper()
	for client, was := range all {
		at := b.ask(m, tcp(client, webVIP, "PA").carrying("still here?"))
		if at != was {
			b.Fatalf("%s: %v, want %v", client, at, was)
		}
		if m.TwoWay() {
			b.reply(at, client)
		}
	}
}

// TestOtherWorkers: with another number of workers all sessions go on, beside new ones, and what
// finds them is given up once the last has ended.
func TestOtherWorkers(t *testing.T) {
	eachModeAcross(t, func(t *testing.T, s site, m modes.Mode) {
		eachNumber(t, func(t *testing.T, workers [2]int, spread func(int) func(*bedConfig)) {
			folder, n := t.TempDir(), s.serving(s.web(m, 3))
			b := newBed(t, s, n, keptIn(folder, workers[0]), spread(workers[0]))
			old := b.conversation(m, 0, 20)
			b = b.restart(n, folder, workers[1], spread(workers[1]))
			b.keptReport(20, nil)
			b.strayed(m, true)
			b.goesOn(m, old)
			fresh := b.conversation(m, 100, 20)
			b.keep()
			b.strayed(m, true)
			b.goesOn(m, old)
			b.goesOn(m, fresh)
			b.sessions(40)
			b.dropped("")
			for _, w := range b.engine.workers {
				w.sessions.EndAll()
			}
			b.keep()
			b.keep()
			b.strayed(m, false)
			b.nothingKept()
			b.goesOn(m, b.conversation(m, 200, 20))
		})
	})
}

// TestNewConnectionOfAStray: a client's next connection on the ports of a stray one begins at its
// owner, and is found when the strays are forgotten.
func TestNewConnectionOfAStray(t *testing.T) {
	eachNumber(t, func(t *testing.T, workers [2]int, spread func(int) func(*bedConfig)) {
		const m = modes.FullNAT
		s, folder := twoArm, t.TempDir()
		n := s.serving(s.web(m, 3))
		b := newBed(t, s, n, keptIn(folder, workers[0]), spread(workers[0]))
		old := b.conversation(m, 0, 20)
		b = b.restart(n, folder, workers[1], spread(workers[1]))
		for client := range old {
			b.ask(m, tcp(client, webVIP, "R"))
		}
		fresh := b.conversation(m, 0, 20)
		b.sessions(20)
		b.keep()
		b.keep()
		b.strayed(m, false)
		b.nothingKept()
		b.goesOn(m, fresh)
		b.dropped("")
	})
}

// TestFragmentsAndErrorsOfStrays: a client's fragments, and its ICMP errors about answers, reach
// the real server. No limit of rounds from worker to worker concerns them.
func TestFragmentsAndErrorsOfStrays(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		eachNumber(t, func(t *testing.T, workers [2]int, spread func(int) func(*bedConfig)) {
			const m, clients = modes.FullNAT, 10
			if strings.Contains(t.Name(), "untold") {
				t.Skip("its fragments come to any worker")
			}
			folder, n := t.TempDir(), s.serving(s.echo(m, 3))
			b := newBed(t, s, n, keptIn(folder, workers[0]), spread(workers[0]))
			was := map[string]packet.MAC{}
			for i := range clients {
				was[clientAt(i)] = b.ask(m, udp(clientAt(i), echoVIP, "?")).mac
			}
			b = b.restart(n, folder, workers[1], spread(workers[1]))
			b.keptReport(clients, nil)
			for client, server := range was {
				whole := s.in(udp(client, echoVIP, string(make([]byte, 2000))))
				for _, f := range fragmentsOf(whole, 1200) {
					b.receive(s.front, ethernet(s.gateway.mac, s.own(s.front).mac, whole.etherType(), f))
				}
				b.arrived("fragments", server, 2)
				from := netip.MustParseAddrPort(client).Addr().String()
				for range 2 * errorRounds[1].burst / clients {
					b.fromClient(icmpError(from, udp(echoVIP, client, "!"), packet.ICMPUnreachable,
						packet.ICMPCodePortUnreachable, 0))
					b.arrived("errors", server, 1)
				}
			}
			b.sessions(clients)
			b.dropped("")
		})
	})
}

// arrived expects a number of packets at a real server.
func (b *bed) arrived(what string, server packet.MAC, want int) {
	b.Helper()
	got := 0
	for _, frames := range b.collectAll() {
		for _, f := range frames {
			if packet.Ethernet(f).Dst() == server {
				got++
			}
		}
	}
	if got != want {
		b.Errorf("%d %s arrive, want %d; dropped %q", got, what, want, b.drops())
	}
}

// TestStrays: a table finds all of its flows and no others.
func TestStrays(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	hasher := packet.NewHasher(r.Uint64(), r.Uint64())
	keys := make([]packet.Key, 3000)
	for i := range keys {
		keys[i] = packet.Key{Protocol: packet.ProtocolTCP, Flow: packet.Flow{
			Src: packet.AddrOf4(uint32(i)), SrcPort: 1, Dst: packet.AddrOf4(0x0a000064), DstPort: 80}}
	}
	for n := range 40 {
		n *= n
		all := make([]stray, n)
		for i := range all {
			all[i] = stray{hasher.Hash(&keys[i]), i % 4096}
		}
		table := newStrays(hasher, all)
		for i := range keys {
			home, found := table.home(&keys[i])
			if want := i < n; found != want || found && home != i%4096 {
				t.Fatalf("of %d, flow %d: %v, worker %d", n, i, found, home)
			}
		}
	}
}
