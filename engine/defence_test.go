package engine

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/gopacket/layers"

	"fulcrum/conntrack"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/sched"
)

// TestDefenceHysteresis: "auto" is active from seven eighths of a table on, and until less than
// three quarters are in use.
func TestDefenceHysteresis(t *testing.T) {
	for _, c := range []struct {
		used, size int
		was        bool
		want       bool
	}{
		{699, 800, false, false},
		{700, 800, false, true},
		{600, 800, true, true},
		{599, 800, true, false},
		{0, 0, true, false}, // no IPv6 sessions
	} {
		if got := isPressed(c.used, c.size, c.was); got != c.want {
			t.Errorf("%d of %d in use, before %v: %v", c.used, c.size, c.was, got)
		}
	}
}

// TestDropPacketRate: "on" is the kernel's am_droprate, whatever the table has. "auto" drops more
// the fuller it is: a tenth at first, and half from fifteen sixteenths on.
func TestDropPacketRate(t *testing.T) {
	for _, c := range []struct {
		d          Defence
		used, size int
		pressed    bool
		want       uint32
	}{
		{DefenceOff, 800, 800, true, 0},
		{DefenceOn, 0, 800, false, 10},
		{DefenceOn, 800, 800, true, 10},
		{DefenceOn, 0, 0, false, 10},
		{DefenceAuto, 800, 800, false, 0},
		{DefenceAuto, 600, 800, true, 10},
		{DefenceAuto, 700, 800, true, 10},
		{DefenceAuto, 710, 800, true, 10},
		{DefenceAuto, 713, 800, true, 7},
		{DefenceAuto, 720, 800, true, 5},
		{DefenceAuto, 725, 800, true, 4},
		{DefenceAuto, 734, 800, true, 2},
		{DefenceAuto, 750, 800, true, 2},
		{DefenceAuto, 800, 800, true, 2},
		{DefenceAuto, 1, 1, true, 2},
	} {
		if got := c.d.rate(c.used, c.size, c.pressed); got != c.want {
			t.Errorf("%d with %d of %d, pressed %v: one of %d; want %d", c.d, c.used, c.size, c.pressed,
				got, c.want)
		}
	}
}

// defended is settings with defences.
func defended(n Settings, d Defences) Settings {
	n.Defences = d
	return n
}

// TestDropPacket: each tenth packet that would begin a session is dropped, in every mode, and none
// of sessions that there are.
func TestDropPacket(t *testing.T) {
	on := Defences{DropPacket: DefenceOn}
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		if testing.Short() && s.is6 {
			t.Skip("in full runs: explaining each packet takes long under the race detector")
		}
		for name, first := range map[string]pkt{
			"SYN": tcp(client, webVIP, "S"), "datagram": udp(client, echoVIP, "?"),
		} {
			b := newBed(t, s, defended(s.serving(s.web(m, 2), s.echo(m, 2)), on))
			for i := range 40 {
				p := first
				p.src = at4(clientAt(i))
				b.explained(s.front, s.in(p).frame(s.gateway.mac, s.own(s.front).mac))
				if want := uint64(i+1) / 10; b.totals().Drops[DropOverload] != want {
					t.Fatalf("%s %d: dropped %s", name, i, b.drops())
				}
				for range 3 { // of a session, or again of the one that was dropped
					if i%10 != 9 {
						b.fromClient(p)
					}
				}
				b.collectAll()
			}
			b.sessions(36)
			b.dropped("drop_packet=4")
			b.apply(s.serving(s.web(m, 2), s.echo(m, 2)))
			for i := range 20 {
				p := first
				p.src = at4(clientAt(100 + i))
				b.fromClient(p)
			}
			b.collectAll()
			b.sessions(56)
			b.dropped("drop_packet=4")
		}
	})
}

// TestDropPacketCounts: what would begin no session is not counted: packets that no service claims,
// or that cannot begin one, and ICMP errors that are scheduled.
func TestDropPacketCounts(t *testing.T) {
	s := twoArm
	n := defended(s.serving(hashed(&s, modes.NAT, sched.MH), s.web(modes.DR, 1)),
		Defences{DropPacket: DefenceOn})
	n.ScheduleICMP = true
	b := newBed(t, s, n)
	passed := func(want uint32) {
		t.Helper()
		if got := b.worker.guarding.shedding[0].passed; got != want {
			t.Errorf("%d counted, want %d", got, want)
		}
	}
	for i := range 9 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.collectAll()
	passed(9)
	b.fromClient(tcp(clientAt(20), webVIP, "A"), tcp(clientAt(20), webVIP, "R"))
	b.fromClient(udp(clientAt(20), webVIP, "?"), tcp("10.0.0.100:99", webVIP, "S"))
	b.dropped("bad_source=1 no_session=2 no_service=1")
	for range 10 {
		b.fromClient(errorAbout(clientAt(20)))
	}
	if got := collect(b.ports[s.back]); len(got) != 10 {
		t.Errorf("%d errors scheduled", len(got))
	}
	passed(9)
	b.fromClient(tcp(clientAt(21), webVIP, "S"))
	passed(0)
	b.dropped("bad_source=1 no_session=2 no_service=1 drop_packet=1")
}

