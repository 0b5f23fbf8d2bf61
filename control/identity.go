package control

import (
	"context"
	"slices"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// ExistsError says that the configuration has a service already. It is the message.
type ExistsError string

// Error returns the message.
func (e ExistsError) Error() string { return string(e) }

// AddIdentified adds the service that build returns, unless one has its identity already: then it
// returns an ExistsError. build gets that service as the file has it, to be read only, or nil.
// Command is what the audit log says. Errors of build pass through.
func (r *Running) AddIdentified(
	ctx context.Context, command string, id lvs.ServiceID,
	build func(filed *config.Service) (config.Service, error),
) (Plan, error) {
	if err := r.begin(ctx, command); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	if _, known := r.placeOf(id); known {
		return Plan{}, ExistsError("service " + id.String() + " exists already")
	}
	next, err := build(r.inFile(id))
	if err != nil {
		return Plan{}, err
	}
	return r.change(nil, &next, len(r.current.Services))
}

// ChangeIdentified changes the service with an identity. Without one it returns a NotFoundError.
// Errors of change pass through.
func (r *Running) ChangeIdentified(
	ctx context.Context, command string, id lvs.ServiceID, change func(*config.Service) error,
) (Plan, error) {
	return r.identified(ctx, command, id, func(was *config.Service, place int) (Plan, error) {
		next := *was
		next.RealServers = slices.Clone(was.RealServers)
		if err := change(&next); err != nil {
			return Plan{}, err
		}
		return r.change(was, &next, place)
	})
}

// RemoveIdentified removes the service with an identity. Without one it returns a NotFoundError.
func (r *Running) RemoveIdentified(
	ctx context.Context, command string, id lvs.ServiceID,
) (Plan, error) {
	return r.identified(ctx, command, id, func(was *config.Service, place int) (Plan, error) {
		return r.change(was, nil, place)
	})
}

// identified calls do with the service of an identity and its place, in the turn of a change.
func (r *Running) identified(
	ctx context.Context, command string, id lvs.ServiceID,
	do func(was *config.Service, place int) (Plan, error),
) (Plan, error) {
	if err := r.begin(ctx, command); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	place, known := r.placeOf(id)
	if !known {
		return Plan{}, NotFoundError("unknown service " + id.String())
	}
	was := r.current.Services[place]
	return do(&was, place)
}

// ChangeWhole makes a change that is live in the whole configuration, as Application.Live has it.
// The services that change gets may be removed, but not changed.
func (r *Running) ChangeWhole(
	ctx context.Context, command string, change func(*config.Config) error,
) (Plan, error) {
	if err := r.begin(ctx, command); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	old := r.Config()
	next := *old
	if err := change(&next); err != nil {
		return Plan{}, err
	}
	return r.applyLive(old, &next)
}

// placeOf returns the place of a service in the list. Without one of the identity it is the first
// whose matches begin at the identity's address and port. The caller has the turn.
func (r *Running) placeOf(id lvs.ServiceID) (place int, known bool) {
	if name, named := r.siteNow().Named(id); named {
		return r.places[name], true
	}
	place = slices.IndexFunc(r.current.Services, func(s config.Service) bool {
		return s.ID().BeginsAs(id)
	})
	return place, place >= 0
}

// Counts returns what the engine counts of all services since the last Zero.
func (r *Running) Counts() []engine.ServiceReport {
	r.zeroing.Lock() // before the report: counters older than the last Zero would look restarted
	defer r.zeroing.Unlock()
	all := r.engine.Report().Services
	for i := range all {
		r.displayed().takeFrom(&all[i])
	}
	return all
}

// CountsOf is Counts of one service; ok is false if there is none of the identity.
func (r *Running) CountsOf(id lvs.ServiceID) (s engine.ServiceReport, ok bool) {
	r.zeroing.Lock()
	defer r.zeroing.Unlock()
	if s, ok = r.engine.ReportOf(id); ok {
		r.displayed().takeFrom(&s)
	}
	return s, ok
}

// takeFrom subtracts what was counted at the last Zero from what a service and its real servers
// have counted.
func (z zeroes) takeFrom(s *engine.ServiceReport) {
	s.Traffic = engine.Traffic(z.since(serviceAlone(s), Traffic(s.Traffic)))
	for i := range s.RealServers {
		rs := &s.RealServers[i]
		rs.Traffic = engine.Traffic(z.since(serverID(s, rs.Address), Traffic(rs.Traffic)))
	}
}
