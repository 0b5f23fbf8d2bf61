package control

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"
	"unique"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/health"
	"fulcrum/lvs"
	"fulcrum/probe"
)

// mostChecks bounds how many checks run at a time.
const mostChecks = 4096

// checks are the health checks of a running configuration, and what follows from them. They are no
// part of the configuration: no revision, no override and no rollback has them.
type checks struct {
	probe func(context.Context, probe.Check, probe.Target) probe.Outcome
	ways  Ways // nil without a host interface; does not change
	// connects returns what makes TCP checks together, or nil.
	connects func() *probe.Connects
	now      func() time.Time
	wake     chan struct{} // there may be checks that are due earlier than known
	judged   chan struct{} // pending has something

	mu       sync.Mutex
	watch    *health.Watch
	uses     map[health.ID]*use
	services map[lvs.ServiceID]*checked
	pending  map[lvs.ServiceID]bool // whose pools may be others now
	restored map[string]bool        // real servers that were down in the run before, by name
	passive  map[lvs.ServiceID]*passiveService

	watching chan struct{} // passive may have its first service
	evidence func(id lvs.ServiceID, now uint32, f func(*engine.Evidence))
}

// use is a check with the services that have it.
type use struct {
	check    probe.Check
	target   target
	services map[lvs.ServiceID]int // how many of its real servers
	weight   int                   // that the check asks for
	weighted bool
}

// checked is what is known of a service because of its checks.
type checked struct {
	name   string // of the service
	lost   bool   // the quorum
	choice health.Choice
	down   map[netip.AddrPort]bool // by real server, as the engine has it; never nil
	// passive are those of down that are so by passive checks alone.
	passive map[netip.AddrPort]bool
	told    chan struct{} // closed once the last program of the quorum has ended; nil without
}

func newChecks(e *engine.Engine) *checks {
	return &checks{
		passive: map[lvs.ServiceID]*passiveService{}, watching: make(chan struct{}, 1),
		evidence: e.TakeEvidence,
		probe:    probe.Run, connects: openConnects, now: time.Now, watch: health.New(mostChecks),
		wake: make(chan struct{}, 1), judged: make(chan struct{}, 1),
		uses: map[health.ID]*use{}, services: map[lvs.ServiceID]*checked{},
		pending: map[lvs.ServiceID]bool{}, restored: map[string]bool{},
	}
}

// openConnects returns nil if the process has no descriptors for it. Checks are then made one by
// one.
func openConnects() *probe.Connects {
	c, err := probe.NewConnects()
	if err != nil {
		return nil
	}
	return c
}

// isChecked reports whether the pool of a service may differ from its real servers.
func isChecked(s *config.Service) bool {
	return s.Health.Type != config.NoHealth || s.Health.Passive || len(s.SorryServers) > 0 ||
		slices.ContainsFunc(s.RealServers, func(rs config.RealServer) bool { return rs.Health.Stated() })
}

// checkOf returns the check of a real server; ok is false if it has none.
func (k *checks) checkOf(s *config.Service, rs config.RealServer) (t health.Target, h config.Health, ok bool) {
	if h = s.HealthOf(rs); h.Type == config.NoHealth {
		return t, h, false
	}
	address, port := rs.Address.Addr(), rs.Address.Port()
	if h.Address.IsValid() {
		address = h.Address
	}
	if h.Port != 0 {
		port = uint16(h.Port)
	}
	t.Rules = health.Rules{
		Interval: h.Interval, Timeout: h.Timeout, Jitter: float64(h.Jitter) / 100,
		Rise: h.Rise, Fall: h.Fall, Down: h.Down, Undamped: !h.Damping,
	}
	shared := h
	shared.OnFail, shared.Passive = "", false
	how := how{settings: unique.Make(shared)}
	if h.ByMode(k.ways != nil) {
		how.server = s.ServerID(rs)
	}
	t.ID = health.ID{Server: netip.AddrPortFrom(address, port), How: how}
	return t, h, true
}

// how is the way of a check besides its target.
type how struct {
	settings unique.Handle[config.Health] // without OnFail
	server   lvs.RealServerID             // of a check through the mode; zero for others
}

// follow takes a change of one service, after the engine has taken it. Either may be nil.
func (k *checks) follow(was, next *config.Service) {
	if (was == nil || !isChecked(was)) && (next == nil || !isChecked(next)) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if next != nil && isChecked(next) {
		k.add(next)
		k.prune(next)
	}
	if was != nil {
		k.remove(was)
	}
	if was != nil && (next == nil || next.ID() != was.ID() || !isChecked(next)) {
		k.forget(was.ID())
	}
	k.followPassive(was, next)
	k.nudge()
}

// followAll takes a change of the whole configuration.
func (k *checks) followAll(was, next *config.Config) {
	old := map[lvs.ServiceID]*config.Service{}
	if was != nil {
		for i := range was.Services {
			if s := &was.Services[i]; isChecked(s) {
				old[s.ID()] = s
			}
		}
	}
	for i := range next.Services {
		s := &next.Services[i]
		before := old[s.ID()]
		delete(old, s.ID())
		k.follow(before, s)
	}
	for _, s := range old {
		k.follow(s, nil)
	}
}