// TestDropPacketOfDatagrams: of a one-packet service each datagram counts, and of one that is
// dropped no fragment arrives.
func TestDropPacketOfDatagrams(t *testing.T) {
	eachLoneMode(t, func(t *testing.T, s site, m modes.Mode) {
		b := newBed(t, s, defended(s.serving(s.echo(m, 1).alone()), Defences{DropPacket: DefenceOn}))
		for range 29 {
			b.fromClient(udp(client, echoVIP, "?"))
		}
		b.collectAll()
		b.dropped("drop_packet=2")
		whole := udp(client, echoVIP, string(make([]byte, 3000)))
		for _, f := range fragmentsOf(s.in(whole), 1200) {
			b.receive(s.front, ethernet(s.gateway.mac, s.own(s.front).mac, s.in(whole).etherType(), f))
		}
		if got := collect(b.ports[s.back]); len(got) != 0 {
			t.Errorf("%d fragments arrive", len(got))
		}
		b.dropped("no_session=2 drop_packet=3")
		b.fromClient(udp(client, echoVIP, "?"))
		b.dropped("no_session=2 drop_packet=3")
		b.collectAll()
	})
}

// TestDropPacketAuto: it begins with a table that is nearly full, ends with one that is emptier,
// drops more the fuller the table is, and leaves clients of the other family alone.
func TestDropPacketAuto(t *testing.T) {
	for i, s := range []site{twoArm, twoArm.twin()} {
		other := []site{twoArm.twin(), twoArm}[i]
		n := defended(everythingTwice(), Defences{DropPacket: DefenceAuto})
		n.Services = nil
		for _, of := range []site{s, other} {
			n.Services = append(n.Services, of.echo(modes.NAT, 1))
		}
		n.Neighbours = append(s.settings().Neighbours, other.settings().Neighbours...)
		b := newBed(t, s, n, func(c *bedConfig) { c.sessions = 800 })
		at, dropped := 0, uint64(0)
		ask := func(s *site) {
			for range 2 { // the second confirms, so that no session gives way
				p := s.in(udp(clientAt(at), echoVIP, "?"))
				b.receive(s.front, p.frame(s.gateway.mac, s.own(s.front).mac))
			}
			at++
			b.collectAll()
		}
		fill := func(to int) {
			for b.worker.sessions.Len() < to {
				ask(&s)
			}
			b.wait(20)
			dropped = b.totals().Drops[DropOverload]
		}
		expect := func(what string, every uint32) {
			t.Helper()
			f := clientFamily(s.in(udp(client, echoVIP, "?")).client())
			if got := b.worker.guarding.shedding[f].every; got != every {
				t.Errorf("%s, %s: one of %d; want %d", s.name, what, got, every)
			}
			if got := b.worker.guarding.shedding[1-f].every; got != 0 {
				t.Errorf("%s, %s: one of %d of the other family", s.name, what, got)
			}
			got := b.worker.published.defences()
			if want := (ActiveDefences{DropPacket: every != 0}); got != want {
				t.Errorf("%s, %s: %+v", s.name, what, got)
			}
		}
		fill(699)
		expect("not yet", 0)
		if dropped != 0 {
			t.Errorf("%d dropped before", dropped)
		}
		fill(700)
		expect("seven eighths", 10)
		fill(720)
		expect("nine tenths", 5)
		fill(760)
		expect("nearly all", 2)
		for range 100 { // the other family's table is empty
			ask(&other)
		}
		if now := b.totals().Drops[DropOverload]; now != dropped || now == 0 {
			t.Errorf("%d dropped, %d before the other family", now, dropped)
		}
		left := 0
		for slot := range uint32(b.worker.sessions.Cap()) {
			if of := b.worker.sessions.At(slot); of.Live() && b.worker.sessions.Is6(slot) == s.is6 {
				if left++; left > 600 {
					b.worker.sessions.End(slot)
				}
			}
		}
		b.wait(20)
		expect("three quarters", 10)
		for slot := range uint32(b.worker.sessions.Cap()) {
			if b.worker.sessions.At(slot).Live() && b.worker.sessions.Is6(slot) == s.is6 {
				b.worker.sessions.End(slot)
				break
			}
		}
		b.wait(20)
		expect("less", 0)
	}
}

