package control

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"

	"fulcrum/config"
	"fulcrum/lvs"
)

// merger carries overrides over to another file. It is a three-way merge: what differs between
// base, a file, and running is an override, and next is the other file.
type merger struct {
	precedence          Precedence
	base, running, next *config.Config

	kept, dropped []Override
}

// merge returns next with the overrides that stay, and sets kept and dropped. A service whose
// overrides do not fit the rest of next is taken as next has it.
func (m *merger) merge() *config.Config {
	merged := *m.next
	fields := fieldMerger{m, "director"}
	mergeFields(fields, directorFields, &m.base.Director, &m.running.Director, &merged.Director)
	fields.object = "session"
	mergeFields(fields, sessionFields, &m.base.Session, &m.running.Session, &merged.Session)
	m.timeouts(&merged.Session.Timeouts)
	merged.Services = m.services(&merged)
	return &merged
}

// timeouts merges the timeouts into those of next.
func (m *merger) timeouts(merged *config.Timeouts) {
	fields := fieldMerger{m, "session.timeouts"}
	for _, state := range lvs.States() {
		d := difference{state.Key(), true, m.base.Session.Timeouts[state], m.running.Session.Timeouts[state]}
		if d.old != d.next && fields.stays(d, merged[state] == d.old, merged[state] == d.next) {
			merged[state] = m.running.Session.Timeouts[state]
		}
	}
}

// mergedService is what becomes of a service with overrides.
type mergedService struct {
	next, merged *config.Service // nil if there is none
	kept         []Override
	misfit       error // why it does not fit the rest
}

// services returns the services of next with their overrides. merged is next with the settings
// that do not belong to services.
func (m *merger) services(merged *config.Config) []config.Service {
	all := m.mergeServices()
	if len(all) == 0 {
		return m.next.Services
	}
	m.fit(merged, all)
	became := map[lvs.ServiceID]*config.Service{}
	for _, s := range all {
		if s.next != nil {
			became[s.next.ID()] = s.merged
		}
	}
	var list []config.Service
	for i := range m.next.Services {
		s := &m.next.Services[i]
		if with, has := became[s.ID()]; has {
			s = with
		}
		if s != nil {
			list = append(list, *s)
		}
	}
	for _, s := range all {
		if s.next == nil && s.merged != nil {
			list = append(list, *s.merged)
		}
	}
	return list
}

// mergeServices returns the services that overrides are about: first those that were removed live,
// then the others in their order.
func (m *merger) mergeServices() (all []mergedService) {
	base, next := placesOf(m.base.Services, idOfService), placesOf(m.next.Services, idOfService)
	running := placesOf(m.running.Services, idOfService)
	add := func(b, r *config.Service) {
		id := cmp.Or(b, r).ID()
		n := at(m.next.Services, next, id)
		before := len(m.kept)
		merged := m.service(b, r, n)
		if merged != n {
			all = append(all, mergedService{next: n, merged: merged, kept: slices.Clone(m.kept[before:])})
			m.kept = m.kept[:before]
		}
	}
	for i := range m.base.Services {
		if b := &m.base.Services[i]; at(m.running.Services, running, b.ID()) == nil {
			add(b, nil)
		}
	}
	for i := range m.running.Services {
		r := &m.running.Services[i]
		if b := at(m.base.Services, base, r.ID()); b == nil || !sameSettings(b, r) {
			add(b, r)
		}
	}
	return all
}

// at returns the service with an ID, or nil.
func at(list []config.Service, places map[lvs.ServiceID]int, id lvs.ServiceID) *config.Service {
	if i, there := places[id]; there {
		return &list[i]
	}
	return nil
}

