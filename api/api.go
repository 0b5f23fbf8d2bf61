package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
)

// apiVersion is the version in the API's paths and description.
const apiVersion = "v1"

// maxConfigBytes bounds the configuration that a request may send.
const maxConfigBytes = 16 << 20

// api serves requests about a running director.
type api struct {
	running *control.Running
	engine  *engine.Engine
	started time.Time

	changes, plans places
	parsing        control.Turn // one file at a time is parsed
}

// NewHandler returns the control API of a running director. It serves the director's configuration,
// engine and metrics, and describes itself at /openapi.json. Without upgrade it has no such
// operation.
func NewHandler(
	r *control.Running, e *engine.Engine, m *control.Metrics, upgrade Upgrade,
) http.Handler {
	mux := http.NewServeMux()
	c := huma.DefaultConfig("Fulcrum", apiVersion)
	c.Info.Description = "The control API of a running director. " +
		"It checks a change like a configuration file, and applies all of it or nothing." + builtFrom()
	c.CreateHooks = nil // they add $schema, a URL with a host that the client made up
	c.DocsPath = ""     // huma's page would load scripts from elsewhere
	c.RejectUnknownQueryParameters = true
	c.Servers = serversOf(r.Config())
	c.Components.SecuritySchemes = securitySchemes
	h := humago.New(mux, c)
	a := &api{
		running: r, engine: e, started: time.Now(),
		changes: newPlaces(), plans: newPlaces(), parsing: control.NewTurn(),
	}
	a.addReading(h)
	a.addConfiguration(h)
	a.addServices(h)
	a.addServers(h)
	a.addDrains(h)
	a.addTrials(h)
	a.addOverrides(h)
	a.addSessions(h)
	a.addTemplates(h)
	if upgrade != nil {
		a.addUpgrade(h, upgrade)
	}
	(&diagnosis{config: r.Config(), director: e, leftOut: r.LeftOut}).addTo(mux)
	describeDiagnosis(h)
	mux.Handle("GET /metrics", NewMetricsHandler(m))
	return withActors(withProblems(mux))
}

// builtFrom returns the sentence of the API's description that names the program.
func builtFrom() string {
	version, commit, _ := control.Build()
	return fmt.Sprintf(" This director is Fulcrum %s, commit %s.", version, commit)
}

// body is the response of an operation.
type body[T any] struct{ Body T }

func answer[T any](v T) *body[T] { return &body[T]{v} }

// Status is a short overview of a director. Received, Transmitted and Dropped count packets since
// the start.
type Status struct {
	UptimeSeconds float64 `json:"uptime_seconds"`
	File          string  `json:"file"` // the configuration's file; empty if there is none
	// Applied names another file that was applied since: a reload or a restart goes back to File. It
	// is empty if none was.
	Applied      string `json:"applied,omitempty"`
	Overrides    int    `json:"overrides"` // how many differences from the file
	Revision     string `json:"revision"`
	StateProblem string `json:"state_problem,omitempty"` // why a restart would lose what was done live
	Services     int    `json:"services"`                // how many are configured
	Sessions     int    `json:"sessions"`                // in the tables of all workers now
	Received     uint64 `json:"received"`
	Transmitted  uint64 `json:"transmitted"`
	Dropped      uint64 `json:"dropped"`
	Held         uint64 `json:"held"`     // packets that wait now
	Announce     bool   `json:"announce"` // director.announce
	// VIPs counts them, PassiveVIPs those that the director neither announces nor answers for.
	VIPs        int `json:"vips"`
	PassiveVIPs int `json:"passive_vips"`
	// PortWarnings say what needs attention: links that are down, packets longer than the MTU.
	PortWarnings []control.PortWarning `json:"port_warnings"`
	// PortGuards are the ports whose packets are hidden from the kernel.
	PortGuards []control.PortGuard `json:"port_guards"`
	// Defences are IPVS's defences against overload, and where they are active.
	Defences []control.Defence `json:"defences"`
	// PortHosts are the ports with a host interface.
	PortHosts []control.PortHost `json:"port_hosts"`
	// Hosts are the host interfaces, and what their ports have of them.
	Hosts []control.HostReport `json:"hosts"`
	// OwnedVIPs counts the VIPs that the host owns, HeldVIPs those that it holds.
	OwnedVIPs int `json:"owned_vips,omitempty"`
	HeldVIPs  int `json:"held_vips,omitempty"`
	// Kept is what became of the sessions of the process before; absent without session.keep.
	Kept *control.KeptReport `json:"kept,omitempty"`
	// Capture is the capture that runs; absent without one.
	Capture *RunningCapture `json:"capture,omitempty"`
	// Conflicts are the addresses of the director that other stations claimed in the last hour.
	Conflicts []control.AddressConflict `json:"address_conflicts"`
	// CrowdedLocals are the local addresses with at least 80 % of their ports towards a real server
	// in use.
	CrowdedLocals []control.CrowdedLocal `json:"crowded_locals"`
	// RetiredLocals are local addresses that only old sessions use.
	RetiredLocals []control.LocalAddressReport `json:"retired_locals"`
}

