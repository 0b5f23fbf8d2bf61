package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// crowd gives a bed n workers.
func crowd(n int) func(*bedConfig) {
	return func(c *bedConfig) { c.workers, c.buffers, c.sessions = n, 4096, 4000 }
}

// spreading makes the ports NICs that spread packets over n queues.
func spreading(t fataler, n int, by func(port int) ports.Spread) func(*bedConfig) {
	return func(c *bedConfig) {
		c.rss = func(port int) *ports.RSS {
			table := make([]uint16, 128)
			for i := range table {
				table[i] = uint16(i % n)
			}
			rss, err := ports.NewRSS(ports.RSSConfig{
				Key: ports.SymmetricKey(40), Table: table, Spread: by(port), Types: ports.AllHashTypes,
			})
			if err != nil {
				t.Fatalf("%v", err)
			}
			return rss
		}
	}
}

type fataler interface{ Fatalf(string, ...any) }

// byFlow spreads as NICs do by default.
func byFlow(int) ports.Spread { return ports.SpreadFlow }

// byClient spreads by client: by the source at port 0, and by the destination at any other.
func byClient(port int) ports.Spread {
	if port == 0 {
		return ports.SpreadSource
	}
	return ports.SpreadDestination
}

// scattered delivers clients' packets to a queue that depends on their ports, and answers to any.
func scattered(n int) func(*bedConfig) {
	return func(c *bedConfig) {
		r := rand.New(rand.NewPCG(3, 4))
		c.choose = func(port int) func([]byte) int {
			return func(f []byte) int {
				if port == 0 && f[12] == 8 && f[13] == 0 {
					return int(f[35]) % n // low byte of the source port
				}
				return r.IntN(n)
			}
		}
	}
}

// narrow gives each port only q queues.
func narrow(q int) func(*bedConfig) { return func(c *bedConfig) { c.queues = q } }

// converse starts n sessions and sends a second packet of each. Real servers answer both packets if
// answers pass the director. Every packet must arrive, and every session must exist once. It
// returns the flows that reached real servers.
func (b *bed) converse(mode modes.Mode, n int) map[[2]netip.AddrPort]int {
	b.Helper()
	seen := map[[2]netip.AddrPort]int{}
	for round := range 2 {
		for i := range n {
			b.deliver(0, udp(clientAt(i), echoVIP, fmt.Sprint("?", round)).frame(b.site.gateway.mac,
				b.site.ports[0].mac))
			if i%ports.MaxBurst == ports.MaxBurst-1 || i == n-1 {
				b.turn()
				b.answerAll(mode, seen)
			}
		}
	}
	b.sessions(n)
	if drops := b.drops(); drops != "" {
		b.Fatalf("dropped %s", drops)
	}
	return seen
}

// answerAll takes what has reached the real servers and notes its flows. In modes with answers it
// sends those and expects them at the clients.
func (b *bed) answerAll(mode modes.Mode, seen map[[2]netip.AddrPort]int) {
	b.Helper()
	answers := 0
	for _, f := range collect(b.ports[b.site.back]) {
		src, dst := flowOf(f)
		seen[[2]netip.AddrPort{src, dst}]++
		if mode.TwoWay() {
			answers++
			server := slices.IndexFunc(b.site.servers,
				func(h host) bool { return h.addr == dst.Addr() })
			answer := udp(dst.String(), src.String(), "!")
			b.deliver(b.site.back,
				answer.frame(b.site.servers[server].mac, b.site.own(b.site.back).mac))
		}
	}
	b.turn()
	back := collect(b.ports[b.site.front])
	if len(back) != answers {
		b.Fatalf("%d answers at the clients, want %d; dropped %s", len(back), answers, b.drops())
	}
	for _, f := range back {
		if src, _ := flowOf(f); src.String() != echoVIP {
			b.Fatalf("an answer comes from %v", src)
		}
	}
}

// handedOver returns how many packets went from one worker to another.
func (b *bed) handedOver() uint64 {
	n := uint64(0)
	for _, w := range b.engine.workers {
		n += w.counters.totals.HandedOver
	}
	return n
}

