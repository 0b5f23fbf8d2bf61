package control

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"time"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// slowStarts are the real servers in slow start. They are no part of the configuration: neither
// the history nor a state folder has them. The turn of changes guards the fields.
type slowStarts struct {
	now     func() time.Time
	all     slowServices
	running bool          // a goroutine moves them on
	wake    chan struct{} // tells it of newer ones
}

func newSlowStarts() *slowStarts {
	return &slowStarts{now: time.Now, all: slowServices{}, wake: make(chan struct{}, 1)}
}

// slowServices has the services with real servers in slow start.
type slowServices map[lvs.ServiceID]*slowService

// slowService is a service with real servers in slow start.
type slowService struct {
	name  string
	over  time.Duration                // how long a slow start takes
	began map[netip.AddrPort]time.Time // of its real servers in slow start, at least one
	at    time.Time                    // of the shares that they have
	due   time.Time                    // when the first of them is to get a greater one
}

// slowPoll is the least time between two looks at the slow starts: the steps of many services that
// are due at nearly the same time are made at once.
const slowPoll = 20 * time.Millisecond

// takesSessions reports whether a real server may get new sessions. One that comes to do so begins
// slowly.
func takesSessions(rs *config.RealServer) bool { return rs.Weight > 0 }

// after returns which real servers of a service are in slow start once it is next in place of was:
// those that were before (s, or nil), and those that come beside others. A service that gets its
// first ones has no others that could take their share. It returns nil if there are none.
func (s *slowService) after(was, next *config.Service, now time.Time) *slowService {
	if was == nil || next == nil || next.SlowStart == 0 {
		return nil
	}
	served := map[netip.AddrPort]bool{}
	for i := range was.RealServers {
		served[was.RealServers[i].Address] = takesSessions(&was.RealServers[i])
	}
	n := &slowService{name: next.Name, over: next.SlowStart, began: map[netip.AddrPort]time.Time{}}
	var came []netip.AddrPort
	others := false
	for i := range next.RealServers {
		switch rs := &next.RealServers[i]; {
		case !takesSessions(rs):
		case served[rs.Address]:
			others = true
			n.goOn(s, rs.Address)
		default:
			came = append(came, rs.Address)
		}
	}
	if others {
		for _, address := range came {
			n.began[address] = now
		}
	}
	return n.left(now)
}

// goOn keeps the slow start of a real server, if it has one.
func (s *slowService) goOn(before *slowService, address netip.AddrPort) {
	if before == nil {
		return
	}
	if since, slow := before.began[address]; slow {
		s.began[address] = since
	}
}

// left returns what is left of a service's slow starts at a time, with the shares of that time, or
// nil.
func (s *slowService) left(now time.Time) *slowService {
	left := &slowService{
		name: s.name, over: s.over, at: now, began: map[netip.AddrPort]time.Time{},
	}
	for address, since := range s.began {
		if now.Sub(since) >= s.over {
			continue
		}
		left.began[address] = since
		step := time.Duration(left.share(since))
		due := since.Add((s.over*step + engine.FullShare - 1) / engine.FullShare)
		if left.due.IsZero() || due.Before(left.due) {
			left.due = due
		}
	}
	if len(left.began) == 0 {
		return nil
	}
	return left
}

// share returns the share, in tenths, of a real server that is in slow start since then.
func (s *slowService) share(since time.Time) uint8 {
	return 1 + uint8(max(s.at.Sub(since), 0)*engine.FullShare/s.over)
}

// give sets the shares of a service's real servers. s may be nil.
func (s *slowService) give(to *engine.Service) {
	if s == nil {
		return
	}
	for i := range to.RealServers {
		rs := &to.RealServers[i]
		if since, slow := s.began[rs.Address]; slow {
			rs.Share = s.share(since)
		}
	}
}

// after returns which services have real servers in slow start once the configuration is next in
// place of was.
func (all slowServices) after(was, next *config.Config, now time.Time) slowServices {
	then := slowServices{}
	var places map[lvs.ServiceID]int
	for i := range next.Services {
		s := &next.Services[i]
		if s.SlowStart == 0 {
			continue
		}
		if places == nil {
			places = placesOf(was.Services, idOfService)
		}
		id := s.ID()
		if slow := all[id].after(at(was.Services, places, id), s, now); slow != nil {
			then[id] = slow
		}
	}
	return then
}

