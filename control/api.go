package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"fulcrum/config"
)

// Version of the API, in its paths and its description.
const apiVersion = "v1"

// mostConfig is how long a configuration sent to the API may be, in bytes.
const mostConfig = 16 << 20

// api answers requests about a running director.
type api struct {
	running *Running
	started time.Time
}

// NewHandler returns the control API of a running director, its metrics among it. It describes itself at /openapi.json.
func NewHandler(r *Running, m *Metrics) http.Handler {
	mux := http.NewServeMux()
	c := huma.DefaultConfig("Fulcrum", apiVersion)
	c.Info.Description = "The control API of a running director. Changes are checked as a file would be, and made as a whole or not at all."
	c.DocsPath = "" // its page would load scripts from elsewhere
	c.RejectUnknownQueryParameters = true
	h := humago.New(mux, c)
	a := &api{running: r, started: time.Now()}
	a.addReading(h)
	a.addConfiguration(h)
	a.addServices(h)
	a.addServers(h)
	a.addDrains(h)
	a.addSessions(h)
	(&diagnosis{r.Config(), r.engine}).addTo(mux)
	describeDiagnosis(h)
	mux.Handle("GET /metrics", m.Handler())
	return withProblems(mux)
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

// Drop is a reason for which packets were dropped.
type Drop struct {
	Reason  string `json:"reason"`
	Packets uint64 `json:"packets"`
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
}

func (a *api) addReading(h huma.API) {
	huma.Get(h, "/v1/status", func(context.Context, *struct{}) (*body[Status], error) { return answer(a.status()), nil }, summary("The director at a glance"))
	huma.Get(h, "/v1/report", func(context.Context, *struct{}) (*body[*Report], error) { return answer(a.running.Report()), nil }, summary("Everything that is counted"))
	huma.Get(h, "/v1/services", func(context.Context, *struct{}) (*body[[]ServiceReport], error) {
		return answer(a.running.Services()), nil
	}, summary("Services and real servers"))
	huma.Post(h, "/v1/zero", func(_ context.Context, in *struct {
		Service string `query:"service" doc:"the service's name; none is all"`
	}) (*struct{}, error) {
		return nil, problem(a.running.Zero(in.Service))
	}, summary("What services counted begins anew"))
	huma.Get(h, "/v1/ports", func(context.Context, *struct{}) (*body[[]PortReport], error) {
		return answer(a.running.Report().Ports), nil
	}, summary("What ports received and sent"))
	huma.Get(h, "/v1/workers", func(context.Context, *struct{}) (*body[[]WorkerReport], error) {
		return answer(a.running.Report().Workers), nil
	}, summary("What workers did"))
	huma.Get(h, "/v1/drops", func(context.Context, *struct{}) (*body[[]Drop], error) {
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
	if in.Name == "" {
		return parseNameless("request", in.RawBody)
	}
	return config.Parse(in.Name, in.RawBody)
}

// applied is what an operation that changes the configuration answers: what it did.
type applied = body[Plan]

// configText is a configuration's text, with the tag that names it.
type configText struct {
	ContentType string `header:"Content-Type"`
	ETag        string `header:"ETag"`
	Body        []byte
}

func (a *api) addConfiguration(h huma.API) {
	huma.Get(h, "/v1/config", func(context.Context, *struct{}) (*configText, error) {
		text := []byte(a.running.Config().Render())
		return &configText{"application/toml", Tag(text), text}, nil
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
		return done(a.running.ApplyOver(in.IfMatch, next))
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

func done(p Plan, err error) (*applied, error) {
	if err != nil {
		return nil, problem(err)
	}
	return answer(p), nil
}

// problem gives an error the status and the form (RFC 9457) of the API. Each thing that is wrong names its key.
func problem(err error) error {
	if err == nil {
		return nil
	}
	var problems config.Problems
	var restart *RestartError
	var value *ValueError
	switch {
	case errors.As(err, &problems):
		var details []error
		for _, p := range problems {
			details = append(details, &huma.ErrorDetail{Message: p.What + "; " + p.Right, Location: p.Key, Value: p.Line})
		}
		return huma.Error422UnprocessableEntity(problems.Error(), details...)
	case errors.As(err, &restart):
		var details []error
		for _, s := range restart.Settings {
			details = append(details, &huma.ErrorDetail{Message: "cannot change while the director runs", Location: s})
		}
		return huma.Error409Conflict(err.Error(), details...)
	case errors.As(err, &value):
		return huma.Error422UnprocessableEntity(value.Message, &huma.ErrorDetail{Message: value.Message, Location: value.Location})
	case errors.Is(err, ErrOvertaken):
		return huma.Error412PreconditionFailed(err.Error())
	case errors.Is(err, ErrNothingBefore):
		return huma.Error409Conflict(err.Error())
	case errors.As(err, new(notFoundError)):
		return huma.Error404NotFound(err.Error())
	}
	return err
}

// ServerID names a real server.
type ServerID struct {
	Service string `path:"service" doc:"the service's name"`
	Server  string `path:"server" doc:"the real server's address and port" example:"10.1.0.11:80"`
}

// RealServerChange changes what is given of a real server.
type RealServerChange struct {
	Weight         *int `json:"weight,omitempty" minimum:"0" maximum:"65535" doc:"0 drains"`
	UpperThreshold *int `json:"upper_threshold,omitempty" minimum:"0"`
	LowerThreshold *int `json:"lower_threshold,omitempty" minimum:"0"`
}

// RealServerAddition is a new real server. It goes last in its service.
type RealServerAddition struct {
	Address string `json:"address" example:"10.1.0.13:80"`
	RealServerChange
}

func (a *api) addServers(h huma.API) {
	huma.Post(h, "/v1/services/{service}/real-servers", func(_ context.Context, in *struct {
		Service string `path:"service"`
		Body    RealServerAddition
	}) (*applied, error) {
		return done(a.running.Edit(func(c *config.Config) error { return addServer(c, in.Service, in.Body) }))
	}, summary("Add a real server, last"))
	huma.Patch(h, "/v1/services/{service}/real-servers/{server}", func(_ context.Context, in *struct {
		ServerID
		Body RealServerChange
	}) (*applied, error) {
		return done(a.running.Edit(func(c *config.Config) error { return changeServer(c, in.ServerID, in.Body) }))
	}, summary("Change what is given of a real server"))
	huma.Delete(h, "/v1/services/{service}/real-servers/{server}", func(_ context.Context, in *ServerID) (*applied, error) {
		return done(a.running.Edit(func(c *config.Config) error { return removeServer(c, *in) }))
	}, summary("Remove a real server"))
}

// address reads the address of a service or real server from a request.
func address(text string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		message := fmt.Sprintf("%q is no address with a port: write one such as 10.1.0.11:80 or [fd00::11]:80", text)
		return a, huma.Error422UnprocessableEntity(message, &huma.ErrorDetail{Message: message, Location: "address", Value: text})
	}
	return a, nil
}
