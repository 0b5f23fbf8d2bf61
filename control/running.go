package control

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"fulcrum/config"
	"fulcrum/engine"
)

// Running is the configuration of a running director. It may be used by several goroutines.
//
// A change of one service costs what that service has. It checks the service against an index of the
// others, has the engine take it over, and notes how to undo it. Nothing is rendered or parsed, and no
// other service is looked at. Config makes a copy for readers when they ask for one.
type Running struct {
	// Log is told what becomes of drains. nil tells nobody.
	Log *slog.Logger

	engine *engine.Engine
	drains *drains
	boot   uint32 // tells the revisions of this run from those of others

	mu       sync.Mutex     // guards all that follows
	current  *config.Config // its list of services is changed in place; what is in them never
	shown    *config.Config // a copy of current for readers; nil after a change
	places   map[string]int // of services in the list, by name
	site     *config.Site   // nil until a service is edited
	revision uint64
	before   []undo // the last change at the end
	zeroes   zeroes
}

// mostBefore is how many changes can be gone back.
const mostBefore = 16

// NewRunning takes the engine with the configuration that it was made with.
func NewRunning(e *engine.Engine, c *config.Config) *Running {
	r := &Running{engine: e, drains: newDrains(), boot: rand.Uint32()}
	r.take(c)
	return r
}

// take makes a configuration the current one. The caller holds mu, or has the only reference.
func (r *Running) take(c *config.Config) {
	own := *c
	own.Services = slices.Clone(c.Services)
	r.current, r.shown, r.site = &own, c, nil
	r.index()
	r.revision++
}

// index notes where services are in the list.
func (r *Running) index() {
	r.places = make(map[string]int, len(r.current.Services))
	for i := range r.current.Services {
		r.places[r.current.Services[i].Name] = i
	}
}

// ErrNothingBefore says that there is no configuration to go back to.
var ErrNothingBefore = errors.New("there is no configuration before this one")

// ValueError says that a field of a request does not fit the others. Field is its key.
type ValueError struct{ Field, Message string }

func (e *ValueError) Error() string { return e.Field + ": " + e.Message }

// RestartError says that a change needs a restart.
type RestartError struct{ Settings []string }

func (e *RestartError) Error() string {
	return fmt.Sprintf("%s cannot change while the director runs: restart it with the new file, or leave that as it is", strings.Join(e.Settings, ", "))
}

// Config returns the configuration. It must not be changed.
func (r *Running) Config() *config.Config {
	c, _ := r.Revision()
	return c
}

// Revision returns the configuration, which must not be changed, and the revision that it has. Every
// change makes another revision; that of another run is never the same.
func (r *Running) Revision() (*config.Config, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.copied(), r.name()
}

// copied returns a copy of the configuration that later changes leave alone. The caller holds mu.
func (r *Running) copied() *config.Config {
	if r.shown == nil {
		c := *r.current
		c.Services = slices.Clone(c.Services)
		r.shown = &c
	}
	return r.shown
}

// name is the revision's. The caller holds mu.
func (r *Running) name() string { return fmt.Sprintf("%08x-%d", r.boot, r.revision) }

// Report sums up what the director has done.
func (r *Running) Report() *Report {
	report := NewReport(r.Config(), r.engine.Report())
	return &report
}

// Plan says what another configuration would change, and changes nothing.
func (r *Running) Plan(next *config.Config) Plan { return NewPlan(r.Config(), next, r.sessions()) }

// sessions counts the sessions of real servers.
func (r *Running) sessions() SessionCounts {
	counts := SessionCounts{}
	for _, s := range r.engine.Report().Services {
		for _, rs := range s.RealServers {
			counts[serverID(&s, rs.Address)] = int(rs.Active + rs.Inactive)
		}
	}
	return counts
}

// Apply makes another configuration the running one: all of it, or nothing with an error.
func (r *Running) Apply(next *config.Config) (Plan, error) { return r.ApplyOver("", next) }

// ErrOvertaken says that the configuration is no longer the one that a change was made from.
var ErrOvertaken = errors.New("the configuration has changed meanwhile: read it again and make the change in what it is now")

// ApplyOver is Apply only if the configuration still has a revision, or ErrOvertaken. Without a revision
// it is Apply.
func (r *Running) ApplyOver(revision string, next *config.Config) (Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if revision != "" && revision != r.name() {
		return Plan{}, ErrOvertaken
	}
	old := r.copied()
	if next.File == "" {
		named := *next
		named.File = old.File // still where it comes from
		next = &named
	}
	plan, err := r.replace(next)
	if err == nil && !plan.Empty() {
		r.remember(undo{whole: old})
	}
	return plan, err
}

// replace makes next the running configuration. The caller holds mu.
func (r *Running) replace(next *config.Config) (Plan, error) {
	plan := NewPlan(r.copied(), next, r.sessions())
	if len(plan.Restart) > 0 {
		return plan, &RestartError{plan.Restart}
	}
	if plan.Empty() {
		r.current.File, r.shown = next.File, nil
		return plan, nil
	}
	if err := r.engine.Apply(EngineSettings(next)); err != nil {
		return plan, fmt.Errorf("apply the configuration: %w", err)
	}
	r.take(next)
	return plan, nil
}