// RunningCapture describes a capture that runs: who captures what. Only one runs at a time.
type RunningCapture struct {
	From  string    `json:"from"`
	What  string    `json:"what"`
	Since time.Time `json:"since"`
}

func (a *api) addReading(h huma.API) {
	huma.Get(h, "/v1/status", func(context.Context, *struct{}) (*body[Status], error) {
		return answer(a.status()), nil
	}, is("get-status", "Overview of the director",
		"It names what needs attention: links, address conflicts, local addresses."))
	huma.Get(h, "/v1/report", func(context.Context, *struct{}) (*body[*control.Report], error) {
		return answer(a.running.Report()), nil
	}, is("get-report", "All counters", "They count since the director's start."))
	services := func(context.Context, *struct{}) (*body[[]control.ServiceReport], error) {
		return answer(a.running.Services()), nil
	}
	huma.Get(h, "/v1/services", services,
		is("list-services", "Services and real servers with their counters",
			"Zeroing the counters sets them back."))
	huma.Post(h, "/v1/zero", func(_ context.Context, in *struct {
		Service string `query:"service" doc:"the service's name; all services if it is empty"`
	}) (*struct{}, error) {
		return nil, problem(a.running.Zero(in.Service))
	}, is("zero-counters", "Reset the displayed counters of services",
		"Metrics and the report go on.", http.StatusNotFound))
	huma.Get(h, "/v1/ports", func(context.Context, *struct{}) (*body[[]control.PortReport], error) {
		return answer(a.running.Report().Ports), nil
	}, is("list-ports", "Counters of ports", "They are packets, by the order of the configuration."))
	workers := func(context.Context, *struct{}) (*body[[]control.WorkerReport], error) {
		return answer(a.running.Report().Workers), nil
	}
	huma.Get(h, "/v1/workers", workers, is("list-workers", "Counters of workers",
		"They include the distribution of the turns' durations."))
	huma.Get(h, "/v1/drops", func(context.Context, *struct{}) (*body[[]control.Drop], error) {
		return answer(a.running.Report().DropList()), nil
	}, is("list-drops", "Dropped packets by reason, with remedies",
		"Only reasons that occurred, in the order in which a packet meets them."))
}

func (a *api) status() Status {
	r, c, o := a.running.Report(), a.running.Config(), a.running.Origin()
	s := Status{
		UptimeSeconds: time.Since(a.started).Seconds(),
		File:          o.File,
		Applied:       o.Applied(),
		Overrides:     a.running.CountOverrides(),
		Revision:      o.Revision,
		StateProblem:  a.running.StateProblem(),
		Services:      len(c.Services),
		Received:      r.Received,
		Transmitted:   r.Transmitted,
		Held:          r.Held,
		Announce:      c.Director.Announce,
		PortWarnings:  r.PortWarnings(),
		PortGuards:    r.PortGuards(),
		Defences:      r.Defences(c),
		PortHosts:     r.PortHosts(),
		Hosts:         r.Hosts,
		Conflicts:     a.running.Conflicts(),
		CrowdedLocals: a.running.CrowdedLocals(),
		RetiredLocals: r.RetiredLocals(),
		Kept:          r.Kept,
		Capture:       (*RunningCapture)(a.engine.RunningCapture()),
	}
	s.VIPs, s.PassiveVIPs = r.VIPs()
	s.OwnedVIPs, s.HeldVIPs = a.running.CountOwnedVIPs()
	for _, n := range r.Drops {
		s.Dropped += n
	}
	for _, w := range r.Workers {
		s.Sessions += w.Sessions
	}
	return s
}