// client returns the source of a packet.
func (p pkt) client() packet.Addr { return packet.AddrOf(p.src.Addr()) }

// TestDropEntry: half-open sessions end within minutes though their timeout is long, and so do some
// that are silent. Connections that talk stay, all counts are right, and each is counted.
func TestDropEntry(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		n := defended(s.serving(s.web(m, 1), s.echo(m, 1)), Defences{DropEntry: DefenceOn})
		for state := range n.Timeouts {
			n.Timeouts[state] = 3_600_000
		}
		b := newBed(t, s, n)
		for i := range 20 {
			p := b.begin(m, tcp(clientAt(i), webVIP, "S"))
			p.answers("SA", "")
			for range 9 {
				p.sends(tcp(clientAt(i), webVIP, "A"))
			}
		}
		for i := range 50 {
			b.fromClient(tcp(clientAt(100+i), webVIP, "S"))
			b.fromClient(udp(clientAt(i), echoVIP, "?"))
			b.collectAll()
		}
		b.sessions(120)
		b.connections(0, 0, 70, 0)
		b.connections(1, 0, 0, 50)
		for range 400 {
			b.wait(1000)
		}
		b.sessions(20)
		b.connections(0, 0, 20, 0)
		b.connections(1, 0, 0, 0)
		if got := b.worker.sessions.Dropped(); got != 100 {
			t.Errorf("%d counted", got)
		}
		r := b.engine.Report()
		if r.DroppedEntries != 100 || r.Workers[0].DroppedEntries != 100 || r.Evicted != 0 ||
			r.Workers[0].Defences != (ActiveDefences{DropEntry: true}) {
			t.Errorf("reported %d, %+v", r.DroppedEntries, r.Workers[0].Defences)
		}
		b.dropped("")
	})
}

// TestDropEntryAuto: it ends half-open sessions of a table that is nearly full, until it is less
// than three quarters full, at the worker and of the family that has it. None end when it is off.
func TestDropEntryAuto(t *testing.T) {
	s := twoArm
	n := s.serving(s.web(modes.DR, 1))
	n.Timeouts.Set(conntrack.SynRecv, conntrack.MaxTimeout)
	b := newBed(t, s, n, func(c *bedConfig) { c.sessions = 800 })
	come := func(from, to int) {
		for i := from; i < to; i++ {
			b.fromClient(tcp(clientAt(i), webVIP, "S"))
		}
		b.collectAll()
	}
	come(0, 699)
	for range 100 {
		b.wait(1000)
	}
	b.sessions(699)
	b.apply(defended(n, Defences{DropEntry: DefenceAuto}))
	for range 100 {
		b.wait(1000)
	}
	b.sessions(699)
	come(699, 700)
	for range 100 {
		b.wait(1000)
	}
	b.sessions(599)
	if b.worker.published.dropEntry.Load() {
		t.Error("still active")
	}
	if b.connections(0, 0, 599, 0); b.worker.sessions.Dropped() != 101 {
		t.Errorf("%d counted", b.worker.sessions.Dropped())
	}
}

// TestDropEntryOfManyWorkers: each does its own part.
func TestDropEntryOfManyWorkers(t *testing.T) {
	s := twoArm
	n := defended(s.serving(s.web(modes.NAT, 2)), Defences{DropEntry: DefenceOn})
	b := newBed(t, s, n, crowd(3))
	for i := range 300 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.collectAll()
	for range 20 {
		b.wait(1000) // their timeout is 60 s
	}
	for i, w := range b.engine.workers {
		if n := w.sessions.Dropped(); n < 20 {
			t.Errorf("worker %d ended %d", i, n)
		}
	}
	left := int32(0)
	for i := range 2 {
		left += b.poolOf(0).At(i).Load.Total()
	}
	b.sessions(int(left))
}

// TestDropEntryOfTemplates: templates that are not confirmed go with their sessions, those of
// clients that have shown that they are there stay.
func TestDropEntryOfTemplates(t *testing.T) {
	s := twoArm
	v := s.web(modes.NAT, 1).kept()
	v.Persistence = 1 << 40
	n := defended(s.serving(v), Defences{DropEntry: DefenceOn})
	n.Timeouts.Set(conntrack.SynRecv, conntrack.MaxTimeout)
	for _, workers := range []int{1, 2} {
		b := newBed(t, s, n, crowd(workers))
		for i := range 30 {
			p := b.begin(modes.NAT, tcp(clientOf(i), webVIP, "S"))
			p.answers("SA", "")
			p.sends(tcp(clientOf(i), webVIP, "A"))
		}
		for i := range 100 {
			b.fromClient(tcp(clientOf(1000+i), webVIP, "S"))
		}
		b.collectAll()
		if got := b.engine.templates.Stats().Templates; got != 130 {
			t.Fatalf("%d templates", got)
		}
		for range 500 {
			b.wait(1000)
		}
		got := b.engine.templates.Stats()
		if got.Templates != 30 || got.Dropped != 100 {
			t.Errorf("%d workers: %+v", workers, got)
		}
		b.close()
	}
}

