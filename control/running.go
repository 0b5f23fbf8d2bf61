package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// Running is the configuration of a running director. It is safe for concurrent use.
//
// Changes are made one after the other. One whose context ends before its turn returns ErrAbandoned
// and changes nothing; once begun, a change is completed. Readers do not wait for changes.
//
// The cost of changing one service depends on that service only. The change checks the service
// against an index of the others, updates the engine, and saves how to undo it. It renders and
// parses nothing, and does not read other services. Config copies the configuration on demand.
// With a state folder a change costs more: it writes all overrides to the disk, before it returns.
type Running struct {
	// Log gets the results of drains, warnings about what is applied, and what Watch finds. nil
	// discards the first two. Set it before the first of either.
	Log *slog.Logger
	// Kernel is told of every change. nil stands for none. Set it before the first change.
	Kernel Kernel

	engine *engine.Engine
	drains *drains
	slow   *slowStarts
	checks *checks
	state  *State // keeps what is done live; nil without a state folder. Set before any change
	unkept error  // why nothing is kept, though it should be
	boot   uint32 // distinguishes this run's revisions from those of other runs

	// turn belongs to the change that is being made, from its checks to its end. Readers never wait
	// for it. It guards the following fields; what mu guards changes under mu as well.
	turn   Turn
	task   task
	site   *config.Site           // nil until a service is edited
	before []undo                 // the last change is last
	hosts  []config.HostInterface // what host interfaces have, followed or not
	based  map[lvs.ServiceID]int  // index of each service in base; nil until a service is edited

	ending endings

	mu       sync.Mutex     // guards the following fields; held for moments only
	current  *config.Config // its list of services changes in place; the lists of a service never do
	shown    *config.Config // a copy of current for readers; nil after a change
	places   map[string]int // index of each service in the list, by name
	revision uint64
	// What differs between base, the file that the configuration is from, and current are the
	// overrides. onFile is what the director's own file had when it was last read; it equals base
	// unless another file was applied, or a rollback went back to an earlier one.
	base, onFile *config.Config
	applied      time.Time              // when a file was last applied
	overridden   map[lvs.ServiceID]bool // the services that differ; the others are equal
	followed     config.Followed        // the network of current with what host interfaces add
	held         Held
	below        [][]netip.Addr // of the interfaces below ports with a host interface, by port

	audited audits
	counted overrideCount

	zeroing sync.Mutex // guards zeroes
	zeroes  zeroes     // nil before the first use of displayed
}

// maxUndo is how many changes Rollback can undo.
const maxUndo = 16

// NewRunning returns the running configuration of an engine. The engine must have been created with
// the settings of c, which is what the director's own file says.
func NewRunning(e *engine.Engine, c *config.Config) *Running {
	r := &Running{
		engine: e, drains: newDrains(), slow: newSlowStarts(), checks: newChecks(e),
		boot: rand.Uint32(), turn: NewTurn(), onFile: c, applied: time.Now(),
	}
	r.take(c, c)
	return r
}

