package control

import (
	"context"
	"encoding/json"
	"net/http"

	"fulcrum/capture"
	"fulcrum/config"
	"fulcrum/engine"
)

// Director is what the control API asks: an engine.
type Director interface {
	Report() engine.Report
	Explain(context.Context, engine.Question) (engine.Explanation, error)
	Capture(context.Context, engine.CaptureConfig, func(*capture.Record) error) (engine.Captured, error)
}

// api answers over HTTP. Nothing that a client does can hold a worker up.
type api struct {
	config   *config.Config
	director Director
}

// NewHandler serves the control API of a director with a configuration, its metrics among it.
func NewHandler(c *config.Config, d Director, m *Metrics) http.Handler {
	a := &api{c, d}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /report", a.report)
	mux.HandleFunc("GET /explain", a.explain)
	mux.HandleFunc("GET /capture", a.capture)
	mux.Handle("GET /metrics", m.Handler())
	return mux
}

func (a *api) report(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, "application/json", NewReport(a.config, a.director.Report()))
}

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string { return p.Detail }

func writeProblem(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, "application/problem+json", Problem{http.StatusText(status), status, err.Error()})
}

// writeJSON answers; a client that has gone needs no error.
func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
