package control

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/health"
	"fulcrum/lvs"
)

// passivePoll is how often the workers' evidence is looked at.
const passivePoll = 100 * time.Millisecond

// passiveService is a service whose real servers are watched.
type passiveService struct {
	judge      *health.Passive
	members    []passiveMember
	candidates []health.Candidate // of the latest look; kept for its memory
	seen       health.Seen        // likewise
}

// passiveMember is a real server of such a service.
type passiveMember struct {
	server  netip.AddrPort
	takes   bool // its weight is not 0
	check   health.ID
	checked bool
}

// watches reports whether any real server of a service is watched.
func watches(s *config.Service) bool {
	for _, rs := range s.RealServers {
		if s.HealthOf(rs).Passive {
			return true
		}
	}
	return false
}

// followPassive takes a change of one service. The caller holds mu.
func (k *checks) followPassive(was, next *config.Service) {
	if was != nil && (next == nil || next.ID() != was.ID() || !watches(next)) {
		k.forgetPassive(was.ID())
	}
	if next == nil || !watches(next) {
		return
	}
	p := k.passive[next.ID()]
	if p == nil {
		p = &passiveService{judge: health.NewPassive()}
		k.passive[next.ID()] = p
	}
	before := p.outs()
	p.adopt(k, next)
	if p.outs() != before {
		k.pend(next.ID())
	}
	select {
	case k.watching <- struct{}{}:
	default:
	}
}

func (k *checks) forgetPassive(id lvs.ServiceID) {
	if p := k.passive[id]; p != nil && p.outs() > 0 {
		k.pend(id)
	}
	delete(k.passive, id)
}

// outs returns how many real servers are ejected.
func (p *passiveService) outs() (n int) {
	for i := range p.members {
		if p.judge.Out(p.members[i].server) {
			n++
		}
	}
	return n
}

// adopt takes the real servers of a service. What is known of those that stay is kept.
func (p *passiveService) adopt(k *checks, s *config.Service) {
	var watched []netip.AddrPort
	p.members = p.members[:0]
	for _, rs := range s.RealServers {
		t, h, checked := k.checkOf(s, rs)
		if h.Passive {
			watched = append(watched, rs.Address)
		}
		p.members = append(p.members, passiveMember{rs.Address, takesSessions(&rs), t.ID, checked})
	}
	p.judge.Keep(watched)
}

// watchSessions has real servers judged by their clients' sessions until ctx ends.
func (r *Running) watchSessions(ctx context.Context) {
	k, clock := r.checks, engine.NewClock()
	ticks := time.NewTicker(passivePoll)
	defer ticks.Stop()
	for {
		services := k.watched()
		next := ticks.C
		if len(services) == 0 {
			next = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-k.watching:
		case <-next:
			for _, id := range services {
				k.judgeSessions(id, clock.Now())
			}
		}
	}
}

// watched returns the services whose real servers are watched.
func (k *checks) watched() (all []lvs.ServiceID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id := range k.passive {
		all = append(all, id)
	}
	return all
}

// judgeSessions takes what workers have noticed of a service's real servers. clock is the workers'
// time, in ms.
func (k *checks) judgeSessions(id lvs.ServiceID, clock uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.passive[id]
	if p == nil {
		return // removed meanwhile
	}
	now := k.now()
	k.evidence(id, clock, func(e *engine.Evidence) { p.note(e, now) })
	p.candidates = p.candidates[:0]
	for i := range p.members {
		m := &p.members[i]
		p.candidates = append(p.candidates, health.Candidate{
			Server: m.server, Takes: m.takes, Up: !m.checked || k.watch.Up(m.check),
		})
	}
	if p.judge.Judge(now, p.candidates) {
		k.pend(id)
	}
}

var failureKinds = map[engine.FailureKind]health.FailureKind{
	engine.Unanswered: health.Unanswered, engine.Refused: health.Refused, engine.Mute: health.Mute,
}

