package control

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"fulcrum/config"
	"fulcrum/lvs"
)

// Overrides returns what differs between the running configuration and the file that it is from.
func (r *Running) Overrides() []Override {
	now := r.overriddenPart()
	all := overridesOf(now.file, now.config)
	if all == nil {
		return []Override{} // a list in JSON, also without anything in it
	}
	return all
}

// overriddenPart returns the file and the configuration with only the services that differ.
func (r *Running) overriddenPart() overlay {
	now, differ := r.differing()
	base, running := *now.file, *now.config
	same := func(s config.Service) bool { return !differ[s.ID()] }
	base.Services, running.Services = nil, nil
	if len(differ) > 0 {
		base.Services = slices.DeleteFunc(slices.Clone(now.file.Services), same)
		running.Services = slices.DeleteFunc(slices.Clone(now.config.Services), same)
	}
	return overlay{&base, &running}
}

// differing returns the configuration with its file, and the services that differ.
func (r *Running) differing() (overlay, map[lvs.ServiceID]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return overlay{r.base, r.copied()}, maps.Clone(r.overridden)
}

// OverrideTarget says which overrides to reset: those of one real server, of one service with its
// real servers, or all if it is empty.
type OverrideTarget struct {
	Service string // the service's name in the director, or in the file if it was removed live
	Server  string // the real server's address and port
}

// ResetOverrides gives back to the file what was changed live.
func (r *Running) ResetOverrides(ctx context.Context, of OverrideTarget) (Plan, error) {
	if err := r.begin(ctx, "reset overrides"); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	if of.Service == "" && of.Server != "" {
		return Plan{}, &ValueError{"server", "name its service as well"}
	}
	if of.Service == "" {
		return r.replaceAll(r.base, r.base)
	}
	return r.resetService(of)
}

// resetService resets the overrides of a service or of one of its real servers. The caller has the
// turn.
func (r *Running) resetService(of OverrideTarget) (Plan, error) {
	file, running, place, err := r.bothOf(of.Service)
	if err != nil {
		return Plan{}, err
	}
	next := file
	if of.Server != "" {
		if file == nil || running == nil {
			return Plan{}, NotFoundError(fmt.Sprintf(
				"service %q was added or removed live: reset the service", of.Service))
		}
		server, err := address(of.Server)
		if err != nil {
			return Plan{}, err
		}
		if next, err = withServerOf(file, running, server); err != nil {
			return Plan{}, err
		}
	}
	return r.change(running, next, place)
}

// bothOf returns the service with a name as the file has it and as it runs, and its place in the
// list. One of them may be nil. The name is the running service's, or that of one that was removed
// live.
func (r *Running) bothOf(name string) (file, running *config.Service, place int, err error) {
	if place, err = r.find(name); err == nil {
		s := r.current.Services[place]
		return r.inFile(s.ID()), &s, place, nil
	}
	for i := range r.base.Services {
		s := &r.base.Services[i]
		if s.Name == name && r.overridden[s.ID()] {
			return s, nil, len(r.current.Services), nil
		}
	}
	return nil, nil, 0, err
}

// withServerOf returns the running service with one real server as it is in the file.
func withServerOf(
	file, running *config.Service, server netip.AddrPort,
) (*config.Service, error) {
	is := func(rs config.RealServer) bool { return rs.Address == server }
	i, where := slices.IndexFunc(file.RealServers, is), slices.IndexFunc(running.RealServers, is)
	if i < 0 && where < 0 {
		return nil, NotFoundError(fmt.Sprintf("service %q has no real server %s, nor has it in the file",
			running.Name, server))
	}
	next := *running
	next.RealServers = slices.DeleteFunc(slices.Clone(running.RealServers), is)
	if i < 0 {
		return &next, nil
	}
	if where < 0 {
		where = min(i, len(next.RealServers))
	}
	next.RealServers = slices.Insert(next.RealServers, where, file.RealServers[i])
	return &next, nil
}

// inFile returns the service with an ID as the file has it, or nil. The caller has the turn.
func (r *Running) inFile(id lvs.ServiceID) *config.Service {
	if r.based == nil {
		r.based = placesOf(r.base.Services, idOfService)
	}
	return at(r.base.Services, r.based, id)
}

// compareToFile notes whether a service that has changed, which is nil if it was removed, differs
// from the file. The caller has the turn and holds mu.
func (r *Running) compareToFile(id lvs.ServiceID, next *config.Service) {
	file := r.inFile(id)
	if file == next || file != nil && next != nil && sameSettings(file, next) {
		delete(r.overridden, id)
		return
	}
	r.overridden[id] = true
}

// overriddenServices returns the services in which two configurations differ.
func overriddenServices(base, running *config.Config) map[lvs.ServiceID]bool {
	differ := map[lvs.ServiceID]bool{}
	if sameList(base.Services, running.Services) {
		return differ
	}
	places := placesOf(base.Services, idOfService)
	for i := range running.Services {
		s := &running.Services[i]
		if was := at(base.Services, places, s.ID()); was == nil || !sameSettings(was, s) {
			differ[s.ID()] = true
		}
		delete(places, s.ID())
	}
	for id := range places {
		differ[id] = true
	}
	return differ
}

// sameList reports whether two lists are one.
func sameList[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
