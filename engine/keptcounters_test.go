package engine

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fulcrum/lvs"
	"fulcrum/modes"
)

// counting is every counter of a report by a name.
type counting map[string]uint64

// countingOf returns what a report shows. Workers and real servers are left out of sums.
func countingOf(r *Report) counting {
	c := counting{}
	put := func(n uint64, format string, args ...any) { c[fmt.Sprintf(format, args...)] = n }
	totals := func(of string, t *Totals) {
		for i, n := range t.terms() {
			if termNames[i] != "" {
				put(*n, "%s %s", of, termNames[i])
			}
		}
		for v := firstDrop; v < NumVerdicts; v++ {
			put(t.Drops[v], "%s drop %v", of, v)
		}
		for i, n := range []uint64{t.Evicted, t.DroppedEntries, t.Resets, t.ResetsSuppressed, t.Routed,
			t.Unlimited, t.SourcesForgotten} {
			put(n, "%s other %d", of, i)
		}
	}
	totals("all", &r.Totals)
	for i := range r.Workers {
		w := &r.Workers[i]
		of := fmt.Sprint("worker ", i)
		totals(of, &w.Totals)
		for j, n := range w.HandedTo {
			put(n, "%s to %d", of, j)
		}
		for j, n := range w.Times.Counts {
			put(n, "%s turn times %d", of, j)
		}
		for j, n := range []uint64{w.Turns, uint64(w.Busy), uint64(w.Times.Total), w.NeighbourFailures,
			w.RefusedMoves} {
			put(n, "%s effort %d", of, j)
		}
	}
	for i := range r.Ports {
		for j, n := range r.Ports[i].PortTotals.all() {
			put(*n, "port %d %d", i, j)
		}
	}
	for i := range r.Host {
		for j, n := range r.Host[i].all() {
			put(*n, "host %d %d", i, j)
		}
	}
	for i := range r.Services {
		s := &r.Services[i]
		for j, n := range s.Traffic.all() {
			put(*n, "%v %d", s.Service.ID(), j)
		}
		for _, rs := range slices.Concat(s.RealServers, s.Gone) {
			for j, n := range rs.Traffic.all() {
				put(*n, "%v of %v %d", rs.Address, s.Service.ID(), j)
			}
			put(rs.SYNsUnanswered, "%v of %v unanswered", rs.Address, s.Service.ID())
		}
	}
	put(r.Templates.GaveWay, "templates gave way")
	put(r.Templates.Refused, "templates refused")
	put(r.Templates.Dropped, "templates dropped")
	for what, n := range r.Kept.Sum {
		put(n, "kept %s", what)
	}
	return c
}

// counters reads all counters.
func (b *bed) counters() counting {
	b.Helper()
	r := b.engine.Report()
	return countingOf(&r)
}

// kill ends a director as kill -9 does: nobody writes anything any more, and the folder is free. It
// returns a function that gives its memory back.
func (b *bed) kill() (bury func()) {
	b.Helper()
	b.closed = true
	run := b.engine.kept.run
	none, err := os.Open(os.DevNull)
	if err != nil {
		b.Fatal(err)
	}
	if err := run.lock.Close(); err != nil {
		b.Fatal(err)
	}
	run.lock = none
	return func() { b.closed = false; b.close() }
}

// killed kills a director and starts another one in the same folder.
func (b *bed) killed(n Settings, changes ...func(*bedConfig)) *bed {
	b.Helper()
	bury := b.kill()
	next := newSilentBed(b.TB, b.site, n, changes...)
	bury()
	return next
}

// atLeast expects no counter below what was seen of it before. Those that are not shown any more
// are none of it.
func (now counting) atLeast(t fataler, seen counting) {
	for name, n := range seen {
		if is, shown := now[name]; shown && is < n {
			t.Fatalf("%s was %d, and is %d", name, n, is)
		}
	}
}

