package engine

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"pgregory.net/rapid"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/sched"
)

// TestExplanationsComeTrue: a packet does what its explanation says, in every mode and after any
// traffic.
func TestExplanationsComeTrue(t *testing.T) {
	for _, s := range sites {
		t.Run(s.name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) { explainTraffic(t, r, s) })
		})
	}
}

func explainTraffic(t *testing.T, r *rapid.T, s site) {
	few := rapid.Bool().Draw(r, "few slots")
	b := newBed(drawn{t, r}, s, withSCTP(&s, 0), func(c *bedConfig) {
		if few {
			c.sessions = 4
		}
	})
	defer b.close()
	d := traffic{r, &s, b}
	for round := range 1 + d.number("rounds", 40) {
		switch d.number("event", 10) {
		case 0:
			b.apply(withSCTP(&s, round))
		case 1:
			b.now += uint32([]int{150, 1100, 31_000, 130_000}[d.number("time", 4)])
			b.turn()
		}
		b.collectAll()
		if d.number("kind", 5) == 0 {
			if d.number("abort", 2) == 0 {
				b.receive(s.front, d.association(b, layers.SCTPChunkTypeAbort))
				b.collectAll()
			}
			b.explained(s.front, d.association(b, layers.SCTPChunkTypeInit))
			continue
		}
		port, p := s.front, d.fromClient()
		if d.number("side", 3) == 0 {
			port, p = s.back, d.fromServer()
		}
		b.explained(port, s.in(p).frame(d.sender(port).mac, s.ports[port].mac))
	}
}

// withSCTP is everything, mixed, with an SCTP service for each mode.
func withSCTP(s *site, variant int) Settings {
	n := everything(s, variant)
	for i, m := range allModes {
		v := s.service(m, packet.ProtocolSCTP, 2)
		v.Address = netip.AddrPortFrom(v.Address.Addr(), uint16(90+i))
		for j := range v.RealServers {
			v.RealServers[j].Address = netip.AddrPortFrom(s.servers[j].addr,
				serverPort(m, v.Address))
		}
		n.Services = append(n.Services, v)
	}
	return mixed(n, variant)
}

// association draws an SCTP packet with a chunk, from one of a few associations.
func (d traffic) association(b *bed, chunk layers.SCTPChunkType) []byte {
	services := b.engine.snap.Load().order
	v := services[len(services)-len(allModes)+d.number("mode", len(allModes))].live.settings
	from := at4(d.clientAddress())
	if d.site.is6 {
		from = sixPort(from)
	}
	p := sctpPacket{from, v.Address, 64, chunk}
	return p.frame(d.sender(d.site.front).mac, d.site.own(d.site.front).mac)
}

// explained explains a packet, sends it, and compares the two results.
func (b *bed) explained(port int, frame []byte) {
	var m meta
	packet.Parse(frame, &m.Parsed)
	q := questionOf(&m, frame, port)
	before := b.totals()
	x := b.asked(&q)
	b.receive(port, frame)
	after := b.totals()
	for v := range NumVerdicts {
		want := uint64(0)
		if v == x.Verdict && v != Taken {
			want = 1
		}
		if got := after.Drops[v] - before.Drops[v]; got != want {
			b.Fatalf("%d packets dropped as %s; explained was %+v of\n%s", got, v, x, dump(frame))
		}
	}
	if got := answersSince(&before, &after); got != (x.Answer != NoAnswer) {
		b.Fatalf("answered %v; explained was %+v of\n%s", got, x, dump(frame))
	}
	if x.Verdict == Taken {
		b.leftAs(&x, before.Held, after.Held)
	}
}

// answersSince reports whether a packet was answered, or was to be and is not because of the
// limits.
func answersSince(before, after *Totals) bool {
	refused := DropNoRealServer
	for _, v := range []Verdict{DropFlowTaken, DropNoLocalPort} {
		if after.Drops[v] != before.Drops[v] {
			refused = v
		}
	}
	return after.Resets+after.ResetsSuppressed+after.Drops[refused] !=
		before.Resets+before.ResetsSuppressed+before.Drops[refused]
}

// asked explains a packet and checks that the question has changed nothing.
func (b *bed) asked(q *Question) Explanation {
	before := b.state()
	var x Explanation
	if !b.worker.explainKnown(q, &x) {
		b.worker.explainNew(q, &x)
	}
	if after := b.state(); !reflect.DeepEqual(before, after) {
		b.Fatalf("the question changed\n%+v\nto\n%+v", before, after)
	}
	return x
}

// directorState is state that a question must not change.
type directorState struct {
	totals     Totals
	sessions   []conntrack.Session
	peers      []peer
	neighbours int
	picks      []int // the next pick of each service
	random     rand.Rand
	guarding   guarding
	sources    [][3]uint64
}

func (b *bed) state() directorState {
	w := b.worker
	s := directorState{totals: b.totals(), neighbours: w.neighbours.Len(),
		peers: slices.Clone(w.peers[:len(w.snap.servers)]), random: *w.random, guarding: w.guarding}
	for slot := range uint32(w.sessions.Cap()) {
		s.sessions = append(s.sessions, *w.sessions.At(slot))
	}
	if t := w.snap.sources; t != nil {
		for i := range t.sets {
			for j := range t.sets[i].sources {
				if e := &t.sets[i].sources[j]; e.service.Load() != 0 {
					s.sources = append(s.sources, [3]uint64{
						uint64(i), e.full.Load(), uint64(e.sessions.Load()),
					})
				}
			}
		}
	}
	for _, service := range w.snap.order {
		pick, _ := service.live.pool.Load().Peek(sched.Request{Key: new(packet.Key)})
		s.picks = append(s.picks, pick)
	}
	return s
}

