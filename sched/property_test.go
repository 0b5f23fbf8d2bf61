package sched_test

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"fulcrum/lvs"
	"fulcrum/packet"
	"fulcrum/sched"
)

// service is one service in both worlds: the model's list, and a file that is loaded again after
// each edit.
type service struct {
	model  kernel
	file   []*destination
	pool   atomic.Pointer[sched.Pool]
	nextID int
	open   []*session
	gone   []*destination // removed, with their sessions
	uppers []int          // the upper thresholds to draw from
	now    uint32         // ms
}

type session struct {
	at     *destination
	active bool
}

func (s *service) load() {
	servers := make([]sched.Server, len(s.file))
	for i, d := range s.file {
		servers[i] = sched.Server{
			Weight: int32(d.weight), Upper: int32(d.upper), Lower: int32(d.lower), Load: d.load,
			Hashed: sched.HashedOf(s.vip(0), packet.AddrOf(d.address.Addr()), d.address.Port()),
		}
	}
	publishRule(&s.pool, sched.Rule{Kind: s.model.kind, Flags: s.model.flags}, servers)
}

// vip returns one of the service's addresses.
func (s *service) vip(n int) packet.Addr {
	if s.model.six {
		return packet.AddrOf(netip.AddrFrom16([16]byte{0: 0xfd, 7: byte(n), 15: byte(100 + n)}))
	}
	return packet.AddrOf4(0x0a000064 + uint32(n))
}

// drawRequest draws a first packet from few clients to few VIPs, at some time after the last one.
func (s *service) drawRequest(t *rapid.T) (sched.Request, packetModel) {
	s.now += rapid.SampledFrom([]uint32{0, 0, 0, 1, 1000, 59_999, halfHour, day / 2, day + 1}).
		Draw(t, "ms later")
	client := rapid.IntRange(0, 300).Draw(t, "client")
	vip := s.vip(rapid.IntRange(0, 3).Draw(t, "VIP"))
	r := sched.Request{Key: new(packet.Key), Now: s.now}
	r.Src, r.Dst = packet.AddrOf4(0xc0a80000+uint32(client)), vip
	if s.model.six {
		r.Src = packet.AddrOf(netip.AddrFrom16([16]byte{0: 0x20, 4: byte(client >> 8), 15: byte(client)}))
	}
	r.SrcPort = rapid.SampledFrom([]uint16{0, 1024, 40000, 65535}).Draw(t, "port")
	r.Protocol = rapid.SampledFrom([]uint8{packet.ProtocolTCP, packet.ProtocolUDP,
		packet.ProtocolSCTP, packet.ProtocolICMP, packet.ProtocolICMPv6}).Draw(t, "protocol")
	return r, packetModel{
		source: r.Src.Netip(), destination: vip.Netip(), port: r.SrcPort, now: s.now,
		ports: r.Protocol != packet.ProtocolICMP && r.Protocol != packet.ProtocolICMPv6,
	}
}

func drawAddress(t *rapid.T, id int) netip.AddrPort {
	port := rapid.SampledFrom([]uint16{80, 8080, 65535}).Draw(t, "port")
	if rapid.Bool().Draw(t, "of IPv6") {
		a := [16]byte{0: 0xfd, 2: byte(id), 9: 7, 15: byte(id)}
		return netip.AddrPortFrom(netip.AddrFrom16(a), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(id >> 8), byte(id)}), port)
}

func (s *service) drawServer(t *rapid.T) *destination {
	d := &destination{id: s.nextID, load: new(sched.Load)}
	d.address = drawAddress(t, d.id)
	s.nextID++
	d.reweigh(drawWeight(t), true)
	d.upper, d.lower = s.drawThresholds(t)
	return d
}

func drawWeight(t *rapid.T) int {
	return rapid.OneOf(rapid.IntRange(0, 6), rapid.SampledFrom([]int{10, 12, 30, 100, 999})).
		Draw(t, "weight")
}