// TestCountersOutliveTheProcess: a director goes on from the counts of the one before, whether that
// was stopped or killed, and before it has turned.
func TestCountersOutliveTheProcess(t *testing.T) {
	eachKept(t, func(t *testing.T, s site, m modes.Mode, workers int) {
		folder, n := inMemory(t), s.serving(s.web(m, 3).kept(), s.echo(m, 3))
		b, web := newBed(t, s, n, keptIn(folder, workers)), n.Services[0].ID()
		for round := range 4 {
			for i := range 6 {
				at := b.ask(m, tcp(clientAt(round*9+i), webVIP, "S"))
				if m.TwoWay() {
					b.reply(at, clientAt(round*9+i))
				}
			}
			b.fromClient(tcp(clientAt(round*9+7), webVIP, "A"), udp(clientAt(round*9+8), echoVIP, "?"))
			b.collectAll()
			b.wait(100)
			was := b.counters()
			if was["all drop no_session"] != uint64(round+1) || was[web.String()+" 0"] != uint64(6*round+6) {
				t.Fatalf("round %d: %v", round, was)
			}
			if round%2 == 0 {
				b = b.killed(n, keptIn(folder, workers))
			} else {
				b.close()
				b = newSilentBed(t, s, n, keptIn(folder, workers))
			}
			// Sessions that go on are no new ones.
			now := b.counters()
			for name, v := range was {
				if !strings.HasPrefix(name, "kept") && now[name] != v && round%2 == 0 {
					t.Errorf("round %d: %s is %d, was %d", round, name, now[name], v)
				}
			}
			now.atLeast(t, was)
			for _, v := range b.engine.Report().Services {
				if v.Inherited != v.Traffic || v.RealServers[0].Inherited != v.RealServers[0].Traffic {
					t.Errorf("round %d: inherited %+v", round, v)
				}
			}
			if now["kept kept"] != was["kept kept"]+uint64(7*round+7) {
				t.Errorf("round %d: kept %d, before %d", round, now["kept kept"], was["kept kept"])
			}
			b.turn()
			b.announced()
		}
	})
}

// TestCountersNeverGoBack: whatever the traffic, the changes, the readers and the ends of
// directors, with any number of workers: no reader ever sees a smaller count.
func TestCountersNeverGoBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, folder := twoArm, filepath.Join(t.TempDir(), "keep")
		defer os.RemoveAll(folder)
		m := rapid.SampledFrom(allModes).Draw(rt, "mode")
		settings := func() Settings {
			n := s.serving(s.web(m, rapid.IntRange(0, 3).Draw(rt, "web")).kept())
			if echo := rapid.IntRange(0, 3).Draw(rt, "echo"); echo > 0 {
				n.Services = append(n.Services, s.echo(m, echo))
			}
			return n
		}
		n, workers := settings(), rapid.IntRange(1, 3).Draw(rt, "workers")
		b := newBed(t, s, n, keptIn(folder, workers))
		seen := counting{}
		read := func() {
			now := b.counters()
			now.atLeast(rt, seen)
			seen = now
		}
		readOne := func() {
			r := Report{Kept: &KeptReport{}, Ports: []PortReport{{PortTotals: b.engine.PortTotals(0)}}}
			if v, ok := b.engine.ReportOf(n.Services[0].ID()); ok {
				r.Services = append(r.Services, v)
			}
			now := countingOf(&r)
			maps.DeleteFunc(now, func(name string, _ uint64) bool {
				return strings.HasPrefix(name, "all") || strings.HasPrefix(name, "templates")
			})
			now.atLeast(rt, seen)
			maps.Copy(seen, now)
		}
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 6:
				readOne()
			case 0:
				b.fromClient(tcp(clientAt(rapid.IntRange(0, 20).Draw(rt, "client")), webVIP, "S"))
			case 1:
				b.fromClient(udp(clientAt(rapid.IntRange(0, 20).Draw(rt, "client")), echoVIP, "?"))
			case 2:
				b.wait(uint32(rapid.IntRange(0, 5000).Draw(rt, "ms")))
			case 3:
				read()
			case 4:
				n = settings()
				b.apply(n)
			case 5:
				workers = rapid.IntRange(1, 3).Draw(rt, "workers")
				now := b.now
				if rapid.Bool().Draw(rt, "killed") {
					b = b.killed(n, keptIn(folder, workers))
				} else {
					b.close()
					b = newSilentBed(t, s, n, keptIn(folder, workers))
				}
				b.now = now
				read()
			}
			b.collectAll()
		}
		read()
		b.close()
	})
}

