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

// Version of the API, in its paths and its description.
const apiVersion = "v1"

// mostConfig is how long a configuration sent to the API may be, in bytes.
const mostConfig = 16 << 20

// api answers requests about a running director.
type api struct {
	running *control.Running
	engine  *engine.Engine
	started time.Time
}

// NewHandler returns the control API of a running director: of its configuration, its engine and its
// metrics. It describes itself at /openapi.json.
func NewHandler(r *control.Running, e *engine.Engine, m *control.Metrics) http.Handler {
	mux := http.NewServeMux()
	c := huma.DefaultConfig("Fulcrum", apiVersion)
	c.Info.Description = "The control API of a running director. Changes are checked as a file would be, and made as a whole or not at all." +
		builtFrom()
	c.DocsPath = "" // its page would load scripts from elsewhere
	c.RejectUnknownQueryParameters = true
	h := humago.New(mux, c)
	a := &api{running: r, engine: e, started: time.Now()}
	a.addReading(h)
	a.addConfiguration(h)
	a.addServices(h)
	a.addServers(h)
	a.addDrains(h)
	a.addSessions(h)
	(&diagnosis{r.Config(), e}).addTo(mux)
	describeDiagnosis(h)
	mux.Handle("GET /metrics", NewMetricsHandler(m))
	return withProblems(mux)
}

// builtFrom returns the sentence of the API's description that names the program.
func builtFrom() string {
	version, commit, _ := control.Build()
	return fmt.Sprintf(" This director is Fulcrum %s, commit %s.", version, commit)
}

// body is what an operation answers.
type body[T any] struct{ Body T }

func answer[T any](v T) *body[T] { return &body[T]{v} }

// summary says what an operation does, where huma would make it of the path.
func summary(text string) func(*huma.Operation) {
	return func(o *huma.Operation) { o.Summary = text }
}

// Status is a director at a glance.
type Status struct {
	UptimeSeconds float64 `json:"uptime_seconds"`
	File          string  `json:"file"`
	Services      int     `json:"services"`
	Sessions      int     `json:"sessions"`
	Received      uint64  `json:"received"`
	Transmitted   uint64  `json:"transmitted"`
	Dropped       uint64  `json:"dropped"`
	Held          uint64  `json:"held"`
}

func (a *api) addReading(h huma.API) {
	huma.Get(h, "/v1/status", func(context.Context, *struct{}) (*body[Status], error) { return answer(a.status()), nil }, summary("The director at a glance"))
	huma.Get(h, "/v1/report", func(context.Context, *struct{}) (*body[*control.Report], error) {
		return answer(a.running.Report()), nil
	}, summary("Everything that is counted"))
	huma.Get(h, "/v1/services", func(context.Context, *struct{}) (*body[[]control.ServiceReport], error) {
		return answer(a.running.Services()), nil
	}, summary("Services and real servers"))
	huma.Post(h, "/v1/zero", func(_ context.Context, in *struct {
		Service string `query:"service" doc:"the service's name; none is all"`
	}) (*struct{}, error) {
		return nil, problem(a.running.Zero(in.Service))
	}, summary("What services counted begins anew"))
	huma.Get(h, "/v1/ports", func(context.Context, *struct{}) (*body[[]control.PortReport], error) {
		return answer(a.running.Report().Ports), nil
	}, summary("What ports received and sent"))
	huma.Get(h, "/v1/workers", func(context.Context, *struct{}) (*body[[]control.WorkerReport], error) {
		return answer(a.running.Report().Workers), nil
	}, summary("What workers did"))
	huma.Get(h, "/v1/drops", func(context.Context, *struct{}) (*body[[]control.Drop], error) {
		return answer(a.running.Report().DropList()), nil
	}, summary("Why packets were dropped, and what to do"))
}