// TestWorkers: each packet reaches the worker of its session, however packets are spread.
func TestWorkers(t *testing.T) {
	const n = 600
	for _, mode := range []modes.Mode{modes.DR, modes.NAT, modes.FullNAT} {
		for _, workers := range []int{2, 4} {
			for name, change := range map[string]func(*bedConfig){
				"rss":           spreading(t, workers, byFlow),
				"rss by client": spreading(t, workers, byClient), "scattered": scattered(workers),
				"one queue": narrow(1),
				"fewer queues": func(c *bedConfig) {
					narrow(workers - 1)(c)
					anywhereIn(workers - 1)(c)
				},
			} {
				t.Run(fmt.Sprint(mode, "/", workers, "/", name), func(t *testing.T) {
					s := twoArm
					b := newBed(t, s, s.serving(s.echo(mode, 3)), crowd(workers), change)
					seen := b.converse(mode, n)
					if len(seen) != n {
						t.Errorf("%d flows of %d sessions", len(seen), n)
					}
					b.everyoneWorks()
					predicted := name == "rss" && mode != modes.NAT || name == "rss by client"
					if got := b.handedOver(); predicted && got != 0 {
						t.Errorf("%d packets were handed over", got)
					}
				})
			}
		}
	}
}

// anywhereIn delivers each flow to one of q queues, always the same, as any NIC does. The two
// directions may differ.
func anywhereIn(q int) func(*bedConfig) {
	return func(c *bedConfig) {
		c.choose = func(int) func([]byte) int {
			return func(f []byte) int {
				if len(f) < 38 {
					return 0
				}
				sum := 0
				for _, v := range f[26:38] {
					sum += int(v)
				}
				return sum % q
			}
		}
	}
}

// everyoneWorks expects sessions at every worker.
func (b *bed) everyoneWorks() {
	b.Helper()
	for i, w := range b.engine.workers {
		if w.sessions.Len() == 0 {
			b.Errorf("worker %d has no session", i)
		}
	}
}

// TestRoundRobinOverWorkers: all workers together take turns as one does.
func TestRoundRobinOverWorkers(t *testing.T) {
	s := twoArm
	b := newBed(t, s, s.serving(s.echo(modes.DR, 3)), crowd(4), scattered(4))
	for i := range 300 {
		b.fromClient(udp(clientAt(i), echoVIP, "?"))
		frames := collect(b.ports[1])
		// IPVS begins with the newest, the last of the file.
		if want := s.servers[2-i%3].mac; len(frames) != 1 ||
			packet.Ethernet(frames[0]).Dst() != want {
			t.Fatalf("session %d: %d frames, to %x", i, len(frames),
				packet.Ethernet(frames[0]).Dst())
		}
	}
}

// TestManyWorkersLikeOne: the same packets have the same results, at any worker.
func TestManyWorkersLikeOne(t *testing.T) {
	s := twoArm
	for _, mode := range []modes.Mode{modes.DR, modes.NAT} {
		rapid.Check(t, func(rt *rapid.T) {
			packets := rapid.SliceOfN(rapid.Custom(drawPacket), 1, 200).Draw(rt, "packets")
			seed := rapid.Uint64().Draw(rt, "seed")
			var outcomes [2][][]byte
			for i, workers := range []int{1, 3} {
				r := rand.New(rand.NewPCG(seed, 0))
				b := newBed(t, s, s.serving(s.echo(mode, 1)), crowd(workers), func(c *bedConfig) {
					c.choose = func(int) func([]byte) int {
						return func(f []byte) int { return clientQueue(f, mode, r) % workers }
					}
				})
				for _, p := range packets {
					b.fromClient(p)
				}
				outcomes[i] = slices.Concat(b.collectAll()...)
				slices.SortFunc(outcomes[i], bytes.Compare)
				b.close()
			}
			if !slices.EqualFunc(outcomes[0], outcomes[1], bytes.Equal) {
				rt.Fatalf("%d frames from one worker, %d from three, or others", len(outcomes[0]),
					len(outcomes[1]))
			}
		})
	}
}