func (s *service) drawThresholds(t *rapid.T) (upper, lower int) {
	upper = rapid.SampledFrom(s.uppers).Draw(t, "upper")
	if upper > 0 {
		lower = rapid.IntRange(0, upper).Draw(t, "lower")
	}
	return upper, lower
}

func newService(t *rapid.T, kind sched.Kind) *service {
	flags := rapid.SampledFrom([]lvs.SchedulerFlags{
		0, lvs.SchedPort, lvs.SchedFallback, lvs.AllSchedulerFlags,
	}).Draw(t, "flags")
	s := &service{model: newKernel(kind, flags, rapid.Bool().Draw(t, "of IPv6"))}
	// Tight thresholds often leave a pool without an available real server.
	s.uppers = rapid.SampledFrom([][]int{{0, 0, 1, 2, 5, 8}, {1, 1, 2}}).Draw(t, "upper thresholds")
	s.addAll(t)
	return s
}

// addAll loads a file with several more real servers. The kernel gets them one by one.
func (s *service) addAll(t *rapid.T) {
	for range rapid.IntRange(0, 6).Draw(t, "servers") {
		d := s.drawServer(t)
		s.file = append(s.file, d)
		s.model.add(d)
	}
	s.load()
}

// rebind gives the live service another scheduler, and then its own again.
func (s *service) rebind(t *rapid.T) {
	own := s.model.kind
	for _, kind := range []sched.Kind{sched.Kind((int(own) + 1) % len(lvs.Schedulers())), own} {
		s.model.bind(kind)
		s.load()
	}
}

// rebindAndAdd changes to the service's own scheduler and adds a real server by one file.
func (s *service) rebindAndAdd(t *rapid.T) {
	own := s.model.kind
	s.model.bind(sched.Kind((int(own) + 1) % len(lvs.Schedulers())))
	s.load()
	s.model.bind(own)
	s.add(t)
}

func (s *service) pick(t *rapid.T) {
	request, model := s.drawRequest(t)
	pool := s.pool.Load()
	first, _ := pool.Peek(request)
	second, _ := pool.Peek(request)
	i, ok := pool.Pick(request)
	var want *destination
	if s.model.kind != sched.TWOS {
		want = s.model.pick(model)
	} else if ok && s.file[i].usable() {
		want = s.file[i]
	}
	if first != i || second != i {
		t.Fatalf("picked %d, two peeks before it said %d and %d", i, first, second)
	}
	switch {
	case !ok && want == nil:
		return
	case !ok:
		t.Fatalf("no pick, the kernel picks %d", want.id)
	case want == nil:
		t.Fatalf("picked %d, the kernel none", s.file[i].id)
	case s.file[i] != want:
		t.Fatalf("picked %d, the kernel picks %d", s.file[i].id, want.id)
	}
	want.load.Begin()
	want.bind()
	s.open = append(s.open, &session{at: want})
}

func (s *service) drawSession(t *rapid.T) int {
	if len(s.open) == 0 {
		t.Skip("no session")
	}
	return rapid.IntRange(0, len(s.open)-1).Draw(t, "session")
}

func (s *service) turn(t *rapid.T) {
	o := s.open[s.drawSession(t)]
	o.active = !o.active
	if o.active {
		o.at.load.Activate()
		o.at.active, o.at.inactive = o.at.active+1, o.at.inactive-1
		return
	}
	o.at.load.Deactivate()
	o.at.active, o.at.inactive = o.at.active-1, o.at.inactive+1
}

func (s *service) end(t *rapid.T) {
	i := s.drawSession(t)
	o := s.open[i]
	s.open = append(s.open[:i], s.open[i+1:]...)
	o.at.load.End(o.active)
	o.at.unbind(o.active)
}

func (s *service) add(t *rapid.T) {
	d := s.drawServer(t)
	s.file = append(s.file, d)
	s.model.add(d)
	s.load()
}

func (s *service) drawFilePlace(t *rapid.T) int {
	if len(s.file) == 0 {
		t.Skip("no real server")
	}
	return rapid.IntRange(0, len(s.file)-1).Draw(t, "real server")
}

