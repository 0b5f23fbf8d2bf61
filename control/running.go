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

// Running is the configuration of a running director. It is safe for concurrent use.
//
// The cost of changing one service depends on that service only. The change checks the service
// against an index of the others, updates the engine, and saves how to undo it. It renders and
// parses nothing, and does not read other services. Config copies the configuration on demand.
type Running struct {
	// Log gets the results of drains, warnings about what is applied, and what Watch finds. nil
	// discards the first two. Set it before the first of either.
	Log *slog.Logger

	engine *engine.Engine
	drains *drains
	boot   uint32 // distinguishes this run's revisions from those of other runs

	mu       sync.Mutex     // guards the following fields
	current  *config.Config // its list of services changes in place; the lists of a service never do
	shown    *config.Config // a copy of current for readers; nil after a change
	places   map[string]int // index of each service in the list, by name
	site     *config.Site   // nil until a service is edited
	revision uint64
	before   []undo // the last change is last
	zeroes   zeroes
}

// maxUndo is how many changes Rollback can undo.
const maxUndo = 16

// NewRunning returns the running configuration of an engine. The engine must have been created with
// the settings of c.
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

// index finds the index of each service in the list.
func (r *Running) index() {
	r.places = make(map[string]int, len(r.current.Services))
	for i := range r.current.Services {
		r.places[r.current.Services[i].Name] = i
	}
}

// ErrNothingBefore says that there is no earlier configuration to go back to.
var ErrNothingBefore = errors.New("no earlier configuration to go back to")

// ValueError says that a field of a request does not fit the others. Field is its JSON key.
type ValueError struct{ Field, Message string }

// Error returns the field and the message.
func (e *ValueError) Error() string { return e.Field + ": " + e.Message }

// RestartError says that a change needs a restart. Settings are the keys of the settings that
// cannot change in a running director.
type RestartError struct{ Settings []string }

// Error returns the settings and what to do.
func (e *RestartError) Error() string {
	return fmt.Sprintf("%s cannot change while the director runs: "+
		"restart it with the new file, or keep what it has now", strings.Join(e.Settings, ", "))
}

// Config returns the configuration. The caller must not change it; later changes do not affect it.
func (r *Running) Config() *config.Config {
	c, _ := r.Revision()
	return c
}

// Revision returns the configuration, which the caller must not change, and its revision. Every
// change makes a new revision. Two runs of a director have no revision in common.
func (r *Running) Revision() (*config.Config, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.copied(), r.name()
}

// copied returns a copy of the configuration, which later changes do not affect. The caller holds
// mu.
func (r *Running) copied() *config.Config {
	if r.shown == nil {
		c := *r.current
		c.Services = slices.Clone(c.Services)
		r.shown = &c
	}
	return r.shown
}

// name returns the revision's name. The caller holds mu.
func (r *Running) name() string { return fmt.Sprintf("%08x-%d", r.boot, r.revision) }

// Report returns the director's counters since its start. Zero does not reset them.
func (r *Running) Report() *Report {
	report := NewReport(r.Config(), r.engine.Report())
	return &report
}

// Plan returns what another configuration would change. It changes nothing.
func (r *Running) Plan(next *config.Config) Plan {
	return NewPlan(r.Config(), next, r.sessions(), r.engine)
}

// sessions counts the sessions of each real server.
func (r *Running) sessions() SessionCounts {
	counts := SessionCounts{}
	for _, s := range r.engine.Report().Services {
		for _, rs := range s.RealServers {
			counts[serverID(&s, rs.Address)] = int(rs.Active + rs.Inactive)
		}
	}
	return counts
}

// Apply replaces the running configuration by next and returns what changed. It applies all of
// next, or nothing and returns an error. A change that needs a restart is a *RestartError.
func (r *Running) Apply(next *config.Config) (Plan, error) { return r.ApplyOver("", next) }

// ErrOvertaken says that the configuration has changed since the revision that a caller read.
var ErrOvertaken = errors.New("the configuration has changed meanwhile: " +
	"read it again and repeat your change")

// ApplyOver is like Apply, but returns ErrOvertaken if the configuration has another revision. An
// empty revision stands for any.
func (r *Running) ApplyOver(revision string, next *config.Config) (Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if revision != "" && revision != r.name() {
		return Plan{}, ErrOvertaken
	}
	old := r.copied()
	if next.File == "" {
		named := *next
		named.File = old.File
		next = &named
	}
	return r.replaceAll(old, next)
}

// replaceAll calls replace and remembers the configuration before it for Rollback. The caller holds
// mu.
func (r *Running) replaceAll(old, next *config.Config) (Plan, error) {
	plan, err := r.replace(next)
	if err == nil && !plan.Empty() {
		r.remember(undo{whole: old})
	}
	return plan, err
}

// replace makes next the running configuration, without saving how to undo it. The caller holds mu.
func (r *Running) replace(next *config.Config) (Plan, error) {
	plan := NewPlan(r.copied(), next, r.sessions(), r.engine)
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
	r.warn(plan.Warnings)
	return plan, nil
}

func (r *Running) warn(warnings []string) {
	for _, w := range warnings {
		if r.Log != nil {
			r.Log.Warn(w)
		}
	}
}
