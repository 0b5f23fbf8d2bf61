package sched_test

import (
	"fulcrum/lvs"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

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
	uppers []int // the upper thresholds to draw from
}

type session struct {
	at     *destination
	active bool
}

func (s *service) load() {
	servers := make([]sched.Server, len(s.file))
	for i, d := range s.file {
		servers[i] = sched.Server{Weight: int32(d.weight), Upper: int32(d.upper),
			Lower: int32(d.lower), Load: d.load}
	}
	publish(&s.pool, s.model.kind, servers)
}

func (s *service) drawServer(t *rapid.T) *destination {
	d := &destination{id: s.nextID, load: new(sched.Load)}
	s.nextID++
	d.weight = drawWeight(t)
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
	s := &service{model: newKernel(kind)}
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
	want := s.model.pick()
	pool := s.pool.Load()
	first, _ := pool.Peek(request)
	second, _ := pool.Peek(request)
	i, ok := pool.Pick(request)
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
	s.file = append(append([]*destination{}, s.file[:i]...), s.file[i+1:]...)
	s.load()
}

func (s *service) edit(t *rapid.T) {
	d := s.file[s.drawFilePlace(t)]
	old := *d
	d.weight = drawWeight(t)
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