// fit checks the merged services against the rest of next, and resets those that do not fit. What
// a service takes another one may have to give up first, so it goes on while any of them fits.
func (m *merger) fit(next *config.Config, all []mergedService) {
	if m.next == m.base { // the running configuration results, which was checked
		for i := range all {
			m.kept = append(m.kept, all[i].kept...)
		}
		return
	}
	site := config.NewSite(next)
	left := make([]*mergedService, len(all))
	for i := range all {
		left[i] = &all[i]
	}
	for before := -1; len(left) != before; {
		before = len(left)
		left = slices.DeleteFunc(left, func(s *mergedService) bool {
			s.misfit = site.Change(s.next, s.merged)
			if s.misfit == nil {
				m.kept = append(m.kept, s.kept...)
			}
			return s.misfit == nil
		})
	}
	for _, s := range left {
		for _, o := range s.kept {
			o.Reason = "it does not fit the file any more: " + firstProblem(s.misfit)
			m.dropped = append(m.dropped, o)
		}
		s.merged = s.next
	}
}

func firstProblem(err error) string {
	if problems, is := err.(config.Problems); is && len(problems) > 0 {
		return problems[0].What
	}
	return err.Error()
}

// service merges a service, which is nil where a configuration does not have it. It returns n if no
// override stays.
func (m *merger) service(b, r, n *config.Service) *config.Service {
	switch {
	case b == nil:
		o := Override{Action: Add, Object: serviceObject(r)}
		if m.decide(o, n == nil, n != nil && sameSettings(r, n), fileHasIt) {
			return r
		}
		return n
	case r == nil:
		o := Override{Action: Remove, Object: serviceObject(b)}
		if m.decide(o, n != nil && sameSettings(b, n), n == nil, fileDiffer) {
			return nil
		}
		return n
	case n == nil:
		m.dropAll(b, r, fileGone)
		return nil
	}
	merged, before := *n, len(m.kept)
	mergeFields(fieldMerger{m, serviceObject(n)}, serviceFields, b, r, &merged)
	m.pairFlags(b, r, n, &merged)
	merged.RealServers = m.servers(b, r, n)
	if len(m.kept) == before {
		return n
	}
	return &merged
}

// decide notes an override as kept or dropped and reports whether it stays. unchanged says that the
// file has what the override was made over, same that it has what the director has. The reason is
// for neither.
func (m *merger) decide(o Override, unchanged, same bool, reason string) bool {
	switch {
	case same:
		o.Reason = sameNow
	case m.precedence == DropOverrides:
		o.Reason = fileWins
	case unchanged, m.precedence == KeepOverrides:
		m.kept = append(m.kept, o)
		return true
	default:
		o.Reason = reason
	}
	m.dropped = append(m.dropped, o)
	return false
}

// dropAll notes all overrides of a service as dropped.
func (m *merger) dropAll(b, r *config.Service, reason string) {
	all := merger{precedence: KeepOverrides}
	all.service(b, r, b)
	for _, o := range all.kept {
		o.Reason = reason
		m.dropped = append(m.dropped, o)
	}
}

// servers merges the real servers of a service that all three configurations have.
func (m *merger) servers(b, r, n *config.Service) []config.RealServer {
	base, running := placesOf(b.RealServers, addressOf), placesOf(r.RealServers, addressOf)
	next := placesOf(n.RealServers, addressOf)
	var list []config.RealServer
	for i := range n.RealServers {
		rs := n.RealServers[i]
		was, had := base[rs.Address]
		is, has := running[rs.Address]
		switch {
		case had && has:
			fields := fieldMerger{m, objectName(n, rs)}
			mergeFields(fields, realServerFields, &b.RealServers[was], &r.RealServers[is], &rs)
		case had:
			o := Override{Action: Remove, Object: objectName(n, rs)}
			if m.decide(o, b.RealServers[was] == rs, false, fileDiffer) {
				continue
			}
		case has:
			o := Override{Action: Add, Object: objectName(n, rs)}
			if m.decide(o, false, r.RealServers[is] == rs, fileHasIt) {
				rs = r.RealServers[is]
			}
		}
		list = append(list, rs)
	}
	return append(list, m.othersThan(next, base, b, r, n)...)
}

