package control

import (
	"fmt"
	"net/netip"
	"slices"

	"fulcrum/config"
	"fulcrum/lvs"
)

// compareServices notes the services that were removed, changed and added. Only if nothing else
// differs does it note their order.
func (p *planner) compareServices() {
	old, next := p.old.Services, p.next.Services
	if slices.EqualFunc(old, next, sameIdentity) { // most changes: thousands need no looking up
		for i := range next {
			p.compareService(&old[i], &next[i])
		}
		return
	}
	p.matchServices(placesOf(old, idOfService), placesOf(next, idOfService))
	if len(p.Changes) == 0 {
		p.Changes = append(p.Changes, Change{Action: Alter, Object: "order of services"})
	}
}

// matchServices finds each service in the other configuration by its place there.
func (p *planner) matchServices(old, next map[lvs.ServiceID]int) {
	for i := range p.old.Services {
		if _, stays := next[p.old.Services[i].ID()]; !stays {
			p.removeService(&p.old.Services[i])
		}
	}
	for i := range p.next.Services {
		s := &p.next.Services[i]
		if was, there := old[s.ID()]; there {
			p.compareService(&p.old.Services[was], s)
		} else {
			p.addService(s)
		}
	}
}

func idOfService(s config.Service) lvs.ServiceID { return s.ID() }

func sameIdentity(a, b config.Service) bool { return a.ID() == b.ID() }

// placesOf returns the place in a list of each of its elements, by name: lists may have thousands.
func placesOf[T any, N comparable](list []T, name func(T) N) map[N]int {
	places := make(map[N]int, len(list))
	for i, v := range list {
		places[name(v)] = i
	}
	return places
}

func (p *planner) addService(s *config.Service) {
	p.Changes = append(p.Changes, Change{
		Action: Add, Object: "service " + s.Name,
		Detail: fmt.Sprintf("%s, %s, %s, %s",
			s.ID(), s.Mode, s.Scheduler, realServers(len(s.RealServers))),
	})
}

func realServers(n int) string {
	if n == 1 {
		return "1 real server"
	}
	return fmt.Sprintf("%d real servers", n)
}

func (p *planner) removeService(s *config.Service) {
	sessions := p.sessionsOf(s)
	p.compareServing(s, nil)
	p.Changes = append(p.Changes, Change{
		Action: Remove, Object: "service " + s.Name, Detail: s.ID().String(),
		Sessions: sessions, Effect: p.orphaned(sessions),
	})
}

// orphaned says what becomes of the sessions of a real server that is removed.
func (p *planner) orphaned(sessions int) string {
	switch {
	case sessions == 0:
		return ""
	case p.next.Session.ExpireNoDest:
		return "end at once; their clients' next packets are scheduled anew"
	}
	return "their packets are dropped as real_server_gone until they time out"
}

func (p *planner) sessionsOf(s *config.Service) int {
	n := 0
	for _, rs := range s.RealServers {
		n += p.sessions[s.ServerID(rs)]
	}
	return n
}

// compareService compares what both configurations have under one protocol and address.
func (p *planner) compareService(old, next *config.Service) {
	if differ := serviceFields.differences(old, next); len(differ) > 0 {
		p.note(differ, "service "+next.Name+": ", func(d difference) Change {
			return Change{
				Action: Alter, Object: "service " + next.Name, Detail: d.String(),
				Sessions: p.sessionsOf(old), Effect: effectOnService(next, d),
			}
		})
	}
	if !slices.Equal(old.LocalAddresses, next.LocalAddresses) {
		p.removeLocals(old, next)
	}
	if !slices.Equal(old.RealServers, next.RealServers) {
		p.compareServers(old, next)
		p.compareServing(old, next)
	}
}

// effectOnService says what becomes of a service's sessions when one of its settings changes.
func effectOnService(next *config.Service, d difference) string {
	switch {
	case d.key == "one_packet" && next.OnePacket:
		return "go on until they time out; no new ones"
	case d.key == "timeouts":
		return "end by the new ones"
	case d.key != "mode":
		return "go on"
	}
	effect := fmt.Sprintf("go on by %v; new ones by %v", d.old, d.next)
	if slices.ContainsFunc(next.RealServers, statesMode) {
		effect += ", but for real servers with a mode of their own"
	}
	return effect
}

func statesMode(rs config.RealServer) bool { return rs.Mode != lvs.AsService }

// compareServers notes the real servers that were removed, changed and added. Only if nothing else
// differs does it note their order.
func (p *planner) compareServers(old, next *config.Service) {
	before := len(p.Changes)
	p.matchServers(old, next)
	if len(p.Changes) == before && !slices.EqualFunc(old.RealServers, next.RealServers, sameServer) {
		p.Changes = append(p.Changes, Change{
			Action: Alter, Object: "service " + next.Name, Detail: "order of real servers",
			Sessions: p.sessionsOf(old), Effect: "go on",
		})
	}
}

// matchServers finds each real server in the other configuration by its address.
func (p *planner) matchServers(old, next *config.Service) {
	was, is := placesOf(old.RealServers, addressOf), placesOf(next.RealServers, addressOf)
	for _, rs := range old.RealServers {
		if _, stays := is[rs.Address]; !stays {
			n := p.sessions[old.ServerID(rs)]
			p.Changes = append(p.Changes,
				Change{Action: Remove, Object: objectName(next, rs), Sessions: n, Effect: p.orphaned(n)})
		}
	}
	for i, rs := range next.RealServers {
		if j, there := was[rs.Address]; there {
			p.compareServer(old, next, &old.RealServers[j], &next.RealServers[i])
		} else {
			p.Changes = append(p.Changes,
				Change{Action: Add, Object: objectName(next, rs), Detail: additionOf(next, rs)})
		}
	}
}

// additionOf describes a new real server of a service.
func additionOf(s *config.Service, rs config.RealServer) string {
	detail := fmt.Sprintf("weight %d", rs.Weight)
	if statesMode(rs) {
		detail += fmt.Sprintf(", mode %v", s.ModeOf(rs))
	}
	return detail
}

func addressOf(rs config.RealServer) netip.AddrPort { return rs.Address }

func sameServer(a, b config.RealServer) bool { return a.Address == b.Address }

func objectName(s *config.Service, rs config.RealServer) string {
	return fmt.Sprintf("real server %s of %s", rs.Address, s.Name)
}

// compareServer compares what both configurations have under one address in a service.
func (p *planner) compareServer(was, is *config.Service, old, next *config.RealServer) {
	object, sessions := objectName(is, *next), p.sessions[is.ServerID(*next)]
	from, to := was.ModeOf(*old), is.ModeOf(*next)
	p.note(realServerFields.differences(old, next), object+": ", func(d difference) Change {
		return Change{
			Action: Alter, Object: object, Detail: d.String(),
			Sessions: sessions, Effect: effectOnServer(d, from, to),
		}
	})
}

// effectOnServer says what becomes of a real server's sessions when one of its settings changes.
// The modes are the one before and the one after.
func effectOnServer(d difference, from, to lvs.Mode) string {
	switch {
	case d.key == "weight" && d.next == 0:
		return "go on; no new ones (drains)"
	case d.key == "mode" && from != to:
		return fmt.Sprintf("go on by %v; new ones by %v", from, to)
	}
	return "go on"
}