// clientQueue returns the queue for a packet: in nat any, since its owner is computed, and
// otherwise its flow's.
func clientQueue(f []byte, mode modes.Mode, r *rand.Rand) int {
	if mode == modes.NAT {
		return r.IntN(1000)
	}
	return int(f[35])
}

func drawPacket(t *rapid.T) pkt {
	all := []string{echoVIP, vipAlone + ":9", "10.0.0.1:7", "10.9.9.9:7"}
	to := rapid.SampledFrom(all).Draw(t, "to")
	return udp(clientAt(rapid.IntRange(0, 20).Draw(t, "client")), to,
		rapid.StringN(0, 20, 20).Draw(t, "payload"))
}

// TestNeighbourIsKnownToAll: an answer that one worker receives releases packets that wait at
// another.
func TestNeighbourIsKnownToAll(t *testing.T) {
	s := twoArm
	n := s.serving(s.echo(modes.DR, 1))
	n.Neighbours = n.Neighbours[:1]
	queue := 0
	b := newBed(t, s, n, crowd(2), func(c *bedConfig) {
		c.choose = func(int) func([]byte) int { return func([]byte) int { return queue } }
	})
	queue = 1
	b.fromClient(udp(client, echoVIP, "?"))
	b.collectAll() // its question
	queue = 0
	b.receive(1, isAt(s.servers[0], s.ports[1]))
	b.toServer(0, udp(client, echoVIP, "?").ttlOf(63))
}

// TestOneWorkerAsks: only one worker asks, and the others wait for its news.
func TestOneWorkerAsks(t *testing.T) {
	s := twoArm
	n := s.serving(s.echo(modes.DR, 1))
	n.Neighbours = n.Neighbours[:1]
	b := newSilentBed(t, s, n, crowd(4))
	b.turn()
	asked := 0
	for _, f := range collect(b.ports[1]) {
		if a := packet.ARP(f[packet.EthernetLen:]); a.Op() == packet.ARPRequest &&
			a.TargetIP() == packet.Addr4(s.servers[0].addr) {
			asked++
		}
	}
	if asked != 1 {
		t.Fatalf("asked %d times", asked)
	}
	b.receive(1, isAt(s.servers[0], s.ports[1]))
	b.announced()
	b.wait(29_000)
	b.quiet()
}

// TestAnnouncedOnce: only one worker announces addresses.
func TestAnnouncedOnce(t *testing.T) {
	s := oneArm
	var counts [2]int
	for i, workers := range []int{1, 3} {
		b := newSilentBed(t, s, s.serving(s.echo(modes.DR, 1)), crowd(workers))
		b.turn()
		counts[i] = len(collect(b.ports[0]))
	}
	if counts[0] != counts[1] || counts[0] == 0 {
		t.Errorf("%d frames from one worker, %d from three", counts[0], counts[1])
	}
}

// TestICMPErrorReachesItsOwner: from any worker.
func TestICMPErrorReachesItsOwner(t *testing.T) {
	s := twoArm
	for _, mode := range allModes {
		queue := 0
		b := newBed(t, s, s.serving(s.echo(mode, 1)), crowd(4), func(c *bedConfig) {
			c.choose = func(int) func([]byte) int { return func([]byte) int { return queue } }
		})
		b.fromClient(udp(client, echoVIP, "?"))
		collect(b.ports[s.back])
		owner := slices.IndexFunc(b.engine.workers,
			func(w *Worker) bool { return w.sessions.Len() == 1 })
		if owner < 0 {
			t.Fatalf("%v: no session", mode)
		}
		about := udp(client, echoVIP, "?").reply("", "an answer")
		for queue = range 4 {
			before := b.engine.workers[owner].counters.totals.Transmitted
			b.fromClient(icmpError("192.168.5.9", about, packet.ICMPUnreachable, 3, 0).
				with(func(p *pkt) { p.dst = about.src }))
			if n := b.engine.workers[owner].counters.totals.Transmitted; n != before+1 ||
				len(collect(b.ports[s.back])) != 1 {
				t.Errorf("%v: at queue %d, not sent on by its owner %d; dropped %s", mode, queue,
					owner, b.drops())
			}
		}
		b.fromClient(icmp("192.168.77.1", vipAlone, packet.ICMPUnreachable, 1, 0, make([]byte, 28)))
		b.dropped("icmp_error=1")
	}
}

