package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/capture"
	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
)

// diagnosed is the engine as diagnosis uses it. Tests replace it.
type diagnosed interface {
	Explain(context.Context, engine.Question) (engine.Explanation, error)
	Capture(
		context.Context, engine.CaptureConfig, func(*capture.Record) error,
	) (engine.Captured, error)
	CompileFilter(expression string) (*capture.Program, error)
}

// diagnosis serves explain and capture. Of the configuration it uses only the names of ports, which
// never change while the director runs.
type diagnosis struct {
	config   *config.Config
	director diagnosed
	leftOut  func(service, server string) control.LeftOut
	ends     sync.Map // from the id of a running capture to the context.CancelFunc that ends it
}

// addTo registers explain and capture.
func (a *diagnosis) addTo(mux *http.ServeMux) {
	mux.HandleFunc("GET /v1/explain", a.explain)
	mux.HandleFunc("GET /v1/capture", a.capture)
	mux.HandleFunc("DELETE /v1/capture/{id}", a.endCapture)
}

var (
	explainParameters = []parameter{
		{"protocol", "tcp, udp or sctp", true},
		{"from", "the packet's source, such as 198.51.100.7:4242", true},
		{"to", "the packet's destination, such as 10.0.0.100:80", true},
		{"flags", "TCP flags, such as SA; the default is S", false},
		{"port", "the port that receives the packet; the default is the port towards its source", false},
	}
	captureParameters = []parameter{
		{"expression", "which packets to record, in libpcap's language; the default is all", false},
		{"session", "record only packets of these sessions: [PROTOCOL] CLIENT[:PORT] [VIP[:PORT]]", false},
		{"filter", "which packets to record, in the director's own words; the default is all", false},
		{"stage", "rx, tx or drop; may be given several times; the default is rx", false},
		{"packets", "stop after this many packets", false},
		{"bytes", "stop after this many recorded bytes", false},
		{"snap", "record at most this many bytes of each packet", false},
		{"seconds", "stop after this many seconds", false},
	}
)

// onlyKnown returns an error for a parameter that is not in the list.
func onlyKnown(v url.Values, parameters []parameter) error {
	for name := range v {
		if !slices.ContainsFunc(parameters, func(p parameter) bool { return p.name == name }) {
			return fmt.Errorf("%s: unknown parameter: see /openapi.json", name)
		}
	}
	return nil
}

// describeDiagnosis adds explain and capture to the API's description.
func describeDiagnosis(h huma.API) {
	schemas := h.OpenAPI().Components.Schemas
	describe(h, described{
		path: "/v1/explain", parameters: explainParameters, content: "application/json",
		is: is("explain", "Predict what happens to a packet, and why",
			"The packet is not sent, and no session begins."),
		response: schemas.Schema(reflect.TypeFor[Explanation](), true, "Explanation"),
	})
	describe(h, described{
		path: capturePath, parameters: captureParameters, content: "application/x-pcapng",
		is: is("capture", "Capture packets as pcapng; comments give the reasons of drops",
			"One capture may run at a time. It ends with the client's connection, if not before.", http.StatusConflict),
		response: &huma.Schema{Type: "string", Format: "binary"},
	})
	describe(h, described{
		method: http.MethodDelete, path: "/v1/capture/{id}",
		is: is("end-capture", "End a capture; its response ends as at a limit",
			"The response's trailer then says how many packets were missed.", http.StatusNotFound),
		parameters: []parameter{{"id", "the header " + CaptureHeader + " of the capture's response", true}},
	})
}

func writeProblem(w http.ResponseWriter, status int, err error) {
	p := Problem{Status: status, Title: http.StatusText(status), Detail: err.Error()}
	writeJSON(w, status, "application/problem+json", p)
}

// writeJSON sends a response. It ignores write errors: they mean that the client has disconnected.
func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