// TestEveryCounterGoesOn: each counter that a report shows begins at what the run before had.
func TestEveryCounterGoesOn(t *testing.T) {
	s, folder := twoArm, inMemory(t)
	n := hosted(s.serving(s.web(modes.NAT, 2)))
	b := newBed(t, s, n, withHost, keptIn(folder, 2))
	k, added := &b.engine.kept.counters, uint64(1000)
	for i := range k.cells {
		var all counts
		for j := range all {
			added++
			all[j] = added
		}
		k.cells[i].add(&all)
	}
	for _, w := range b.engine.workers {
		w.published.servers[0].unanswered.Store(1 << 20)
		w.published.servers[1].unanswered.Store(1 << 21)
		w.publishServer(0)
		w.publishServer(1)
		for id := range w.peers[:2] {
			w.roads[id].traffic = Traffic{1 << 20, 1 << 21, 1 << 22, 1 << 23, 1 << 24}
			w.publishServer(id)
		}
	}
	b.engine.accountForLost()
	b.wait(20)
	was := b.counters()
	for name, n := range was {
		settled := name == "all handed_over" || name == "all taken_over"
		if n < 1000 && !settled {
			t.Errorf("%s is %d: has it a cell?", name, n)
		}
	}
	b = b.killed(n, withHost, keptIn(folder, 2))
	if now := b.counters(); !maps.Equal(now, was) {
		t.Errorf("%v\nwere %v", now, was)
	}
}