// TestRunWorkers runs workers on threads of their own, with answers at the wrong ones.
func TestRunWorkers(t *testing.T) {
	s := twoArm
	for _, workers := range []int{2, 4} {
		b := newSilentBed(t, s, s.serving(s.web(modes.FullNAT, 3)), crowd(workers),
			scattered(workers))
		stop := b.start()
		const n = 400
		for i := range n {
			b.deliver(0, tcp(clientAt(i), webVIP, "S").frame(s.gateway.mac, s.ports[0].mac))
		}
		syns, answers := 0, 0
		b.await("answers to all SYNs", func() bool {
			for _, f := range collect(b.ports[1]) {
				if f[12] == 8 && f[13] == 0 {
					syns++
					src, dst := flowOf(f)
					server := slices.IndexFunc(s.servers,
						func(h host) bool { return h.addr == dst.Addr() })
					b.deliver(1, tcp(dst.String(), src.String(), "SA").frame(s.servers[server].mac,
						s.ports[1].mac))
				}
			}
			for _, f := range collect(b.ports[0]) {
				if f[12] == 8 && f[13] == 0 {
					answers++
				}
			}
			return answers == n
		})
		b.await("the workers' reports", func() bool {
			sessions := 0
			for _, w := range b.engine.Report().Workers {
				sessions += w.Sessions
			}
			return sessions == n
		})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		r := b.engine.Report()
		if r.Balance() != 0 || r.Held != 0 || r.Sessions != 0 || r.Received != 2*n || syns != n {
			t.Fatalf("at the end: %+v", r)
		}
		handed := uint64(0)
		for _, w := range r.Workers {
			for _, n := range w.HandedTo {
				handed += n
			}
		}
		if handed == 0 {
			t.Error("nothing was handed over")
		}
	}
}

// stranger is a port whose packets claim to come from a port that does not exist.
type stranger struct{ *memory.Port }

func (s stranger) Queue(i int) ports.Queue { return strangerQueue{s.Port.Queue(i)} }

type strangerQueue struct{ ports.Queue }

func (q strangerQueue) Exchange(tx, free, rx *ports.Burst) {
	q.Queue.Exchange(tx, free, rx)
	if rx != nil {
		for i := range rx.Slice() {
			rx.Packets[i].Port = 99
		}
	}
}

// TestFault: a worker that panics stops all workers, and the fault shows its packet.
func TestFault(t *testing.T) {
	s := oneArm
	b := newSilentBed(t, s, s.serving(s.web(modes.DR, 1)), crowd(2), func(c *bedConfig) {
		c.wrap = func(p ports.Port) ports.Port { return stranger{p.(*memory.Port)} }
	})
	frame := tcp(client, webVIP, "S").frame(s.gateway.mac, s.ports[0].mac)
	ended := make(chan error, 1)
	go func() { ended <- b.engine.Run(context.Background(), func() { b.deliver(0, frame) }) }()
	var f *Fault
	if err := <-ended; !errors.As(err, &f) {
		t.Fatalf("error %v", err)
	}
	if f.Worker != 0 || f.Stage != "parse" || !bytes.Equal(f.Packet, frame) ||
		!strings.Contains(string(f.Stack), "parse") ||
		!strings.Contains(f.Error(), "out of range") {
		t.Errorf("%v, packet %x", f, f.Packet)
	}
	b.worker.freed.N = 0
	b.worker.queues[0].Exchange(nil, &b.worker.rx, nil) // which the checks at the end would miss
	b.worker.counters.totals.Received--
}
