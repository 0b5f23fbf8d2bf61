package control

import (
	"context"
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
// Changes are made one after the other. One whose context ends before its turn returns ErrAbandoned
// and changes nothing; once begun, a change is completed. Readers do not wait for changes.
//
// The cost of changing one service depends on that service only. The change checks the service
// against an index of the others, updates the engine, and saves how to undo it. It renders and
// parses nothing, and does not read other services. Config copies the configuration on demand.
type Running struct {
	// Log gets the results of drains, warnings about what is applied, and what Watch finds. nil
	// discards the first two. Set it before the first of either.
	Log *slog.Logger
	// Kernel is told of every change. nil stands for none. Set it before the first change.
	Kernel Kernel

	engine *engine.Engine
	drains *drains
	boot   uint32 // distinguishes this run's revisions from those of other runs

	// turn belongs to the change that is being made, from its checks to its end. Readers never wait
	// for it. It guards the following fields; current, places and revision change under mu as well.
	turn   Turn
	site   *config.Site // nil until a service is edited
	before []undo       // the last change is last

	mu       sync.Mutex     // guards the following fields; held for moments only
	current  *config.Config // its list of services changes in place; the lists of a service never do
	shown    *config.Config // a copy of current for readers; nil after a change
	places   map[string]int // index of each service in the list, by name
	revision uint64

	zeroing sync.Mutex // guards zeroes
	zeroes  zeroes
}

// maxUndo is how many changes Rollback can undo.
const maxUndo = 16

// NewRunning returns the running configuration of an engine. The engine must have been created with
// the settings of c.
func NewRunning(e *engine.Engine, c *config.Config) *Running {
	r := &Running{engine: e, drains: newDrains(), boot: rand.Uint32(), turn: NewTurn()}
	r.take(c)
	return r
}

// take makes a configuration the current one. The caller has the turn, or the only reference.
func (r *Running) take(c *config.Config) {
	own := *c
	own.Services = slices.Clone(c.Services)
	r.site = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.shown = &own, c
	r.index()
	r.revision++
}

// index finds the index of each service in the list. The caller holds mu.
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
	report.addKernel(orNone(r.Kernel).Ports())
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
func (r *Running) Apply(ctx context.Context, next *config.Config) (Plan, error) {
	return r.ApplyOver(ctx, "", next)
}

// ErrOvertaken says that the configuration has changed since the revision that a caller read.
var ErrOvertaken = errors.New("the configuration has changed meanwhile: " +
	"read it again and repeat your change")

// ApplyOver is like Apply, but returns ErrOvertaken if the configuration has another revision. An
// empty revision stands for any.
func (r *Running) ApplyOver(
	ctx context.Context, revision string, next *config.Config,
) (Plan, error) {
	if err := r.turn.Begin(ctx); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	old, now := r.Revision()
	if revision != "" && revision != now {
		return Plan{}, ErrOvertaken
	}
	if next.File == "" {
		named := *next
		named.File = old.File
		next = &named
	}
	return r.replaceAll(old, next)
}

// replaceAll calls replace and remembers the configuration before it for Rollback. The caller has
// the turn.
func (r *Running) replaceAll(old, next *config.Config) (Plan, error) {
	plan, err := r.replace(next)
	if err == nil && !plan.Empty() {
		r.remember(undo{whole: old})
	}
	return plan, err
}

// replace makes next the running configuration, without saving how to undo it. The caller has the
// turn.
func (r *Running) replace(next *config.Config) (Plan, error) {
	was := r.Config()
	plan := NewPlan(was, next, r.sessions(), r.engine)
	if len(plan.Restart) > 0 {
		return plan, &RestartError{plan.Restart}
	}
	if plan.Empty() {
		r.rename(next.File)
		return plan, nil
	}
	told, err := orNone(r.Kernel).Replace(was, next)
	if err != nil {
		return plan, fmt.Errorf("apply the configuration: %w", err)
	}
	err = r.engine.Apply(EngineSettings(next))
	told(err == nil)
	if err != nil {
		return plan, fmt.Errorf("apply the configuration: %w", err)
	}
	r.take(next)
	r.warn(plan.Warnings)
	return plan, nil
}

// rename sets the file that the configuration is said to be from. The caller has the turn.
func (r *Running) rename(file string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current.File, r.shown = file, nil
}

func (r *Running) warn(warnings []string) {
	for _, w := range warnings {
		if r.Log != nil {
			r.Log.Warn(w)
		}
	}
}
