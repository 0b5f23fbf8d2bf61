package control

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// ServerID names a real server.
type ServerID struct {
	Service string // the service's name
	Server  string // the real server's address and port
}

// RealServerChange changes the settings of a real server. A nil field leaves its setting as it is.
type RealServerChange struct {
	Mode           *string `json:"mode,omitempty" example:"dr" doc:"of new sessions; empty for the service's"`
	Weight         *int    `json:"weight,omitempty" minimum:"0" maximum:"65535" doc:"0 stops new sessions"`
	UpperThreshold *int    `json:"upper_threshold,omitempty" minimum:"0" doc:"no new sessions once it has this many; 0 sets no threshold"`
	LowerThreshold *int    `json:"lower_threshold,omitempty" minimum:"0" doc:"after that, new sessions again below this many; 0 stands for three quarters of upper_threshold"`
}

// RealServerAddition is a new real server. Its weight is 1 if Weight is nil.
type RealServerAddition struct {
	Address string `json:"address" example:"10.1.0.13:80"`
	RealServerChange
}

// AddRealServer adds a real server at the end of a service.
func (r *Running) AddRealServer(
	ctx context.Context, service string, n RealServerAddition,
) (Plan, error) {
	add := func(s *config.Service) error { return addServer(s, n) }
	return r.edit(ctx, "add real server", service, add, r.change)
}

// ChangeRealServer changes the given settings of a real server.
func (r *Running) ChangeRealServer(
	ctx context.Context, id ServerID, change RealServerChange,
) (Plan, error) {
	return r.edit(ctx, "change real server", id.Service, change.of(id.Server), r.change)
}

// of returns the edit of a service that changes one of its real servers.
func (n *RealServerChange) of(server string) func(*config.Service) error {
	return func(s *config.Service) error {
		i, err := findServer(s, server)
		if err != nil {
			return err
		}
		err = n.to(&s.RealServers[i])
		s.DropUnusedLocals()
		return err
	}
}

// RemoveRealServer removes a real server. The plan says what happens to its sessions.
func (r *Running) RemoveRealServer(ctx context.Context, id ServerID) (Plan, error) {
	return r.edit(ctx, "remove real server", id.Service, removal(id.Server), r.change)
}

// removal returns the edit of a service that removes one of its real servers.
func removal(server string) func(*config.Service) error {
	return func(s *config.Service) error {
		i, err := findServer(s, server)
		if err == nil {
			s.RealServers = slices.Delete(s.RealServers, i, i+1)
			s.DropUnusedLocals()
		}
		return err
	}
}

// replacement replaces a service, as change and put do.
type replacement func(was, next *config.Service, place int) (Plan, error)

// edit changes a copy of a service, which replaces the service if it passes the checks of a file.
func (r *Running) edit(
	ctx context.Context, command, name string, change func(*config.Service) error,
	replace replacement,
) (Plan, error) {
	if err := r.begin(ctx, command); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	return r.editNow(name, change, replace)
}

// editNow is edit for a caller that has the turn.
func (r *Running) editNow(
	name string, change func(*config.Service) error, replace replacement,
) (Plan, error) {
	place, err := r.find(name)
	if err != nil {
		return Plan{}, err
	}
	was := r.current.Services[place]
	next := was
	next.RealServers = slices.Clone(was.RealServers)
	if err := change(&next); err != nil {
		return Plan{}, err
	}
	return replace(&was, &next, place)
}

// change calls put and remembers the change for Rollback. The caller has the
// turn.
func (r *Running) change(was, next *config.Service, place int) (Plan, error) {
	plan, err := r.put(was, next, place)
	if err == nil && !plan.Empty() {
		r.remember(undo{was: was, became: next, place: place})
	}
	return plan, err
}

// put replaces the service was by next. If was is nil it inserts next at place, and if next is nil
// it removes was, which is at place. The caller has the turn.
func (r *Running) put(was, next *config.Service, place int) (Plan, error) {
	plan := r.planOf(was, next)
	if plan.Empty() {
		return plan, nil
	}
	if err := r.task.refusal(&plan); err != nil {
		return plan, err
	}
	if err := r.siteNow().Change(was, next); err != nil {
		return plan, err
	}
	if err := r.tell(was, next, place); err != nil {
		_ = r.site.Change(next, was) // it was there before
		return plan, fmt.Errorf("make the change: %w", err)
	}
	r.list(was, next, place)
	plan.warn(r.followAfter(was, next))
	r.warn(plan.Warnings)
	r.audit(&plan)
	plan.warn(r.save())
	return plan, nil
}

// siteNow returns the index of the services. The caller has the turn.
func (r *Running) siteNow() *config.Site {
	if r.site == nil {
		r.site = config.NewSite(r.current)
		r.site.Follow(r.hosts)
	}
	return r.site
}