// othersThan returns the real servers that were added live and that the file does not have. It
// notes the overrides of those that the file has lost.
func (m *merger) othersThan(
	next, base map[netip.AddrPort]int, b, r, n *config.Service,
) (added []config.RealServer) {
	for i, rs := range r.RealServers {
		if _, there := next[rs.Address]; there {
			continue
		}
		was, had := base[rs.Address]
		if !had {
			if m.decide(Override{Action: Add, Object: objectName(n, rs)}, true, false, "") {
				added = append(added, rs)
			}
			continue
		}
		for _, d := range realServerFields.differences(&b.RealServers[was], &r.RealServers[i]) {
			o := changeOf(objectName(n, rs), d)
			o.Reason = fileGone
			m.dropped = append(m.dropped, o)
		}
	}
	return added
}

// fieldMerger merges fields of one object.
type fieldMerger struct {
	*merger
	object string
}

// stays notes the override of a field and reports whether it stays.
func (m fieldMerger) stays(d difference, unchanged, same bool) bool {
	return m.decide(changeOf(m.object, d), unchanged, same, fileDiffer)
}

// mergeFields sets the fields of merged, which has the values of next, that have an override.
func mergeFields[T any](m fieldMerger, all fields[T], base, running, merged *T) {
	b, r := reflect.ValueOf(base).Elem(), reflect.ValueOf(running).Elem()
	into := reflect.ValueOf(merged).Elem()
	for _, f := range all {
		was, is, to := b.Field(f.index), r.Field(f.index), into.Field(f.index)
		if !f.live || f.equal(was, is) {
			continue
		}
		d := difference{f.key, f.live, was.Interface(), is.Interface()}
		if m.stays(d, f.equal(was, to), f.equal(is, to)) {
			to.Set(is)
		}
	}
}

// sameSettings reports whether two services have the same settings and real servers, in any order.
func sameSettings(a, b *config.Service) bool {
	if len(serviceFields.differences(a, b)) > 0 || len(a.RealServers) != len(b.RealServers) {
		return false
	}
	if slices.Equal(a.RealServers, b.RealServers) {
		return true
	}
	places := placesOf(b.RealServers, addressOf)
	for _, rs := range a.RealServers {
		if i, there := places[rs.Address]; !there || b.RealServers[i] != rs {
			return false
		}
	}
	return true
}

// overridesOf returns the overrides of the running configuration over base.
func overridesOf(base, running *config.Config) []Override {
	m := merger{precedence: KeepOverrides, base: base, running: running, next: base}
	m.merge()
	return m.kept
}

// pairFlags takes the scheduler's flags from the configuration that the scheduler is from: flags of
// another scheduler mean nothing to it.
func (m *merger) pairFlags(b, r, n, merged *config.Service) {
	want := merged.SchedulerFlags
	switch {
	case b.Scheduler != r.Scheduler && merged.Scheduler == r.Scheduler:
		want = r.SchedulerFlags
	case b.Scheduler != r.Scheduler, n.Scheduler != b.Scheduler:
		want = n.SchedulerFlags
	}
	if want == merged.SchedulerFlags {
		return
	}
	merged.SchedulerFlags = want
	isFlags := func(o Override) bool {
		return o.Object == serviceObject(n) && o.Key == "scheduler_flags"
	}
	if i := slices.IndexFunc(m.kept, isFlags); i >= 0 {
		o := m.kept[i]
		o.Reason = fileDiffer
		m.kept, m.dropped = slices.Delete(m.kept, i, i+1), append(m.dropped, o)
	} else if i := slices.IndexFunc(m.dropped, isFlags); i >= 0 {
		o := m.dropped[i]
		o.Reason = ""
		m.dropped, m.kept = slices.Delete(m.dropped, i, i+1), append(m.kept, o)
	}
}
