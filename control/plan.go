package control

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"fulcrum/config"
	"fulcrum/lvs"
)

// Plan is what another configuration would change in a running director.
type Plan struct {
	Changes []Change `json:"changes"`
	// Restart lists the settings that cannot change while the director runs. A plan with any of them cannot be applied.
	Restart []string `json:"restart"`
}

// Change is one step of a Plan.
type Change struct {
	Action   Action `json:"action" enum:"add,remove,change"`
	Object   string `json:"object" example:"service web"`
	Detail   string `json:"detail,omitempty" example:"weight 1 -> 2"`
	Sessions int    `json:"sessions"` // those that it touches
	Effect   string `json:"effect,omitempty" example:"go on"`
}

// Action says what a Change does to its object.
type Action string

// The actions.
const (
	Add    Action = "add"
	Remove Action = "remove"
	Alter  Action = "change"
)

// Empty reports whether nothing would change.
func (p *Plan) Empty() bool { return len(p.Changes) == 0 && len(p.Restart) == 0 }

// SessionCounts tells how many sessions a real server of a service has.
type SessionCounts map[lvs.RealServerID]int

// NewPlan compares two configurations.
func NewPlan(old, next *config.Config, sessions SessionCounts) Plan {
	p := planner{old: old, next: next, sessions: sessions}
	p.Changes, p.Restart = []Change{}, []string{} // lists in JSON, also without anything in them
	p.compareFixed()
	p.compareNetwork()
	p.compareSwitch("session.sloppy_tcp", old.Session.SloppyTCP, next.Session.SloppyTCP)
	p.compareSwitch("session.expire_nodest", old.Session.ExpireNoDest, next.Session.ExpireNoDest)
	p.compareTimeouts()
	p.compareServices()
	return p.Plan
}

type planner struct {
	Plan
	old, next *config.Config
	sessions  SessionCounts
}

// compareFixed notes what is fixed from start to end.
func (p *planner) compareFixed() {
	old, next := p.old, p.next
	p.fix("director.", old.Director, next.Director)
	p.fix("control.", old.Control, next.Control)
	p.fix("metrics.", old.Metrics, next.Metrics)
	p.fix("dpdk.", old.DPDK, next.DPDK)
	if len(old.Ports) != len(next.Ports) {
		p.Restart = append(p.Restart, "the number of ports")
	}
	for i := range min(len(old.Ports), len(next.Ports)) {
		p.fix("port "+old.Ports[i].Name+": ", fixedPort(old.Ports[i]), fixedPort(next.Ports[i]))
	}
	p.fix("session.", fixedSession(old.Session), fixedSession(next.Session))
}

// fix notes the keys of a table that differ, with what comes before them.
func (p *planner) fix(table string, old, next any) {
	a, b := reflect.ValueOf(old), reflect.ValueOf(next)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			p.Restart = append(p.Restart, table+keyOf(a.Type().Field(i).Name))
		}
	}
}

// keyOf returns the key of a field of the configuration: rx_descriptors of RxDescriptors, mtu of MTU.
func keyOf(field string) string {
	return strings.ToLower(wordEnd.ReplaceAllString(field, "${1}_${2}"))
}

var wordEnd = regexp.MustCompile("([a-z])([A-Z])")

// fixedPort is a port without what may change.
func fixedPort(p config.Port) config.Port {
	p.Addresses = nil
	return p
}

// fixedSession is without what may change.
func fixedSession(s config.Session) config.Session {
	s.SloppyTCP, s.ExpireNoDest, s.Timeouts = false, false, config.Timeouts{}
	return s
}

// compareTimeouts notes the timeouts that differ. How many sessions are in a state nobody has counted.
func (p *planner) compareTimeouts() {
	for _, state := range lvs.States() {
		if old, next := p.old.Session.Timeouts[state], p.next.Session.Timeouts[state]; old != next {
			p.Changes = append(p.Changes, Change{
				Action: Alter, Object: "session.timeouts." + state.Key(), Detail: fmt.Sprintf("%s -> %s", old, next), Effect: "counts for sessions that there are too",
			})
		}
	}
}

func (p *planner) compareSwitch(name string, old, next bool) {
	if old != next {
		p.alter(name, fmt.Sprintf("%t -> %t", old, next))
	}
}

func (p *planner) compareServices() {
	old, next := placesOf(p.old.Services, idOfService), placesOf(p.next.Services, idOfService)
	for _, s := range p.old.Services {
		if _, stays := next[s.ID()]; !stays {
			p.removeService(s)
		}
	}
	for _, s := range p.next.Services {
		if i, there := old[s.ID()]; there {
			p.compareService(p.old.Services[i], s)
		} else {
			p.addService(s)
		}
	}
	if len(p.Changes) == 0 && !slices.EqualFunc(p.old.Services, p.next.Services, sameIdentity) {
		p.Changes = append(p.Changes, Change{Action: Alter, Object: "order of services"})
	}
}

func idOfService(s config.Service) lvs.ServiceID { return s.ID() }

func sameIdentity(a, b config.Service) bool { return a.ID() == b.ID() }