// take makes a configuration, which is over the file base, the current one. The caller has the
// turn, or the only reference.
func (r *Running) take(c, base *config.Config) {
	own := *c
	own.Services = slices.Clone(c.Services)
	differ := overriddenServices(base, c)
	r.site, r.based = nil, nil
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.shown = &own, c
	r.base, r.overridden = base, differ
	r.followed = config.Followed{Network: c.Network()}
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

// Report returns the director's counters. Zero does not reset them.
func (r *Running) Report() *Report {
	c := r.Config()
	report := NewReport(c, r.engine.Report())
	report.addKernel(orNone(r.Kernel).Ports())
	report.Hosts = r.HostReports()
	r.describe(&report, c)
	return &report
}

// describe adds to the services of a report what the engine does not know of them.
func (r *Running) describe(report *Report, c *config.Config) {
	r.checks.addTo(report, c)
	r.addOwners(report)
}

// Plan returns what applying another file would change. It changes nothing.
func (r *Running) Plan(next *config.Config, precedence Precedence) Plan {
	now := r.now()
	m := merger{precedence: precedence, base: now.file, running: now.config, next: next}
	plan := NewPlan(now.config, m.merge(), r.sessions(), r.engine)
	plan.Host = hostLines(r.HostReports())
	plan.Kept, plan.Dropped = m.kept, m.dropped
	return plan
}

// now returns the configuration with its file.
func (r *Running) now() overlay {
	r.mu.Lock()
	defer r.mu.Unlock()
	return overlay{r.base, r.copied()}
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

// ErrOvertaken says that the configuration has changed since the revision that a caller read.
var ErrOvertaken = errors.New("the configuration has changed meanwhile: " +
	"read it again and repeat your change")

// Application says how to apply a configuration. Its zero value applies a file in any case, with
// the overrides that the file has not changed.
type Application struct {
	// Revision makes Apply return ErrOvertaken if the configuration has another one, unless it is
	// empty.
	Revision   string
	Precedence Precedence
	// Live says that the configuration is the running one with changes that become overrides. They
	// may be in services, timeouts and other settings that changes live can have.
	Live bool
}

// Apply replaces the running configuration by next and the overrides that stay, and returns what
// changed. It applies all of next, or nothing and returns an error. A change that needs a restart
// is a *RestartError.
func (r *Running) Apply(
	ctx context.Context, next *config.Config, how Application,
) (Plan, error) {
	if err := r.begin(ctx, how.command(next)); err != nil {
		return Plan{}, err
	}
	defer r.turn.End()
	old, now := r.Revision()
	if how.Revision != "" && how.Revision != now {
		return Plan{}, ErrOvertaken
	}
	if how.Live {
		return r.applyLive(old, next)
	}
	m := merger{precedence: how.Precedence, base: r.base, running: old, next: next}
	plan, err := r.replaceAll(m.merge(), next)
	plan.Kept, plan.Dropped = m.kept, m.dropped
	if err == nil {
		r.noteFile(next)
		r.logDropped(m.dropped)
	}
	return plan, err
}

// noteFile notes that a file was applied.
func (r *Running) noteFile(file *config.Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applied = time.Now()
	if file.File == r.onFile.File {
		r.onFile = file
	}
}

// command returns what the audit log calls the application of a configuration.
func (how Application) command(next *config.Config) string {
	if how.Live {
		return "live changes"
	}
	return strings.TrimSpace("apply " + next.File)
}

// applyLive replaces what changes live can change. The caller has the turn.
func (r *Running) applyLive(old, next *config.Config) (Plan, error) {
	live := *old
	live.Services = next.Services
	live.Director.Announce = next.Director.Announce
	live.Session.Timeouts = next.Session.Timeouts
	rest := NewPlan(&live, next, nil, nil)
	if keys := rest.keys(); len(keys) > 0 {
		return Plan{}, &ValueError{"live", "this can only be changed in a file: " +
			strings.Join(keys, ", ")}
	}
	return r.replaceAll(&live, r.base)
}

// replaceAll calls replace and remembers the configuration before it for Rollback. The caller has
// the turn.
func (r *Running) replaceAll(next, base *config.Config) (Plan, error) {
	old := r.now()
	plan, err := r.replace(next, base)
	if err == nil && !plan.Empty() {
		after := r.now()
		r.remember(undo{whole: &old, wholeAfter: &after})
	}
	return plan, err
}

// replace makes next, which is over the file base, the running configuration, without saving how to
// undo it. The caller has the turn.
func (r *Running) replace(next, base *config.Config) (Plan, error) {
	was := r.Config()
	plan := NewPlan(was, next, r.sessions(), r.engine)
	if len(plan.Restart) > 0 {
		return plan, &RestartError{plan.Restart}
	}
	if err := r.task.refusal(&plan); err != nil {
		return plan, err
	}
	if plan.Empty() {
		r.rebase(base)
		plan.warn(r.save())
		return plan, nil
	}
	site, followed := follow(next, r.hosts)
	slow := r.slow.all.after(was, next, r.slow.now())
	if err := r.applyWhole(was, next, followed.Network, slow); err != nil {
		return plan, fmt.Errorf("apply the configuration: %w", err)
	}
	refused := r.followed.Refused
	r.take(next, base)
	r.adoptAllSlow(slow)
	r.checks.followAll(was, next)
	r.site = site
	r.setFollowed(followed)
	r.tellHeld()
	plan.Warnings = append(plan.Warnings, newRefusals(next, refused, followed.Refused)...)
	r.warn(plan.Warnings)
	r.audit(&plan)
	plan.warn(r.save())
	return plan, nil
}

// applyWhole has kernel and engine take a configuration in place of another, with a network that
// host interfaces add to. The caller has the turn.
func (r *Running) applyWhole(
	was, next *config.Config, network config.Network, slow slowServices,
) error {
	with := next.WithNetwork(network)
	told, err := orNone(r.Kernel).Replace(was.WithNetwork(r.followed.Network), with)
	if err != nil {
		return err
	}
	err = r.engine.Apply(r.engineSettings(with, slow))
	told(err == nil)
	return err
}

// rebase takes another file for the same configuration. The caller has the turn.
func (r *Running) rebase(base *config.Config) {
	differ := overriddenServices(base, r.Config())
	r.based = nil
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current.File, r.shown = base.File, nil
	r.base, r.overridden = base, differ
}

func (r *Running) warn(warnings []string) {
	for _, w := range warnings {
		if r.Log != nil {
			r.Log.Warn(w)
		}
	}
}
