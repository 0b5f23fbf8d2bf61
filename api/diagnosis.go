package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/capture"
	"fulcrum/config"
	"fulcrum/engine"
)

// diagnosed is what diagnosis asks: an engine.
type diagnosed interface {
	Explain(context.Context, engine.Question) (engine.Explanation, error)
	Capture(context.Context, engine.CaptureConfig, func(*capture.Record) error) (engine.Captured, error)
}

// diagnosis answers what becomes of packets. The names of ports, which stay from start to end, are all that it needs of the
// configuration.
type diagnosis struct {
	config   *config.Config
	director diagnosed
}

// addTo serves the diagnosis.
func (a *diagnosis) addTo(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/explain", a.explain)
	mux.HandleFunc("GET /v1/capture", a.capture)
}

// parameter describes one of a query.
type parameter struct {
	name, meaning string
	required      bool
}

var (
	explainParameters = []parameter{
		{"protocol", "tcp, udp or sctp", true}, {"from", "the packet's source, as 198.51.100.7:4242", true},
		{"to", "its destination, as 10.0.0.100:80", true}, {"flags", "of TCP, such as SA; S unless given", false},
		{"port", "where it comes in; the one that leads to its source unless given", false},
	}
	captureParameters = []parameter{
		{"filter", "which packets", false}, {"stage", "rx, tx or drop; may come several times", false},
		{"packets", "end after so many", false}, {"bytes", "end after so many", false},
		{"snap", "bytes of each packet", false}, {"seconds", "end after so many", false},
	}
)

// onlyKnown refuses parameters that there are not.
func onlyKnown(v url.Values, parameters []parameter) error {
	for name := range v {
		if !slices.ContainsFunc(parameters, func(p parameter) bool { return p.name == name }) {
			return fmt.Errorf("%s: there is no such parameter; /openapi.json has what there is", name)
		}
	}
	return nil
}

// describeDiagnosis tells the API's own description of it.
func describeDiagnosis(h huma.API) {
	schemas := h.OpenAPI().Components.Schemas
	describe(h, "explain", "What would become of a packet, and why", explainParameters,
		"application/json", schemas.Schema(reflect.TypeFor[Explanation](), true, "Explanation"))
	describe(h, "capture", "Packets as pcapng, the reasons of drops as comments", captureParameters,
		"application/x-pcapng", &huma.Schema{Type: "string", Format: "binary"})
}

// describe adds to the API's description what is served beside it: streams, that are written as they come.
func describe(h huma.API, name, summary string, parameters []parameter, content string, answer *huma.Schema) {
	problem := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[huma.ErrorModel](), true, "ErrorModel")
	o := &huma.Operation{
		OperationID: name, Method: http.MethodGet, Path: "/v1/" + name, Summary: summary,
		Responses: map[string]*huma.Response{
			"200":     {Description: "OK", Content: map[string]*huma.MediaType{content: {Schema: answer}}},
			"default": {Description: "Error", Content: map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}},
		},
	}
	for _, p := range parameters {
		o.Parameters = append(o.Parameters, &huma.Param{
			Name: p.name, In: "query", Description: p.meaning, Required: p.required, Schema: &huma.Schema{Type: "string"},
		})
	}
	h.OpenAPI().AddOperation(o)
}

func writeProblem(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, "application/problem+json", Problem{Status: status, Title: http.StatusText(status), Detail: err.Error()})
}

// writeJSON answers; a client that has gone needs no error.
func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
