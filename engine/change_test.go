package engine

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"fulcrum/lvs"
	"fulcrum/modes"
	"fulcrum/packet"
	"fulcrum/sched"
)

// weighted returns a service with another weight for its i-th real server.
func weighted(s Service, i int, weight int32) Service {
	s.RealServers = append([]RealServer(nil), s.RealServers...)
	s.RealServers[i].Weight = weight
	return s
}

// TestWeightChangesNothingElse: another weight replaces the pool. The snapshot stays, no frame is
// sent, and no session looks up its next hop.
func TestWeightChangesNothingElse(t *testing.T) {
	eachMode(t, func(t *testing.T, s site, m modes.Mode) {
		web := weighted(weighted(s.web(m, 3), 1, 0), 2, 0)
		b := newBed(t, s, s.serving(web, s.echo(m, 1)))
		p := b.begin(m, tcp(client, webVIP, "S"))
		snap, session := b.engine.snap.Load(), *b.worker.sessions.At(0)
		before := b.totals()
		b.engine.Change(Change{Put: []Service{weighted(s.web(m, 3), 0, 0)}})
		b.wait(5000)
		b.quiet()
		if b.engine.snap.Load() != snap || b.totals() != before {
			t.Fatal("a weight made another snapshot, or a frame")
		}
		if now := *b.worker.sessions.At(0); now != session {
			t.Fatalf("the session was %+v, is %+v", session, now)
		}
		p.sends(tcp(client, webVIP, "A"))
		for i := range 6 {
			b.fromClient(tcp(clientAt(i), webVIP, "S"))
		}
		b.collectAll()
		b.connections(0, 0, 1, 0)
		b.connections(0, 1, 3, 0)
		b.connections(0, 2, 3, 0)
	})
}

// TestChangeAddsAndRemoves: a change of some services leaves the others alone, and has the same
// result as applying all settings.
func TestChangeAddsAndRemoves(t *testing.T) {
	s := twoArm
	web, echo := s.web(modes.NAT, 2), s.echo(modes.FullNAT, 1)
	b := newBed(t, s, s.serving(web))
	b.engine.Change(Change{Put: []Service{echo}})
	b.turn()
	b.collectAll()
	p := b.begin(modes.FullNAT, udp(client, echoVIP, "?"))
	p.answers("", "!")
	b.fromClient(tcp(client, webVIP, "S"))
	b.collectAll()

	fewer := web
	fewer.RealServers = web.RealServers[1:]
	b.engine.Change(Change{Put: []Service{fewer}, Remove: []lvs.ServiceID{echo.ID()}})
	b.turn()
	b.fromClient(udp(client, echoVIP, "?"), udp(clientAt(3), echoVIP, "?"))
	b.dropped("no_service=1 real_server_gone=1")
	if r := b.engine.Report(); len(r.Services) != 1 || len(r.Services[0].RealServers) != 1 {
		t.Fatalf("%+v", r.Services)
	}
	same := b.engine.snap.Load()
	b.engine.Apply(s.serving(fewer))
	if b.engine.snap.Load() != same {
		t.Error("the same settings made another snapshot")
	}
}

// TestSettingsAreCopied: the caller may reuse the slices of a service after Change.
func TestSettingsAreCopied(t *testing.T) {
	s := twoArm
	v := s.echo(modes.FullNAT, 2)
	v.LocalAddresses = append([]netip.Addr(nil), s.local[0])
	b := newBed(t, s, s.serving(v))
	v.LocalAddresses[0], v.RealServers[0].Weight = s.local[1], 7
	b.engine.Change(Change{Put: []Service{v}})
	entry := b.engine.snap.Load().order[0]
	if got := entry.local[0].addresses[0].Netip(); got != s.local[1] || b.poolOf(0).At(0).Weight != 7 {
		t.Errorf("local address %v, weight %d", got, b.poolOf(0).At(0).Weight)
	}
}