// list makes the change in the list of services, which has a new revision then.
func (r *Running) list(was, next *config.Service, place int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown = nil
	r.revision++
	r.compareToFile(cmp.Or(was, next).ID(), next)
	switch all := r.current.Services; {
	case next == nil:
		r.current.Services = slices.Delete(all, place, place+1)
		r.index()
	case was == nil:
		r.current.Services = slices.Insert(all, place, *next)
		r.index()
	default:
		all[place] = *next
		delete(r.places, was.Name)
		r.places[next.Name] = place
	}
}

// tell makes the change in the engine, and has the kernel kept from it.
func (r *Running) tell(was, next *config.Service, place int) error {
	told, err := orNone(r.Kernel).Change(was, next)
	if err != nil {
		return err
	}
	id := cmp.Or(was, next).ID()
	slow := r.slow.all[id].after(was, next, r.slow.now())
	err = r.tellEngine(was, next, slow, place)
	told(err == nil)
	if err == nil {
		r.adoptSlow(id, slow)
		r.checks.follow(was, next)
	}
	return err
}

// tellEngine makes the change in the engine. A service that is not added at the end needs a full
// Apply, since the engine keeps the services in order.
func (r *Running) tellEngine(was, next *config.Service, slow *slowService, place int) error {
	switch {
	case next == nil:
		return r.engine.Change(engine.Change{Remove: []lvs.ServiceID{was.ID()}})
	case was == nil && place < len(r.current.Services):
		c := *r.current
		c.Services = slices.Insert(slices.Clone(c.Services), place, *next)
		return r.engine.Apply(r.engineSettings(c.WithNetwork(r.followed.Network), r.slow.all))
	}
	s := r.engineService(r.current, next, slow)
	return r.engine.Change(engine.Change{Put: []engine.Service{s}})
}

// planOf returns the plan of a change of one service.
func (r *Running) planOf(was, next *config.Service) Plan {
	old, new := *r.current, *r.current
	old.Services, new.Services = nil, nil
	counts := SessionCounts{}
	if was != nil {
		old.Services = []config.Service{*was}
		for _, rs := range was.RealServers {
			counts[was.ServerID(rs)] = r.engine.SessionsOf(was.ServerID(rs))
		}
	}
	if next != nil {
		new.Services = []config.Service{*next}
	}
	p := planner{old: &old, next: &new, sessions: counts, locals: r.engine}
	if was != nil {
		p.servedBeside = r.servedBeside(was)
	}
	return p.plan()
}

// find returns the place of a service in the list. The caller holds mu or has the turn.
func (r *Running) find(name string) (int, error) {
	place, known := r.places[name]
	if !known {
		return 0, NotFoundError(fmt.Sprintf("unknown service %q", name))
	}
	return place, nil
}

// server returns the identity and the weight of a real server.
func (r *Running) server(id ServerID) (lvs.RealServerID, int, error) {
	s, err := r.Service(id.Service)
	if err != nil {
		return lvs.RealServerID{}, 0, err
	}
	i, err := findServer(&s, id.Server)
	if err != nil {
		return lvs.RealServerID{}, 0, err
	}
	return s.ServerID(s.RealServers[i]), s.RealServers[i].Weight, nil
}

// NotFoundError says that the configuration has nothing with a name or address. It is the message.
type NotFoundError string

// Error returns the message.
func (e NotFoundError) Error() string { return string(e) }

// AddressError says that Text is not the address of a service or real server.
type AddressError struct{ Text string }

// Error returns the text and two valid examples.
func (e *AddressError) Error() string {
	return fmt.Sprintf("invalid address %q: "+
		"write an address with a port, such as 10.1.0.11:80 or [fd00::11]:80", e.Text)
}

// address parses the address of a service or real server. Its error is an *AddressError.
func address(text string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, &AddressError{text}
	}
	return a, nil
}

// serverAddress is address for a real server. Without port it has every port.
func serverAddress(text string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(a, 0), nil
	}
	return address(text)
}

// findServer returns the index of a real server in its service.
func findServer(s *config.Service, server string) (int, error) {
	a, err := serverAddress(server)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(s.RealServers, func(rs config.RealServer) bool { return rs.Address == a })
	if i < 0 {
		return 0, NotFoundError(fmt.Sprintf("service %q has no real server %s", s.Name, a))
	}
	return i, nil
}

// canonical returns the ID with the address in its usual form.
func (id ServerID) canonical() (ServerID, error) {
	a, err := serverAddress(id.Server)
	return ServerID{id.Service, a.String()}, err
}

func addServer(s *config.Service, n RealServerAddition) error {
	a, err := serverAddress(n.Address)
	if err != nil {
		return err
	}
	rs := config.RealServer{Address: a, Weight: 1}
	err = n.RealServerChange.to(&rs)
	s.RealServers = append(s.RealServers, rs)
	return err
}

// to makes the change in rs.
func (n *RealServerChange) to(rs *config.RealServer) error {
	for _, f := range []struct {
		from *int
		to   *int
	}{
		{n.Weight, &rs.Weight},
		{n.UpperThreshold, &rs.UpperThreshold},
		{n.LowerThreshold, &rs.LowerThreshold},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if n.Mode == nil {
		return nil
	}
	var err error
	rs.Mode, err = config.ParseOwnMode(*n.Mode)
	return err
}