// clientOf is a client whose address no other number has.
func clientOf(i int) string { return fmt.Sprintf("192.168.%d.%d:4000", 10+i/200, 1+i%200) }

// TestExplainDefences: an explanation names the active defences that concern the packet, and the
// drop that is due, and counts nothing.
func TestExplainDefences(t *testing.T) {
	s := twoArm
	all := Defences{DropEntry: DefenceOn, DropPacket: DefenceOn, SecureTCP: DefenceOn}
	n := s.serving(s.web(modes.NAT, 1), s.echo(modes.DR, 1).alone())
	b := newBed(t, s, defended(n, all))
	ask := func(p pkt, want Verdict, by ...Switch) {
		t.Helper()
		for range 2 {
			x := b.asked(&Question{Protocol: p.protocol, From: p.src, To: p.dst, TCPFlags: p.flags, Port: -1})
			if x.Verdict != want || !slices.Equal(x.Switches, by) {
				t.Errorf("%v by %v; want %v by %v", x.Verdict, x.Switches, want, by)
			}
		}
	}
	syn, datagram := tcp(client, webVIP, "S"), udp(client, echoVIP, "?")
	ask(syn, Taken, SwitchDropPacket, SwitchDropEntry, SwitchSecureTCP)
	ask(datagram, Taken, SwitchDropPacket)
	b.fromClient(syn)
	ask(syn, Taken, SwitchDropEntry, SwitchSecureTCP)
	for range 8 {
		b.fromClient(datagram)
	}
	b.collectAll()
	ask(datagram, DropOverload, SwitchDropPacket)
	ask(syn, Taken, SwitchDropEntry, SwitchSecureTCP)
	ask(tcp(clientAt(9), webVIP, "S"), DropOverload, SwitchDropPacket, SwitchDropEntry, SwitchSecureTCP)
	ask(tcp(clientAt(9), webVIP, "A"), DropNoSession)
	b.dropped("")
	b.fromClient(datagram)
	b.dropped("drop_packet=1")
	b.apply(n)
	ask(syn, Taken)
	ask(datagram, Taken)
}

// TestDropPacketEndsReused: a SYN that would begin another session on an ended one, and is dropped,
// ends that as if it were not.
func TestDropPacketEndsReused(t *testing.T) {
	s := twoArm
	b := newBed(t, s, defended(s.serving(s.web(modes.NAT, 1), s.service(modes.NAT, packet.ProtocolSCTP, 1)),
		Defences{DropPacket: DefenceOn}))
	b.fromClient(tcp(client, webVIP, "S"), tcp(client, webVIP, "A"), tcp(client, webVIP, "R"))
	b.collectAll()
	for i := range 8 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
	}
	b.collectAll()
	b.sessions(9)
	b.fromClient(tcp(client, webVIP, "S"))
	b.dropped("drop_packet=1")
	b.sessions(8)
	from, vip := at4(clientAt(30)), b.engine.snap.Load().order[1].live.settings.Address
	for i := range 10 {
		p := sctpPacket{from, vip, 64, layers.SCTPChunkTypeInit}
		b.receive(s.front, p.frame(s.gateway.mac, s.own(s.front).mac))
		from = nextPort(from)
		if i == 8 {
			b.dropped("drop_packet=1")
		}
	}
	b.collectAll()
	b.dropped("drop_packet=2")
	b.sessions(17)
}

// TestDefencesAllocateNothing, when they end sessions and drop packets.
func TestDefencesAllocateNothing(t *testing.T) {
	s := twoArm
	all := Defences{DropEntry: DefenceOn, DropPacket: DefenceOn, SecureTCP: DefenceOn}
	b := newBed(t, s, defended(s.serving(s.web(modes.NAT, 1), s.echo(modes.NAT, 1)), all),
		func(c *bedConfig) { c.sessions = 20_000 })
	for i := range 15_000 {
		b.fromClient(tcp(clientAt(i), webVIP, "S"))
		collect(b.ports[s.back])
	}
	w, before := b.worker, b.worker.sessions.Dropped()
	if n := testing.AllocsPerRun(200, func() {
		w.now += 100
		w.defend()
		w.dropEntries()
		w.sheds(&w.arrival)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := w.sessions.Dropped() - before; n < 1000 {
		t.Errorf("%d sessions ended", n)
	}
	b.collectAll()
}
