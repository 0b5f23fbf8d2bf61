package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"fulcrum/config"
	"fulcrum/lvs"
)

// stored is the content of a state folder's file.
type stored struct {
	Revision uint64        `json:"revision"`
	Written  time.Time     `json:"written"` // for people to read
	File     storedPart    `json:"file"`    // what the file said where there are overrides
	Running  storedPart    `json:"running"` // what the director ran there
	Drains   []storedDrain `json:"drains"`
}

// storedPart is the part of a configuration that can have overrides.
type storedPart struct {
	Announce bool              `json:"announce"`
	Timeouts map[string]string `json:"timeouts"`
	Services string            `json:"services"` // TOML; only services with overrides
}

// storedDrain is a drain that goes on.
type storedDrain struct {
	Service    string       `json:"service"`
	RealServer string       `json:"real_server"`
	Request    DrainRequest `json:"request"`
	Deadline   time.Time    `json:"deadline,omitzero"`
}

func newStoredPart(c *config.Config) storedPart {
	p := storedPart{
		Announce: c.Director.Announce, Timeouts: map[string]string{},
		Services: config.RenderServices(c.Services),
	}
	for _, state := range lvs.States() {
		p.Timeouts[state.Key()] = c.Session.Timeouts[state].String()
	}
	return p
}

// over returns the configuration c with this part.
func (p *storedPart) over(c *config.Config) (*config.Config, error) {
	over := *c
	over.Director.Announce = p.Announce
	for _, state := range lvs.States() {
		text, has := p.Timeouts[state.Key()]
		if !has {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("session.timeouts.%s: %w", state.Key(), err)
		}
		over.Session.Timeouts[state] = d
	}
	var err error
	over.Services, err = config.ParseServices("state", p.Services)
	return &over, err
}

// Restored is a configuration file with what a state folder keeps over it.
type Restored struct {
	Config   *config.Config // to start with
	file     *config.Config
	revision uint64
	drains   []storedDrain
}

// Restore returns the configuration to start with: that of a file, with the overrides that the
// folder keeps and the file has not changed. It logs which overrides are dropped.
func (s *State) Restore(file *config.Config) Restored {
	fresh := Restored{Config: file, file: file}
	content := s.read()
	if content == nil {
		return fresh
	}
	base, err := content.File.over(file)
	var running *config.Config
	if err == nil {
		running, err = content.Running.over(file)
	}
	if err != nil {
		s.putAside(err)
		return fresh
	}
	m := merger{base: base, running: running, next: file}
	back := Restored{m.merge(), file, content.Revision, content.Drains}
	if len(m.kept) > 0 {
		s.log.Info("overrides were restored", "overrides", len(m.kept))
	}
	for _, o := range m.dropped {
		s.log.Warn("an override was not restored", "override", o.String(), "reason", o.Reason)
	}
	return back
}

// Keep has the folder keep what is done live. It takes over what Restore returned, whose Config the
// engine must have been created with. Call it before any change.
func (r *Running) Keep(s *State, back Restored) {
	r.take(back.Config, back.file)
	r.revision += back.revision
	r.state = s
}

// NoteUnkept notes why nothing that is done live is kept. Call it before any change.
func (r *Running) NoteUnkept(why error) { r.unkept = why }

// ResumeDrains goes on with the drains that a folder kept, and has the folder forget what was not
// restored: a later start would not know that the file was against it. Call it once, after Keep.
func (r *Running) ResumeDrains(back Restored) {
	_ = r.turn.Begin(context.Background()) // a context without end abandons nothing
	defer r.turn.End()
	for _, d := range back.drains {
		id := ServerID{d.Service, d.RealServer}
		if _, _, drained := r.left(id); !drained {
			r.state.log.Warn("a drain was not taken up again: the weight is not 0 any more, or it is gone",
				"service", d.Service, "real server", d.RealServer)
			continue
		}
		r.startDrain(id, d.Request, d.Deadline)
	}
	r.save() // also what a drain that ended meanwhile has written without those after it
}

// save keeps what is done live if there is a state folder. The change itself stays if it cannot be
// kept. It returns what to say to the one who made the change.
func (r *Running) save() (warning string) {
	if r.state == nil {
		return ""
	}
	if err := r.state.write(r.stored); err != nil {
		warning = fmt.Sprintf("this was done, but a restart loses it: it could not be kept: %v", err)
		r.warn([]string{warning})
	}
	return warning
}

// stored returns what a state folder is to keep.
func (r *Running) stored() *stored {
	part := r.overriddenPart()
	content := &stored{
		Written: time.Now().Round(time.Second), File: newStoredPart(part.file),
		Running: newStoredPart(part.config), Drains: []storedDrain{},
	}
	r.mu.Lock()
	content.Revision = r.revision
	r.mu.Unlock()
	r.drains.mu.Lock()
	defer r.drains.mu.Unlock()
	for _, id := range slices.SortedFunc(maps.Keys(r.drains.all), compareServers) {
		if d := r.drains.all[id]; d.State == Draining {
			content.Drains = append(content.Drains,
				storedDrain{d.Service, d.RealServer, d.request, d.deadline})
		}
	}
	return content
}