// placesOf returns the places of what a list has, by their names: lists may have thousands.
func placesOf[T any, N comparable](list []T, name func(T) N) map[N]int {
	places := make(map[N]int, len(list))
	for i, v := range list {
		places[name(v)] = i
	}
	return places
}

func (p *planner) addService(s config.Service) {
	p.Changes = append(p.Changes, Change{
		Action: Add, Object: "service " + s.Name, Detail: fmt.Sprintf("%s %s, %s, %s, %s", s.Protocol, s.Address, s.Mode, s.Scheduler, realServers(len(s.RealServers))),
	})
}

func realServers(n int) string {
	if n == 1 {
		return "1 real server"
	}
	return fmt.Sprintf("%d real servers", n)
}

func (p *planner) removeService(s config.Service) {
	sessions := 0
	for _, rs := range s.RealServers {
		sessions += p.sessions[s.ServerID(rs)]
	}
	p.Changes = append(p.Changes, Change{
		Action: Remove, Object: "service " + s.Name, Detail: fmt.Sprintf("%s %s", s.Protocol, s.Address), Sessions: sessions, Effect: p.orphaned(sessions),
	})
}

// orphaned says what becomes of the sessions of a real server that is removed.
func (p *planner) orphaned(sessions int) string {
	switch {
	case sessions == 0:
		return ""
	case p.next.Session.ExpireNoDest:
		return "end with their next packet"
	}
	return "their packets are dropped as real_server_gone until they time out"
}

// compareService compares what both configurations have under one protocol and address.
func (p *planner) compareService(old, next config.Service) {
	for _, f := range []struct {
		name     string
		old, new any
	}{
		{"name", old.Name, next.Name}, {"scheduler", old.Scheduler, next.Scheduler}, {"mss", old.MSS, next.MSS}, {"echo", old.Echo, next.Echo},
		{"local_addresses", addressList[netip.Addr](old.LocalAddresses), addressList[netip.Addr](next.LocalAddresses)},
	} {
		if !reflect.DeepEqual(f.old, f.new) {
			p.Changes = append(p.Changes, Change{
				Action: Alter, Object: "service " + next.Name, Detail: fmt.Sprintf("%s %v -> %v", f.name, f.old, f.new), Sessions: p.sessionsOf(old), Effect: "go on",
			})
		}
	}
	if old.Mode != next.Mode {
		n := p.sessionsOf(old)
		p.Changes = append(p.Changes, Change{
			Action: Alter, Object: "service " + next.Name, Detail: fmt.Sprintf("mode %s -> %s", old.Mode, next.Mode), Sessions: n, Effect: p.orphaned(n),
		})
		return
	}
	p.compareServers(old, next)
}

func (p *planner) sessionsOf(s config.Service) int {
	n := 0
	for _, rs := range s.RealServers {
		n += p.sessions[s.ServerID(rs)]
	}
	return n
}

func (p *planner) compareServers(old, next config.Service) {
	before := len(p.Changes)
	was, is := placesOf(old.RealServers, addressOf), placesOf(next.RealServers, addressOf)
	for _, rs := range old.RealServers {
		if _, stays := is[rs.Address]; !stays {
			n := p.sessions[old.ServerID(rs)]
			p.Changes = append(p.Changes, Change{Action: Remove, Object: objectName(next, rs), Sessions: n, Effect: p.orphaned(n)})
		}
	}
	for _, rs := range next.RealServers {
		if i, there := was[rs.Address]; there {
			p.compareServer(next, old.RealServers[i], rs)
		} else {
			p.Changes = append(p.Changes, Change{Action: Add, Object: objectName(next, rs), Detail: fmt.Sprintf("weight %d", rs.Weight)})
		}
	}
	if len(p.Changes) == before && !slices.EqualFunc(old.RealServers, next.RealServers, sameServer) {
		p.Changes = append(p.Changes, Change{
			Action: Alter, Object: "service " + next.Name, Detail: "order of real servers", Sessions: p.sessionsOf(old), Effect: "go on",
		})
	}
}

func addressOf(rs config.RealServer) netip.AddrPort { return rs.Address }

func sameServer(a, b config.RealServer) bool { return a.Address == b.Address }

func objectName(s config.Service, rs config.RealServer) string {
	return fmt.Sprintf("real server %s of %s", rs.Address, s.Name)
}

func (p *planner) compareServer(s config.Service, old, next config.RealServer) {
	sessions := p.sessions[s.ServerID(next)]
	for _, f := range []struct {
		name     string
		old, new int
	}{
		{"weight", old.Weight, next.Weight}, {"upper_threshold", old.UpperThreshold, next.UpperThreshold}, {"lower_threshold", old.LowerThreshold, next.LowerThreshold},
	} {
		if f.old == f.new {
			continue
		}
		effect := "go on"
		if f.name == "weight" && f.new == 0 {
			effect = "go on; no new ones (drains)"
		}
		p.Changes = append(p.Changes, Change{
			Action: Alter, Object: objectName(s, next), Detail: fmt.Sprintf("%s %d -> %d", f.name, f.old, f.new), Sessions: sessions, Effect: effect,
		})
	}
}