func questionOf(m *meta, frame []byte, port int) Question {
	k := packet.Key{Flow: packet.Flow{
		Src: packet.AddrOf4(m.Src), Dst: packet.AddrOf4(m.Dst), SrcPort: m.SrcPort,
		DstPort: m.DstPort,
	}, Protocol: m.Protocol}
	if m.Kind.Is6() {
		k = m.Key(frame)
	}
	return Question{
		Protocol: k.Protocol, TCPFlags: m.TCPFlags, Port: port,
		From: netip.AddrPortFrom(k.Src.Netip(), k.SrcPort),
		To:   netip.AddrPortFrom(k.Dst.Netip(), k.DstPort),
	}
}

// leftAs checks how the packet left, or that it waits.
func (b *bed) leftAs(x *Explanation, before, after uint64) {
	if x.MAC.IsZero() {
		if after != before+1 {
			b.Fatalf("%d packets wait, there were %d; explained was %+v", after, before, x)
		}
		return
	}
	frames := collect(b.ports[x.PortOut])
	if len(frames) != 1 {
		b.Fatalf("%d frames left port %d; explained was %+v", len(frames), x.PortOut, x)
	}
	e := packet.Ethernet(frames[0])
	if e.Dst() != x.MAC || e.Src() != x.SourceMAC {
		b.Fatalf("from %v to %v; explained was %+v", e.Src(), e.Dst(), x)
	}
	frame := frames[0]
	if x.Tunnel != nil {
		from, to, inner := unwrap(frame)
		if from != x.Tunnel.From || to != x.Tunnel.To {
			b.Fatalf("the tunnel is from %v to %v; explained was %+v", from, to, x.Tunnel)
		}
		frame = inner
	}
	var m meta
	packet.Parse(frame, &m.Parsed)
	if q := questionOf(&m, frame, 0); q.From != x.From || q.To != x.To {
		b.Fatalf("left from %v to %v; explained was %+v", q.From, q.To, x)
	}
}

// unwrap removes the outer header.
func unwrap(frame []byte) (from, to netip.Addr, inner []byte) {
	header := packet.IPv4MinLen
	if ip := packet.IPv4(frame[packet.EthernetLen:]); packet.Ethernet(frame).Type() == packet.EtherTypeIPv4 {
		from, to = packet.AddrOf4(ip.Src()).Netip(), packet.AddrOf4(ip.Dst()).Netip()
	} else {
		ip := packet.IPv6(frame[packet.EthernetLen:])
		from, to, header = ip.Src().Netip(), ip.Dst().Netip(), packet.IPv6Len
	}
	inner = append([]byte{}, frame[header:]...)
	copy(inner, frame[:packet.EthernetLen])
	packet.Ethernet(inner).SetType(packet.EtherTypeIPv4)
	if inner[packet.EthernetLen]>>4 == 6 {
		packet.Ethernet(inner).SetType(packet.EtherTypeIPv6)
	}
	return from, to, inner
}

// TestExplainShowsTheSession: it shows a session's state, age and counts, and changes none of them.
func TestExplainShowsTheSession(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.FullNAT, 2)))
	b.fromClient(tcp(client, webVIP, "S"))
	b.now += 700
	b.turn()
	q := Question{Protocol: packet.ProtocolTCP, From: at4(client), To: at4(webVIP),
		TCPFlags: packet.TCPSyn, Port: -1}
	for range 2 {
		var x Explanation
		if !b.worker.explainKnown(&q, &x) {
			t.Fatal("no session is known")
		}
		want := SessionState{State: conntrack.SynRecv, Mode: modes.FullNAT, PacketsIn: 1,
			Idle: 700 * time.Millisecond}
		if *x.Session != want || x.Service.Name != "test" {
			t.Fatalf("%+v of %q, want %+v", *x.Session, x.Service.Name, want)
		}
	}
}

// TestExplainRefusesNonsense: addresses of two families, or a port that the director does not have.
func TestExplainRefusesNonsense(t *testing.T) {
	b := newBed(t, oneArm, oneArm.serving(oneArm.web(modes.DR, 1)))
	for _, q := range []Question{
		{From: at4(client), To: netip.MustParseAddrPort("[fd00::1]:80"), Port: -1},
		{From: at4(client), Port: -1},
		{From: at4(client), To: at4(webVIP), Port: 7},
	} {
		if _, err := b.engine.Explain(t.Context(), q); err == nil {
			t.Errorf("%+v is explained", q)
		}
	}
}

// TestExplainFindsTheWorker: the worker that has the session answers, or the worker that would have
// it.
func TestExplainFindsTheWorker(t *testing.T) {
	b := newBed(t, twoArm, twoArm.serving(twoArm.web(modes.NAT, 2)),
		func(c *bedConfig) { c.workers = 3 })
	for i := range 12 {
		q := Question{Protocol: packet.ProtocolTCP, From: at4(clientAt(i)), To: at4(webVIP),
			TCPFlags: packet.TCPSyn, Port: -1}
		before := b.explain(q)
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
		after := b.explain(q)
		if before.Session != nil || after.Session == nil || before.Worker != after.Worker ||
			before.RealServer != after.RealServer {
			t.Fatalf("explained was %+v, and then %+v", before, after)
		}
		if n := b.engine.workers[after.Worker].sessions.Len(); n == 0 {
			t.Fatalf("worker %d has no session", after.Worker)
		}
	}
}

// explain asks as control does, while the workers turn.
func (b *bed) explain(q Question) Explanation {
	b.Helper()
	var x Explanation
	answered := make(chan error, 1)
	go func() {
		var err error
		x, err = b.engine.Explain(b.Context(), q)
		answered <- err
	}()
	for {
		select {
		case err := <-answered:
			if err != nil {
				b.Fatal(err)
			}
			return x
		default:
			b.turnAll()
		}
	}
}