func (a *api) status() Status {
	r, c := a.running.Report(), a.running.Config()
	s := Status{
		UptimeSeconds: time.Since(a.started).Seconds(), File: c.File, Services: len(c.Services),
		Received: r.Received, Transmitted: r.Transmitted, Held: r.Held,
	}
	for _, n := range r.Drops {
		s.Dropped += n
	}
	for _, w := range r.Workers {
		s.Sessions += w.Sessions
	}
	return s
}

// FileInput is a configuration file's text.
type FileInput struct {
	Name    string `query:"name" doc:"the file's name, for messages" maxLength:"4096"`
	RawBody []byte
}

func (in *FileInput) parse() (*config.Config, error) {
	c, err := config.Parse(cmp.Or(in.Name, "request"), in.RawBody)
	if err == nil {
		c.File = in.Name
	}
	return c, err
}

// applied is what an operation that changes the configuration answers: what it did.
type applied = body[control.Plan]

// configText is a configuration's text, with the tag that names it.
type configText struct {
	ContentType string `header:"Content-Type"`
	ETag        string `header:"ETag"`
	Body        []byte
}

// tagOf is the entity tag of a revision.
func tagOf(revision string) string { return `"` + revision + `"` }

// revisionOf is the inverse of tagOf. Another tag stands for itself, which is no revision.
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
	}, summary("The configuration that runs, as a file"))
	huma.Register(h, a.fileOperation("plan", "What a configuration would change; changes nothing"), func(_ context.Context, in *FileInput) (*applied, error) {
		next, err := in.parse()
		if err != nil {
			return nil, problem(err)
		}
		return answer(a.running.Plan(next)), nil
	})
	huma.Register(h, a.fileOperation("apply", "Make a configuration the running one, as a whole or not at all"), func(_ context.Context, in *struct {
		FileInput
		IfMatch string `header:"If-Match" doc:"apply only over the configuration that has this ETag"`
	}) (*applied, error) {
		next, err := in.parse()
		if err != nil {
			return nil, problem(err)
		}
		return done(a.running.ApplyOver(revisionOf(in.IfMatch), next))
	})
	huma.Post(h, "/v1/rollback", func(context.Context, *struct{}) (*applied, error) { return done(a.running.Rollback()) },
		summary("Go back to the configuration before the last change"))
}

func (a *api) fileOperation(name, summary string) huma.Operation {
	return huma.Operation{
		OperationID: name, Method: http.MethodPost, Path: "/v1/" + name, Summary: summary, MaxBodyBytes: mostConfig,
		RequestBody: &huma.RequestBody{Content: map[string]*huma.MediaType{"application/toml": {Schema: &huma.Schema{Type: "string"}}}},
	}
}

func done(p control.Plan, err error) (*applied, error) {
	if err != nil {
		return nil, problem(err)
	}
	return answer(p), nil
}

// ServerID is the path of a real server.
type ServerID struct {
	Service string `path:"service" doc:"the service's name"`
	Server  string `path:"server" doc:"the real server's address and port" example:"10.1.0.11:80"`
}

func (a *api) addServers(h huma.API) {
	huma.Post(h, "/v1/services/{service}/real-servers", func(_ context.Context, in *struct {
		Service string `path:"service"`
		Body    control.RealServerAddition
	}) (*applied, error) {
		return done(a.running.AddRealServer(in.Service, in.Body))
	}, summary("Add a real server, last"))
	huma.Patch(h, "/v1/services/{service}/real-servers/{server}", func(_ context.Context, in *struct {
		ServerID
		Body control.RealServerChange
	}) (*applied, error) {
		return done(a.running.ChangeRealServer(control.ServerID(in.ServerID), in.Body))
	}, summary("Change what is given of a real server"))
	huma.Delete(h, "/v1/services/{service}/real-servers/{server}", func(_ context.Context, in *ServerID) (*applied, error) {
		return done(a.running.RemoveRealServer(control.ServerID(*in)))
	}, summary("Remove a real server"))
}