// TestMemberBeforePool: a worker that finds a real server in a pool but not in its snapshot adopts
// the newer snapshot first.
func TestMemberBeforePool(t *testing.T) {
	s := oneArm
	web := s.web(modes.DR, 1)
	b := newBed(t, s, s.serving(web))
	old := b.worker.snap
	more := s.web(modes.DR, 3)
	more.RealServers = more.RealServers[1:]
	b.engine.Change(Change{Put: []Service{more}})
	b.turn()
	b.collectAll()
	// As if it had read the snapshot just before the change, and the pool just after.
	b.worker.snap = old
	b.worker.burst++
	flow := packet.Flow{
		Src: packet.AddrOf4(0x0a000009), SrcPort: 1,
		Dst: packet.AddrOf(at4(webVIP).Addr()), DstPort: 80,
	}
	key := packet.Key{Flow: flow, Protocol: packet.ProtocolTCP}
	a, d := arrival{key: key, flags: packet.TCPSyn}, decision{}
	b.worker.decide(&a, &d, nil, nil)
	if d.verdict != Taken || d.server.gone || b.worker.snap != b.engine.snap.Load() {
		t.Fatalf("%+v of %+v", d, d.server)
	}
}

// TestOnePoolABurst: all packets of one burst choose from the same pool.
func TestOnePoolABurst(t *testing.T) {
	s := oneArm
	web := s.web(modes.DR, 2)
	b := newBed(t, s, s.serving(web))
	live := b.engine.snap.Load().order[0].live
	first := b.worker.poolOf(live)
	b.engine.Change(Change{Put: []Service{weighted(web, 0, 5)}})
	if b.worker.poolOf(live) != first {
		t.Error("another pool in the same burst")
	}
	b.turn()
	if p := b.worker.poolOf(live); p == first || p.At(0).Weight != 5 {
		t.Error("the old pool in another burst")
	}
}

// TestEpochDoesNotWrap: a hop of an old topology is not trusted after 65,536 others.
func TestEpochDoesNotWrap(t *testing.T) {
	s := oneArm
	b := newBed(t, s, s.serving(s.web(modes.NAT, 1)))
	p := b.begin(modes.NAT, tcp(client, webVIP, "S"))
	p.answers("SA", "")
	session := b.worker.sessions.At(0)
	was, epoch := session.NextHop, session.RouteEpoch
	next := *b.engine.snap.Load()
	topology := *next.topology
	topology.epoch += 1 << 16
	next.topology = &topology
	b.engine.snap.Store(&next)
	b.turn()
	b.collectAll()
	session.NextHop = was + 1000 // a hop without neighbour
	for range 3 {
		b.fromClient(tcp(client, webVIP, "A")) // so that answers may go straight
	}
	b.collectAll()
	p.answers("A", "")
	if session.RouteEpoch == epoch || session.NextHop == was+1000 {
		t.Errorf("epoch %d, then %d: hop %d", epoch, session.RouteEpoch, session.NextHop)
	}
}

// TestServiceComparison: the comparison notices a change of any field of a service.
func TestServiceComparison(t *testing.T) {
	base := twoArm.web(modes.FullNAT, 2)
	v := reflect.ValueOf(&base).Elem()
	for i := range v.NumField() {
		changed := base
		f := reflect.ValueOf(&changed).Elem().Field(i)
		alter(t, f)
		if base.equal(&changed) {
			t.Errorf("another %s goes unnoticed", v.Type().Field(i).Name)
		}
	}
	if !base.equal(&base) {
		t.Error("it differs from itself")
	}
	options := Settings{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Settings]()) {
		changed := options
		switch f.Name {
		case "Ports", "Routes", "Neighbours", "Services", "Defences": // the latter's fields follow
		default:
			alter(t, reflect.ValueOf(&changed).Elem().FieldByIndex(f.Index))
			if options.sameOptions(&changed) {
				t.Errorf("another %s goes unnoticed", f.Name)
			}
		}
	}
}