// FileInput is a request with the text of a configuration file (TOML) as its body.
type FileInput struct {
	Name    string `query:"name" doc:"the file's name, for error messages" maxLength:"4096"`
	RawBody []byte
}

func (in *FileInput) parse() (*config.Config, error) {
	name := printableName(in.Name)
	c, err := config.Parse(cmp.Or(name, "request"), in.RawBody)
	if err == nil {
		c.File = name
	}
	return c, err
}

// applied is the response of an operation that changes the configuration: the changes it made.
type applied = body[control.Plan]

// configText is a configuration's text with its entity tag.
type configText struct {
	ContentType string `header:"Content-Type"`
	ETag        string `header:"ETag"`
	Body        []byte
}

// tagOf returns the entity tag of a revision.
func tagOf(revision string) string { return `"` + revision + `"` }

// revisionOf is the inverse of tagOf. It returns a tag of another form unchanged: no revision
// equals it.
func revisionOf(tag string) string {
	if inside := strings.TrimSuffix(strings.TrimPrefix(tag, `"`), `"`); inside != "" {
		return inside
	}
	return tag
}

func (a *api) addConfiguration(h huma.API) {
	huma.Get(h, "/v1/config", func(context.Context, *struct{}) (*configText, error) {
		c, revision := a.running.Revision()
		return &configText{"application/toml", tagOf(revision), []byte(c.Render())}, nil
	}, is("get-config", "The running configuration as a file",
		"Its ETag is the revision, which apply takes as If-Match."))
	huma.Post(h, "/v1/plan", func(ctx context.Context, in *PlanInput) (*applied, error) {
		return take(a.plans, func() (control.Plan, error) { return a.plan(ctx, in) })
	}, takesFile, is("plan", "List what a configuration would change; changes nothing",
		"It says what would become of sessions, and of overrides."))
	huma.Post(h, "/v1/apply", func(ctx context.Context, in *ApplyInput) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) { return a.apply(ctx, in) })
	}, takesFile, is("apply", "Apply a configuration: all of it or nothing",
		"A configuration that needs a restart is a conflict.",
		http.StatusConflict, http.StatusPreconditionFailed))
	huma.Post(h, "/v1/announce", func(ctx context.Context, in *struct {
		Body control.AnnounceRequest
	}) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.Announce(ctx, in.Body)
		})
	}, is("announce", "Announce the VIP of a service, or of all services, or fall silent about it",
		"Packets to a VIP that is not announced are forwarded all the same.",
		http.StatusNotFound))
	huma.Post(h, "/v1/rollback", func(ctx context.Context, _ *struct{}) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) { return a.running.Rollback(ctx) })
	}, is("rollback", "Go back to the configuration before the last change",
		"The last 16 changes are kept; without one it is a conflict.", http.StatusConflict))
}

// ServerID names a real server in a request's path.
type ServerID struct {
	Service string `path:"service" doc:"the service's name"`
	Server  string `path:"server" doc:"the real server's address and port" example:"10.1.0.11:80"`
}

// changeErrors are the errors of changing one service or one real server.
var changeErrors = []int{http.StatusNotFound, http.StatusConflict}

func (a *api) addServers(h huma.API) {
	huma.Post(h, "/v1/services/{service}/real-servers", func(ctx context.Context, in *struct {
		Service string `path:"service"`
		Body    control.RealServerAddition
	}) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.AddRealServer(ctx, in.Service, in.Body)
		})
	}, is("add-real-server", "Add a real server at the end of its service",
		"It gets new sessions at once.", changeErrors...))
	huma.Patch(h, "/v1/services/{service}/real-servers/{server}", func(ctx context.Context, in *struct {
		ServerID
		Refusal
		Body control.RealServerChange
	}) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.ChangeRealServer(in.Refusal.in(ctx), control.ServerID(in.ServerID), in.Body)
		})
	}, is("change-real-server", "Change the given settings of a real server",
		"Sessions go on. With weight 0 it gets no new ones.", changeErrors...))
	remove := func(ctx context.Context, in *struct {
		ServerID
		Refusal
	}) (*applied, error) {
		return take(a.changes, func() (control.Plan, error) {
			return a.running.RemoveRealServer(in.Refusal.in(ctx), control.ServerID(in.ServerID))
		})
	}
	huma.Delete(h, "/v1/services/{service}/real-servers/{server}", remove,
		is("remove-real-server", "Remove a real server",
			"Its sessions' packets are dropped as real_server_gone.", changeErrors...))
}
