package control

import (
	"fmt"
	"net/netip"
	"slices"

	"fulcrum/config"
	"fulcrum/lvs"
)

// Plan is what another configuration would change in a running director.
type Plan struct {
	Changes []Change `json:"changes"`
	// Restart lists the settings that cannot change while the director runs. A plan with any of them
	// cannot be applied.
	Restart []string `json:"restart"`
	// Warnings are what the new configuration opens that the old one did not, and what it harms.
	Warnings []string `json:"warnings,omitempty"`
	// UnservedServices are the names of the services that lose their last available real server, and
	// UnservedVIPs the VIPs of which no service has one left. A real server is available if its
	// weight is above 0. Warnings say it too.
	UnservedServices []string `json:"unserved_services,omitempty"`
	UnservedVIPs     []string `json:"unserved_vips,omitempty"`
	// Host says what the ports have from their host interfaces, one line an interface. It is no part
	// of any file.
	Host []string `json:"host,omitempty"`
	// Kept and Dropped are the overrides that stay when a file is applied, and those that do not.
	Kept    []Override `json:"kept_overrides,omitempty"`
	Dropped []Override `json:"dropped_overrides,omitempty"`
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

// warn adds a warning, unless it is empty.
func (p *Plan) warn(text string) {
	if text != "" {
		p.Warnings = append(p.Warnings, text)
	}
}

// keys returns what the plan is about: the objects that change, and the settings that need a
// restart.
func (p *Plan) keys() (keys []string) {
	for _, c := range p.Changes {
		keys = append(keys, c.Object)
	}
	return append(keys, p.Restart...)
}

// SessionCounts tells how many sessions a real server of a service has.
type SessionCounts map[lvs.RealServerID]int

// NewPlan compares two configurations in every field. The table fates says which differences are
// changes; the others need a restart. nil stands for no sessions.
func NewPlan(old, next *config.Config, sessions SessionCounts, locals LocalSessions) Plan {
	p := planner{old: old, next: next, sessions: sessions, locals: locals}
	return p.plan()
}

func (p *planner) plan() Plan {
	if p.locals == nil {
		p.locals = noLocals{}
	}
	p.Changes, p.Restart = []Change{}, []string{} // lists in JSON, also without anything in them
	old, next := p.old, p.next
	compareTable(p, "", configFields, old, next)
	compareTable(p, "director.", directorFields, &old.Director, &next.Director)
	compareTable(p, "control.", controlFields, &old.Control, &next.Control)
	compareTable(p, "metrics.", metricsFields, &old.Metrics, &next.Metrics)
	compareTable(p, "dpdk.", dpdkFields, &old.DPDK, &next.DPDK)
	p.compareNetwork()
	compareTable(p, "session.", sessionFields, &old.Session, &next.Session)
	p.compareTimeouts()
	p.compareServices()
	p.compareRetired()
	p.compareVIPs()
	p.compareWarnings()
	return p.Plan
}

// compareWarnings adds the warnings about next that do not hold for old.
func (p *planner) compareWarnings() {
	known := p.old.Warnings()
	for _, w := range p.next.Warnings() {
		if !slices.Contains(known, w) {
			p.Warnings = append(p.Warnings, w)
		}
	}
}

type planner struct {
	Plan
	old, next *config.Config
	sessions  SessionCounts
	locals    LocalSessions
	lost      []netip.Addr // VIPs of services that have no available real server any more
	// servedBeside reports whether a service that is in neither configuration serves a VIP. It is nil
	// if there is none.
	servedBeside func(vip netip.Addr) bool
	taken        map[netip.Addr]string // see stations
}

// note adds differences to the plan: live ones as the changes that alter returns, the others as
// needing a restart, with what comes before their keys.
func (p *planner) note(differ []difference, before string, alter func(difference) Change) {
	for _, d := range differ {
		if d.live {
			p.Changes = append(p.Changes, alter(d))
		} else {
			p.Restart = append(p.Restart, before+d.key)
		}
	}
}

// compareTable notes what differs in a table that the file has once.
func compareTable[T any](p *planner, table string, all fields[T], old, next *T) {
	p.note(all.differences(old, next), table, func(d difference) Change {
		return Change{Action: Alter, Object: table + d.key, Detail: d.values()}
	})
}

// compareTimeouts notes the timeouts that differ. Sessions are not counted by state.
func (p *planner) compareTimeouts() {
	for _, state := range lvs.States() {
		if old, next := p.old.Session.Timeouts[state], p.next.Session.Timeouts[state]; old != next {
			p.Changes = append(p.Changes, Change{
				Action: Alter, Object: "session.timeouts." + state.Key(),
				Detail: fmt.Sprintf("%s -> %s", old, next), Effect: "applies to existing sessions too",
			})
		}
	}
}