// alter gives a field another value.
func alter(t *testing.T, f reflect.Value) {
	switch v := f.Addr().Interface().(type) {
	case *netip.AddrPort:
		*v = netip.AddrPortFrom(v.Addr(), v.Port()+1)
	case *[]netip.Addr:
		*v = append([]netip.Addr{netip.MustParseAddr("10.0.0.9")}, *v...)
	case *[]lvs.Match:
		*v = []lvs.Match{lvs.MatchOf(lvs.TCP, netip.MustParseAddrPort("10.0.0.9:9"))}
	case *[]RealServer:
		*v = append([]RealServer(nil), *v...)
		(*v)[0].LowerThreshold++
	default:
		switch f.Kind() {
		case reflect.String:
			f.SetString(f.String() + "x")
		case reflect.Bool:
			f.SetBool(!f.Bool())
		case reflect.Int, reflect.Int64:
			f.SetInt(f.Int() + 1)
		case reflect.Uint8, reflect.Uint16, reflect.Uint32:
			f.SetUint(f.Uint() + 1)
		case reflect.Array:
			f.Index(3).SetUint(f.Index(3).Uint() + 1)
		default:
			t.Fatalf("cannot alter a %v", f.Type())
		}
	}
}

// farm returns n services with m real servers each, all behind a gateway.
func farm(n, m int) Settings {
	s := Settings{
		Ports: []PortSettings{{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}},
			{Addresses: []netip.Prefix{netip.MustParsePrefix("10.1.0.1/24")}}},
		Routes: []Route{
			{To: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("10.0.0.254")},
			{To: netip.MustParsePrefix("10.128.0.0/9"), Via: netip.MustParseAddr("10.1.0.254"),
				Port: 1},
		},
	}
	for i := range n {
		s.Services = append(s.Services, farmService(i, m))
	}
	return s
}

func farmService(i, m int) Service {
	v := Service{
		Name:     fmt.Sprintf("service-%d", i),
		Address:  netip.AddrPortFrom(packet.AddrFrom4(0x0a400000+uint32(i)), 80),
		Protocol: lvs.TCP, Mode: modes.NAT, Scheduler: sched.WLC, Echo: true,
	}
	for j := range m {
		address := packet.AddrFrom4(0x0a800000 + uint32(i*m+j))
		v.RealServers = append(v.RealServers,
			RealServer{Address: netip.AddrPortFrom(address, 8080), Weight: 1})
	}
	return v
}

// newFarm makes a director without traffic for a large farm.
func newFarm(b *testing.B, n, m int) *Engine {
	b.Helper()
	d := newSilentBed(b, twoArm, farm(n, m))
	for range 3 {
		d.worker.Turn(d.now)
	}
	d.closed = true // skip the checks at the end: they take longer than the benchmark
	b.Cleanup(func() {
		d.worker.stop()
		if err := d.engine.Close(); err != nil {
			b.Error(err)
		}
	})
	return d.engine
}

// BenchmarkChangeWeight changes one weight among n services of ten real servers each.
func BenchmarkChangeWeight(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := newFarm(b, n, 10)
			v := farmService(n/2, 10)
			for i := 0; b.Loop(); i++ {
				v.RealServers[3].Weight = int32(2 + i%2)
				e.Change(Change{Put: []Service{v}})
			}
		})
	}
}

// BenchmarkChangeService adds a service to n others and removes it.
func BenchmarkChangeService(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e := newFarm(b, n, 10)
			v := farmService(n, 10)
			for b.Loop() {
				e.Change(Change{Put: []Service{v}})
				e.Change(Change{Remove: []lvs.ServiceID{v.ID()}})
			}
		})
	}
}

// BenchmarkApply applies n services of ten real servers each to an empty director. It reports the
// worker's longest turn after each application, as the median of all: a turn during which the
// system took the CPU away is no measure.
func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			all := farm(n, 10)
			none := all
			none.Services = nil
			var longest []time.Duration
			for range b.N {
				b.StopTimer()
				e := newFarm(b, 1, 1)
				e.Apply(none)
				w := e.workers[0]
				w.Turn(2_000_000)
				b.StartTimer()
				e.Apply(all)
				b.StopTimer()
				worst := time.Duration(0)
				for i := range uint32(50) {
					begin := time.Now()
					w.Turn(2_000_001 + i)
					worst = max(worst, time.Since(begin))
				}
				longest = append(longest, worst)
				b.StartTimer()
			}
			slices.Sort(longest)
			b.ReportMetric(float64(longest[len(longest)/2].Microseconds()), "us-turn")
		})
	}
}