func (p *passiveService) note(e *engine.Evidence, now time.Time) {
	p.seen = health.Seen{Failures: p.seen.Failures[:0], Unreachable: e.Unreachable}
	if e.Answered {
		p.seen.Answered = now.Add(-e.Ago)
	}
	for _, f := range e.Failures {
		p.seen.Failures = append(p.seen.Failures, health.Failure{
			Client: f.Client, Kind: failureKinds[f.Kind], At: now.Add(-f.Ago),
		})
	}
	p.judge.Note(e.Server, &p.seen)
}

// ejection returns what passive checks say of a real server; ok is false if it is not watched. The
// caller holds mu.
func (k *checks) ejection(s *config.Service, rs config.RealServer) (e health.Ejection, ok bool) {
	p := k.passive[s.ID()]
	if p == nil || !s.HealthOf(rs).Passive {
		return e, false
	}
	return p.judge.Ejection(rs.Address), true
}

// ejected reports whether passive checks have a real server down. The caller holds mu.
func (k *checks) ejected(s *config.Service, rs config.RealServer) bool {
	p := k.passive[s.ID()]
	return p != nil && s.HealthOf(rs).Passive && p.judge.Out(rs.Address)
}

// passiveReason says why a real server is down by passive checks alone, or is up again after it
// was. It is empty if they did not decide. The caller holds mu.
func (k *checks) passiveReason(s *config.Service, rs config.RealServer, up bool) string {
	e, _ := k.ejection(s, rs)
	byCheck, _ := k.checkStanding(s, rs)
	switch {
	case e.Reason == "" || !byCheck:
		return ""
	case !up:
		return fmt.Sprintf("passive: %s; it is tried again after %v", e.Reason, e.Lasts)
	case k.services[s.ID()].passive[rs.Address]:
		return "passive: " + e.Back
	}
	return ""
}

// passivelyDown returns the real servers of a service that are down by passive checks alone. The
// caller holds mu.
func (k *checks) passivelyDown(s *config.Service) map[netip.AddrPort]bool {
	all := map[netip.AddrPort]bool{}
	for _, rs := range s.RealServers {
		if up, _ := k.checkStanding(s, rs); up && k.ejected(s, rs) {
			all[rs.Address] = true
		}
	}
	return all
}

// checkText describes a check without what clients' sessions may say beside it.
func checkText(h config.Health) string {
	h.Passive = false
	return h.String()
}

// PassiveReport is what clients' sessions say of a real server.
type PassiveReport struct {
	Down bool `json:"down"`
	// Reason is why it is down, or was the last time.
	Reason string    `json:"reason,omitempty" example:"3 clients got no answer"`
	Until  time.Time `json:"until,omitzero"` // when it gets sessions again, or did
	Times  int       `json:"times"`          // how often it was down since it was last calm
}

// passiveReport returns what passive checks say of a real server, or nil if it is not watched. The
// caller holds mu.
func (k *checks) passiveReport(s *config.Service, rs config.RealServer) *PassiveReport {
	e, ok := k.ejection(s, rs)
	if !ok {
		return nil
	}
	return &PassiveReport{Down: e.Out, Reason: e.Reason, Until: e.Until, Times: e.Times}
}

func readEjections(r *reading, s *series) {
	r.eachPassive(func(name string, c health.PassiveCounts) { s.add(float64(c.Ejections), labels{name}) })
}

func readPassiveDoubts(r *reading, s *series) {
	r.eachPassive(func(name string, c health.PassiveCounts) { s.add(float64(c.Doubts), labels{name}) })
}

// eachPassive calls f for each service with passive checks.
func (r *reading) eachPassive(f func(name string, c health.PassiveCounts)) {
	if r.checks == nil {
		return
	}
	c, k := r.running, r.checks
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range c.Services {
		if p := k.passive[c.Services[i].ID()]; p != nil {
			f(c.Services[i].Name, p.judge.Counts())
		}
	}
}