func (s *service) remove(t *rapid.T) {
	i := s.drawFilePlace(t)
	s.model.remove(s.file[i])
	s.gone = append(s.gone, s.file[i])
	s.file = append(append([]*destination{}, s.file[:i]...), s.file[i+1:]...)
	s.load()
}

// restore adds a real server that was removed. The kernel takes it from its trash.
func (s *service) restore(t *rapid.T) {
	if len(s.gone) == 0 {
		t.Skip("none was removed")
	}
	i := rapid.IntRange(0, len(s.gone)-1).Draw(t, "removed")
	d := s.gone[i]
	s.gone = append(append([]*destination{}, s.gone[:i]...), s.gone[i+1:]...)
	d.reweigh(drawWeight(t), true)
	d.limit(s.drawThresholds(t))
	s.file = append(s.file, d)
	s.model.add(d)
	s.load()
}

func (s *service) edit(t *rapid.T) {
	d := s.file[s.drawFilePlace(t)]
	old := *d
	d.reweigh(drawWeight(t), false)
	d.limit(s.drawThresholds(t))
	if d.weight != old.weight || d.upper != old.upper || d.lower != old.lower {
		s.model.changed()
	}
	s.load()
}

func (s *service) check(t *rapid.T) {
	usable := slices.ContainsFunc(s.file, (*destination).usable)
	if got := s.pool.Load().Available(); got != usable {
		t.Fatalf("available: %v, the kernel has one: %v", got, usable)
	}
	for _, d := range s.file {
		if int(d.load.Active()) != d.active || int(d.load.Inactive()) != d.inactive ||
			int(d.load.Total()) != d.total() {
			t.Fatalf("real server %d: %d active, %d inactive, %d in all; want %d and %d", d.id,
				d.load.Active(), d.load.Inactive(), d.load.Total(), d.active, d.inactive)
		}
		if d.load.Overloaded() != d.overloaded {
			t.Fatalf("real server %d: overloaded %v with %d sessions", d.id, d.load.Overloaded(), d.total())
		}
	}
}

// Pools of all sizes pick alike by the tournament of large ones.
func TestTournamentsPickAsTheKernel(t *testing.T) {
	sched.FromTheFirst(t)
	TestPicksAsTheKernel(t)
}

func TestPicksAsTheKernel(t *testing.T) {
	for _, kind := range lvs.Schedulers() {
		t.Run(kind.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := newService(t, kind)
				t.Repeat(map[string]func(*rapid.T){
					"":       s.check,
					"pick":   s.pick,
					"pick+":  s.pick, // picks are what matters: thrice as likely as the rest
					"pick++": s.pick,
					"turn":   s.turn,
					"end":    s.end,
					"add":    s.add,
					"load":   s.addAll,
					"rebind": s.rebind,
					"both":   s.rebindAndAdd,
					"remove": s.remove,
					"return": s.restore,
					"edit":   s.edit,
				})
			})
		})
	}
}

// A cycle of wrr gives each real server exactly its share, wherever the cycle begins.
func TestWRRCycleIsProportional(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, 40), 1, 12).Draw(t, "weights")
		p, _ := newPool(sched.WRR, weights...)
		divisor, sum := 0, 0
		for _, w := range weights {
			divisor, sum = greatestDivisor(divisor, w), sum+w
		}
		if sum == 0 {
			t.Skip("all drained")
		}
		for range rapid.IntRange(0, sum).Draw(t, "entry") {
			p.Pick(request)
		}
		got := make([]int, len(weights))
		for range sum / divisor {
			i, _ := p.Pick(request)
			got[i]++
		}
		for i, w := range weights {
			if got[i] != w/divisor {
				t.Fatalf("weights %v: picked %v", weights, got)
			}
		}
	})
}

func greatestDivisor(a, b int) int {
	if b == 0 {
		return a
	}
	return greatestDivisor(b, a%b)
}