// add counts the checks of a service.
func (k *checks) add(s *config.Service) {
	state := k.services[s.ID()]
	if state == nil {
		state = &checked{down: map[netip.AddrPort]bool{}}
		k.services[s.ID()] = state
	}
	state.name = s.Name
	for _, rs := range s.RealServers {
		if t, h, ok := k.checkOf(s, rs); ok {
			fresh := k.uses[t.ID] == nil
			k.use(s.ID(), &t, &h)
			if fresh {
				k.inherit(s, rs, t.ID)
			}
		}
		k.compare(s, rs, state)
	}
	k.compareChoice(s, state)
}

// use counts a real server of a service for its check.
func (k *checks) use(of lvs.ServiceID, t *health.Target, h *config.Health) {
	u := k.uses[t.ID]
	if u == nil {
		check, _ := h.Check() // the configuration was checked
		u = &use{
			check: check, services: map[lvs.ServiceID]int{},
			target: targetOf(t, h),
		}
		k.uses[t.ID] = u
	}
	u.services[of]++
	k.watch.Add(*t, k.now())
}

// remove discounts the checks of a service.
func (k *checks) remove(s *config.Service) {
	for _, rs := range s.RealServers {
		t, _, ok := k.checkOf(s, rs)
		u := k.uses[t.ID]
		if !ok || u == nil {
			continue
		}
		if u.services[s.ID()]--; u.services[s.ID()] <= 0 {
			delete(u.services, s.ID())
		}
		if len(u.services) == 0 {
			delete(k.uses, t.ID)
			k.watch.Remove(t.ID)
		}
	}
}

// pend notes that the pool of a service may be another one now.
func (k *checks) pend(id lvs.ServiceID) {
	k.pending[id] = true
	select {
	case k.judged <- struct{}{}:
	default:
	}
}

func (k *checks) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// nameOf names a real server across runs.
func nameOf(service lvs.ServiceID, server netip.AddrPort) string {
	return service.String() + " " + server.String()
}

// engineService returns the engine's settings of a service, with what its checks say and the shares
// of slow starts. slow may be nil.
func (r *Running) engineService(c *config.Config, s *config.Service, slow *slowService) engine.Service {
	return r.serviceWhile(r.held, c, s, slow)
}

// serviceWhile is engineService while host interfaces hold addresses.
func (r *Running) serviceWhile(
	held Held, c *config.Config, s *config.Service, slow *slowService,
) engine.Service {
	e := engineService(c, *s, held)
	slow.give(&e)
	r.checks.give(s, &e)
	return e
}

// engineSettings is the same for a whole configuration.
func (r *Running) engineSettings(c *config.Config, slow slowServices) engine.Settings {
	s := settingsWith(c, r.held)
	slow.give(&s)
	r.checks.giveAll(c, &s)
	return s
}

// giveAll has the settings of all services follow their checks.
func (k *checks) giveAll(c *config.Config, s *engine.Settings) {
	for i := range c.Services {
		k.give(&c.Services[i], &s.Services[i])
	}
}

// give has the settings of a service follow its checks.
func (k *checks) give(s *config.Service, e *engine.Service) {
	if !isChecked(s) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	state := k.services[s.ID()]
	if state == nil {
		state = &checked{}
	}
	choice, _ := k.choose(s, state)
	for i, rs := range s.RealServers {
		k.giveServer(s, rs, choice, &e.RealServers[i])
	}
	for _, address := range s.SorryServers {
		e.RealServers = append(e.RealServers, engine.RealServer{
			Address: address, Weight: 1, Down: choice != health.Sorry, Standby: choice != health.Sorry,
		})
	}
}

// giveServer has a real server's settings follow its check.
func (k *checks) giveServer(s *config.Service, rs config.RealServer, choice health.Choice, e *engine.RealServer) {
	up, asked := k.standing(s, rs)
	if asked >= 0 && e.Weight != 0 {
		e.Weight = int32(asked)
	}
	switch {
	case choice == health.Sorry:
		e.Down = true
	case choice == health.Panic || up:
	case s.HealthOf(rs).OnFail == config.FailDrain:
		e.Inhibited = true
	default:
		e.Down = true
	}
}

// standing returns whether a real server is up, by its check and its clients' sessions, and the
// weight that its check asks for, or -1.
func (k *checks) standing(s *config.Service, rs config.RealServer) (up bool, asked int) {
	up, asked = k.checkStanding(s, rs)
	return up && !k.ejected(s, rs), asked
}

// checkStanding is standing by the check alone.
func (k *checks) checkStanding(s *config.Service, rs config.RealServer) (up bool, asked int) {
	t, _, ok := k.checkOf(s, rs)
	if !ok {
		return true, -1
	}
	if u := k.uses[t.ID]; u != nil && u.weighted {
		return k.watch.Up(t.ID), u.weight
	}
	up = k.watch.Up(t.ID)
	if k.uses[t.ID] == nil { // the check comes with this change
		up = k.beginsUp(s, rs, &t.Rules)
	}
	return up, -1
}

// choose returns who gets the sessions of a service, and whether its quorum holds.
func (k *checks) choose(s *config.Service, state *checked) (health.Choice, bool) {
	members := make([]health.Member, len(s.RealServers))
	for i, rs := range s.RealServers {
		up, asked := k.standing(s, rs)
		members[i] = health.Member{Weight: rs.Weight, Up: up}
		if asked >= 0 && rs.Weight != 0 {
			members[i].Weight = asked
		}
	}
	policy := health.Policy{
		Quorum: health.Quorum{Need: max(1, s.Quorum), Hysteresis: s.QuorumHysteresis},
		Sorry:  len(s.SorryServers) > 0, Panic: s.Panic,
	}
	return policy.Choose(members, !state.lost)
}
