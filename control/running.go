package control

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/lvs"
)

// Running is the configuration of a running director. It may be used by several goroutines.
type Running struct {
	// Log is told what becomes of drains. nil tells nobody.
	Log *slog.Logger

	engine *engine.Engine
	drains *drains

	mu      sync.Mutex
	current *config.Config
	before  []*config.Config // the last one at the end
	zeroes  zeroes
}

// mostBefore is how many configurations can be gone back to.
const mostBefore = 16

// NewRunning takes the engine with the configuration that it was made with.
func NewRunning(e *engine.Engine, c *config.Config) *Running {
	return &Running{engine: e, drains: newDrains(), current: c}
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
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current
}

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

// idOf returns what makes a service of the engine the same one as in a configuration.
func idOf(s *engine.Service) lvs.ServiceID {
	return lvs.ServiceID{Protocol: lvs.Protocol(s.Protocol), Address: s.Address}
}

// Apply makes another configuration the running one: all of it, or nothing with an error.
func (r *Running) Apply(next *config.Config) (Plan, error) {
	return r.change(func(*config.Config) (*config.Config, error) { return next, nil })
}

// ErrOvertaken says that the configuration is no longer the one that a change was made from.
var ErrOvertaken = errors.New("the configuration has changed meanwhile: read it again and make the change in what it is now")

// Tag names a configuration's text, as an HTTP entity tag.
func Tag(text []byte) string { return fmt.Sprintf("\"%x\"", sha256.Sum256(text)) }

// ApplyOver is Apply only if the running configuration has a tag, or ErrOvertaken. Without a tag it is Apply.
func (r *Running) ApplyOver(tag string, next *config.Config) (Plan, error) {
	return r.change(func(old *config.Config) (*config.Config, error) {
		if tag != "" && tag != Tag([]byte(old.Render())) {
			return nil, ErrOvertaken
		}
		return next, nil
	})
}

// Edit applies a copy of the configuration that edit has changed. What comes out is checked as a file would be.
func (r *Running) Edit(edit func(*config.Config) error) (Plan, error) {
	return r.change(func(c *config.Config) (*config.Config, error) {
		n := c.Clone()
		if err := edit(n); err != nil {
			return nil, err
		}
		return parseNameless("the changed configuration", []byte(n.Render()))
	})
}

// parseNameless reads a configuration that is in no file; name is for messages.
func parseNameless(name string, text []byte) (*config.Config, error) {
	c, err := config.Parse(name, text)
	if err == nil {
		c.File = ""
	}
	return c, err
}

// Rollback goes back to the configuration before.
func (r *Running) Rollback() (Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.before) == 0 {
		return Plan{}, ErrNothingBefore
	}
	last := len(r.before) - 1
	next := r.before[last]
	plan, err := r.replace(next)
	if err == nil {
		r.before = r.before[:last]
	}
	return plan, err
}

func (r *Running) change(make func(*config.Config) (*config.Config, error)) (Plan, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.current
	next, err := make(old)
	if err != nil {
		return Plan{}, err
	}
	if next.File == "" {
		next.File = old.File // still where it comes from
	}
	plan, err := r.replace(next)
	if err == nil && !plan.Empty() {
		r.before = append(slices.Clone(r.before[max(0, len(r.before)+1-mostBefore):]), old)
	}
	return plan, err
}

// replace makes next the running configuration. The caller holds mu.
func (r *Running) replace(next *config.Config) (Plan, error) {
	plan := NewPlan(r.current, next, r.sessions())
	if len(plan.Restart) > 0 {
		return plan, &RestartError{plan.Restart}
	}
	if !plan.Empty() {
		if err := r.engine.Apply(EngineSettings(next)); err != nil {
			return plan, fmt.Errorf("apply the configuration: %w", err)
		}
	}
	r.current = next
	return plan, nil
}