// TestCountersAreKeptMeanwhile: a director that is killed has kept what it counted though nobody
// has read it.
func TestCountersAreKeptMeanwhile(t *testing.T) {
	s, folder := twoArm, inMemory(t)
	n := s.serving(s.echo(modes.DR, 1))
	b := newSilentBed(t, s, n, keptIn(folder, 1))
	stop := b.start()
	b.deliver(0, udp(client, echoVIP, "?").frame(s.gateway.mac, s.ports[0].mac))
	b.await("the datagram in the file", func() bool {
		c, err := lastCounters(folder, -1)
		return err == nil && c.traffic[lvs.RealServerID{Service: n.Services[0].ID()}][0] == 1
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestCountersOfOtherWorkers: with fewer workers, the others go on from the counts of those that
// are no more, so that no sum goes back.
func TestCountersOfOtherWorkers(t *testing.T) {
	s, folder := twoArm, inMemory(t)
	n := s.serving(s.echo(modes.NAT, 3))
	b := newBed(t, s, n, keptIn(folder, 3), scattered(3))
	b.converse(modes.NAT, 60)
	b.wait(100)
	for _, workers := range []int{2, 1, 3} {
		was, before := b.counters(), b.engine.Report()
		b.close()
		b = newSilentBed(t, s, n, keptIn(folder, workers), scattered(workers))
		b.counters().atLeast(t, was)
		sum := func(r Report) (t Totals, handed uint64) {
			for _, w := range r.Workers {
				for i, n := range w.Totals.terms() {
					*t.terms()[i] += *n
				}
				for _, n := range w.HandedTo {
					handed += n
				}
			}
			return t, handed
		}
		wanted, handed := sum(before)
		got, handedNow := sum(b.engine.Report())
		if got != wanted || handed != handedNow || handed == 0 {
			t.Errorf("%d workers: %+v and %d handed over, want %+v and %d", workers, got, handedNow, wanted, handed)
		}
		b.turn()
		b.announced()
	}
}

// TestCountersOfOtherServices: what a removed real server has counted stays in its service's sum.
// It has its counts again if it comes back, even while the director runs, and so has a service.
func TestCountersOfOtherServices(t *testing.T) {
	s, folder := twoArm, inMemory(t)
	web := func(n int) Settings { return s.serving(s.web(modes.NAT, n)) }
	traffic := func(b *bed, want uint64, each ...uint64) {
		t.Helper()
		r := b.engine.Report().Services[0]
		var got []uint64
		for _, rs := range r.RealServers {
			got = append(got, rs.Connections)
		}
		if r.Connections != want || !slices.Equal(got, each) {
			t.Errorf("%d connections, %d; want %d, %d", r.Connections, got, want, each)
		}
	}
	b := newBed(t, s, web(3), keptIn(folder, 1))
	for i := range 9 {
		b.ask(modes.NAT, tcp(clientAt(i), webVIP, "S"))
	}
	b.wait(20)
	traffic(b, 9, 3, 3, 3)
	b = b.restart(web(1), folder, 1)
	traffic(b, 9, 3)
	b.apply(web(2))
	traffic(b, 9, 3, 3)
	b.ask(modes.NAT, tcp(clientAt(50), webVIP, "S"))
	b.ask(modes.NAT, tcp(clientAt(51), webVIP, "S"))
	b.wait(20)
	traffic(b, 11, 4, 4)
	// The third one was not there for a whole run.
	b = b.restart(web(3), folder, 1)
	traffic(b, 11, 4, 4, 0)
	// A removed service is forgotten with the run, and comes back within it.
	b = b.restart(s.settings(), folder, 1)
	b.apply(web(2))
	traffic(b, 11, 4, 4)
	b = b.restart(s.settings(), folder, 1)
	b = b.restart(web(2), folder, 1)
	traffic(b, 0, 0, 0)
}

// TestCountersAfterALayout: counters go on where sessions do not.
func TestCountersAfterALayout(t *testing.T) {
	s, folder := oneArm, inMemory(t)
	n := s.serving(s.web(modes.DR, 1))
	b := newBed(t, s, n, keptIn(folder, 1))
	b.ask(modes.DR, tcp(client, webVIP, "S"))
	b.wait(20)
	was := b.counters()
	b.close()
	if err := edit(filepath.Join(folder, "run-0", "about"), bootID(), "another"); err != nil {
		t.Fatal(err)
	}
	b = newBed(t, s, n, keptIn(folder, 1))
	if r := b.engine.Kept(); r.Kept != 0 || len(r.Aside) != 1 {
		t.Errorf("%+v", r)
	}
	b.counters().atLeast(t, was)
}

// TestLostPackets: packets that a killed director held, or handed between its workers, count as
// stopped.
func TestLostPackets(t *testing.T) {
	s, folder := oneArm, inMemory(t)
	n := s.resolving(s.web(modes.DR, 1))
	b := newBed(t, s, n, keptIn(folder, 1))
	b.fromClient(tcp(client, webVIP, "S"))
	b.wait(20)
	if r := b.engine.Report(); r.Held != 1 {
		t.Fatalf("%d held", r.Held)
	}
	b = b.killed(n, keptIn(folder, 1))
	if r := b.engine.Report(); r.Held != 0 || r.Drops[DropStopped] != 1 || r.Balance() != 0 {
		t.Errorf("%+v", r.Totals)
	}
	for _, counted := range [][2]Totals{
		{{Received: 9, HandedOver: 9}, {TakenOver: 4, Transmitted: 4}}, // five between them
		{{Received: 3, HandedOver: 3}, {TakenOver: 7, Transmitted: 7}}, // read a moment later
		{{Transmitted: 2}, {Received: 2}},
	} {
		b := newBed(t, oneArm, n, crowd(2))
		for i, w := range b.engine.workers {
			w.counters.totals = counted[i]
		}
		b.engine.accountForLost()
		b.balanced()
	}
}

// TestCountersOfTheForgotten: the record of a real server that the director has forgotten is used
// again, and what was displayed as zero goes with it.
func TestCountersOfTheForgotten(t *testing.T) {
	s, folder := twoArm, inMemory(t)
	b := newBed(t, s, s.serving(s.web(modes.NAT, 3)), keptIn(folder, 1))
	b.engine.Report()
	web := s.web(modes.NAT, 3)
	gone := lvs.RealServerID{Service: web.ID(), Address: web.RealServers[2].Address}
	b.engine.KeepZero(gone, Traffic{})
	b.apply(s.serving(s.web(modes.NAT, 2)))
	k := &b.engine.kept.counters
	b.engine.Report()
	if len(k.records) != 4 || len(k.zeroes) != 1 {
		t.Fatalf("%d records, %d zeroes", len(k.records), len(k.zeroes))
	}
	b.keepAt(time.Now().Add(forgetAfter + time.Hour))
	c := b.engine.begin(time.Now().Add(forgetAfter + 2*time.Hour))
	c.forget()
	c.publish()
	b.engine.Report()
	if len(k.records) != 3 || len(k.zeroes) != 0 || len(k.file.unused) != 2 {
		t.Errorf("%d records, %d zeroes, %d unused", len(k.records), len(k.zeroes), len(k.file.unused))
	}
	b.apply(s.serving(s.web(modes.NAT, 3)))
	b.engine.Report()
	if len(k.file.unused) != 1 {
		t.Errorf("%d unused", len(k.file.unused))
	}
}

// TestDamagedCounters: a file that cannot be believed is named, and costs no start.
func TestDamagedCounters(t *testing.T) {
	s, folder := oneArm, inMemory(t)
	n := s.serving(s.web(modes.DR, 1))
	b := newBed(t, s, n, keptIn(folder, 1))
	b.ask(modes.DR, tcp(client, webVIP, "S"))
	b.close()
	file, err := os.ReadFile(filepath.Join(folder, "run-0", "counters"))
	if err != nil {
		t.Fatal(err)
	}
	damage := func(at int, b byte) []byte {
		d := slices.Clone(file)
		d[at] = b
		return d
	}
	for name, content := range map[string][]byte{
		"empty":             {},
		"foreign":           []byte(strings.Repeat("something else\n", 1000)),
		"another version":   damage(len(countersMagic), 9),
		"other records":     damage(len(countersMagic)+4, 9),
		"cut off":           file[:1000],
		"unknown kind":      damage(counterLen, 9),
		"impossible name":   damage(counterLen+1, 200),
		"impossible server": damage(counterLen, trafficCount),
		"unlikely count":    damage(counterLen+counterKeyLen+7, 0x80),
	} {
		t.Run(name, func(t *testing.T) {
			copied := filepath.Join(t.TempDir(), "keep")
			if err := os.CopyFS(filepath.Join(copied, "run-0"), os.DirFS(filepath.Join(folder, "run-0"))); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(copied, "run-0", "counters"), content, 0o600); err != nil {
				t.Fatal(err)
			}
			b := newBed(t, s, n, keptIn(copied, 1))
			r := b.engine.Kept()
			if len(r.Aside) != 1 || !strings.Contains(r.Aside[0], "run-0/counters: no file of counters") {
				t.Errorf("aside: %q", r.Aside)
			}
			if got := b.engine.Report().Services[0].Connections; got != 0 || r.Kept != 1 {
				t.Errorf("%d connections, %d kept", got, r.Kept)
			}
		})
	}
}

// TestZeroesAreKept: what is displayed as zero outlives the process, until its real server is not
// there for a whole run.
func TestZeroesAreKept(t *testing.T) {
	s, folder := oneArm, inMemory(t)
	v := s.web(modes.DR, 1)
	b := newBed(t, s, s.serving(v), keptIn(folder, 1))
	service := lvs.RealServerID{Service: v.ID()}
	server := lvs.RealServerID{Service: v.ID(), Address: v.RealServers[0].Address}
	stranger := lvs.RealServerID{Service: v.ID(), Address: netip.MustParseAddrPort("10.9.9.9:9")}
	for i, id := range []lvs.RealServerID{service, server, stranger} {
		b.engine.KeepZero(id, Traffic{Connections: uint64(i) + 1, OutBytes: 7})
	}
	b.engine.KeepZero(server, Traffic{Connections: 5})
	for _, n := range []Settings{s.serving(v), s.settings()} {
		b = b.restart(n, folder, 1)
		if got := b.engine.Zeroes(); len(got) != 2 || got[service] != (Traffic{Connections: 1, OutBytes: 7}) ||
			got[server] != (Traffic{Connections: 5}) {
			t.Errorf("%v", got)
		}
	}
	if got := b.restart(s.serving(v), folder, 1).engine.Zeroes(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	none := newBed(t, s, s.serving(v)).engine
	if none.KeepZero(server, Traffic{}); none.Zeroes() != nil {
		t.Error("an engine that keeps nothing keeps zeroes")
	}
}