// give sets the shares of all services' real servers.
func (all slowServices) give(to *engine.Settings) {
	if len(all) == 0 {
		return
	}
	for i := range to.Services {
		s := &to.Services[i]
		all[s.ID()].give(s)
	}
}

// adoptSlow notes the slow starts of a changed service; now is nil if there are none. The caller
// has the turn.
func (r *Running) adoptSlow(id lvs.ServiceID, now *slowService) {
	was := r.slow.all[id]
	r.logSlow(was, now)
	if now == nil {
		delete(r.slow.all, id)
		return
	}
	r.slow.all[id] = now
	r.moveSlowOn()
}

// adoptAllSlow notes the slow starts of a changed configuration. The caller has the turn.
func (r *Running) adoptAllSlow(now slowServices) {
	for id := range r.slow.all {
		if now[id] == nil {
			r.adoptSlow(id, nil)
		}
	}
	for id, s := range now {
		r.adoptSlow(id, s)
	}
}

// moveSlowOn has the slow starts moved on in the background. The caller has the turn.
func (r *Running) moveSlowOn() {
	if !r.slow.running {
		r.slow.running = true
		r.drains.done.Go(r.runSlowStarts)
		return
	}
	select {
	case r.slow.wake <- struct{}{}:
	default:
	}
}

// runSlowStarts makes the steps of all slow starts until none is left.
func (r *Running) runSlowStarts() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-r.drains.ctx.Done():
			return
		case <-r.slow.wake:
		case <-timer.C:
		}
		wait, more := r.stepSlowStarts(r.drains.ctx)
		if !more {
			return
		}
		timer.Reset(wait)
	}
}

// stepSlowStarts makes the steps that are due, by one change of the engine: of each service another
// pool. It returns the time until the next ones, or false if no slow start is left.
func (r *Running) stepSlowStarts(ctx context.Context) (wait time.Duration, more bool) {
	if err := r.turn.Begin(ctx); err != nil {
		return 0, false
	}
	defer r.turn.End()
	now := r.slow.now()
	var steps engine.Change
	for id, s := range r.slow.all {
		if !now.Before(s.due) {
			steps.Put = append(steps.Put, r.step(id, s.left(now)))
		}
	}
	if len(steps.Put) > 0 {
		_ = r.engine.Change(steps) // it refuses new real servers alone, and there are none
	}
	r.slow.running = len(r.slow.all) > 0
	return max(r.slow.all.due().Sub(now), slowPoll), r.slow.running
}

// step notes what is left of the slow starts of a service, or nil, and returns the settings that
// the engine is to have.
func (r *Running) step(id lvs.ServiceID, left *slowService) engine.Service {
	was := r.slow.all[id]
	r.logSlow(was, left)
	if r.slow.all[id] = left; left == nil {
		delete(r.slow.all, id)
	}
	return r.engineService(r.current, &r.current.Services[r.places[was.name]], left)
}

// rejoin returns the slow starts of a service once some of its real servers are up again, beside
// others or not. s may be nil.
func (s *slowService) rejoin(
	of *config.Service, came []netip.AddrPort, beside bool, now time.Time,
) *slowService {
	if of.SlowStart == 0 || !beside || len(came) == 0 {
		return s
	}
	n := &slowService{name: of.Name, over: of.SlowStart, began: map[netip.AddrPort]time.Time{}}
	maps.Copy(n.began, s.members())
	for _, address := range came {
		n.began[address] = now
	}
	return n.left(now)
}

// due returns when the first step of all is due; zero if there is none.
func (all slowServices) due() (first time.Time) {
	for _, s := range all {
		if first.IsZero() || s.due.Before(first) {
			first = s.due
		}
	}
	return first
}

// logSlow logs which slow starts of a service have begun and ended.
func (r *Running) logSlow(was, now *slowService) {
	if r.Log == nil || was == nil && now == nil {
		return
	}
	log := r.Log.With("service", cmp.Or(now, was).name)
	for address := range now.members() {
		if _, slow := was.members()[address]; !slow {
			log.Info("slow start begins", "real server", address, "over", now.over)
		}
	}
	for address := range was.members() {
		if _, slow := now.members()[address]; !slow {
			log.Info("slow start ended", "real server", address)
		}
	}
}

// members returns the real servers in slow start with its beginning. s may be nil.
func (s *slowService) members() map[netip.AddrPort]time.Time {
	if s == nil {
		return nil
	}
	return s.began
}
