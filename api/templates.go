package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"fulcrum/engine"
)

// Template is one persistence template of a listing: the clients of a network stay with a real
// server.
type Template struct {
	Protocol    string  `json:"protocol" example:"tcp"`
	Clients     string  `json:"clients" example:"198.51.100.0/24"`
	VIP         string  `json:"vip" example:"10.0.0.100:80"`
	RealServer  string  `json:"real_server" example:"10.1.0.11:80"`
	Service     string  `json:"service"`
	Call        string  `json:"call,omitempty" example:"9f86d081884c7d65" doc:"a keyed hash of the SIP Call-ID; it differs after a restart"`
	LeftSeconds float64 `json:"left_seconds" doc:"until it ends; it does not while sessions live under it"`
	Sessions    int     `json:"sessions" doc:"that live under it"`
	Confirmed   bool    `json:"confirmed" doc:"a session under it got past its handshake: it does not give way"`
}

// templateQuery selects the templates to list.
type templateQuery struct {
	Service string `query:"service" doc:"the service's name" maxLength:"256"`
	Limit   int    `query:"limit" doc:"list at most this many templates; 0 lists all" minimum:"0"`
}

func (a *api) addTemplates(h huma.API) {
	template := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Template](), true, "Template")
	lines := func(o *huma.Operation) {
		o.Responses = map[string]*huma.Response{
			"200": responseOf("OK", "application/x-ndjson", template),
		}
	}
	huma.Get(h, "/v1/templates", func(_ context.Context, in *templateQuery) (*huma.StreamResponse, error) {
		if in.Service != "" {
			if _, err := a.running.Service(in.Service); err != nil {
				return nil, unprocessable("query.service", err.Error(), nil)
			}
		}
		return &huma.StreamResponse{Body: func(c huma.Context) { a.listTemplates(c, in) }}, nil
	}, lines, is("list-templates", "List persistence templates, one line of JSON each",
		"A template that begins or ends during the listing may be missing. "+
			"A listing without its last chunk was cut off by an error and is incomplete."))
}

// listTemplates streams templates. A slow client delays neither the director nor other clients.
func (a *api) listTemplates(c huma.Context, q *templateQuery) {
	_, w := humago.Unwrap(c)
	out := templateStream{
		templateQuery: q, to: http.NewResponseController(w),
		buffer: bufio.NewWriterSize(w, listBuffer),
	}
	c.SetHeader("Content-Type", "application/x-ndjson")
	err := a.engine.Templates(c.Context(), 0, out.show)
	switch {
	case err != nil && !out.sent:
		writeProblem(w, http.StatusServiceUnavailable, err)
	case errors.Join(err, out.err, out.flush()) != nil:
		panic(http.ErrAbortHandler) // the client sees that the list is incomplete
	}
}

// templateStream writes the templates that match a query.
type templateStream struct {
	*templateQuery
	to     *http.ResponseController
	buffer *bufio.Writer
	shown  int   // templates written so far
	sent   bool  // a part of the response has left: its status cannot change any more
	err    error // of writing
}

// show writes a template if it matches, and reports whether the listing goes on.
func (o *templateStream) show(t *engine.TemplateInfo, _ uint32) bool {
	if o.Service != "" && t.Service != o.Service {
		return true
	}
	line, err := json.Marshal(Template{
		t.Of.ProtocolName(), t.Clients.String(), t.Of.Destination(), t.RealServer.String(), t.Service,
		callOf(t.Call), t.Left.Seconds(), t.Sessions, t.Confirmed,
	})
	if o.buffer.Available() <= len(line) {
		err = errors.Join(err, o.flush())
	}
	if err == nil {
		_, err = o.buffer.Write(append(line, '\n'))
	}
	o.err = err
	o.shown++
	return err == nil && o.shown != o.Limit
}

// callOf returns what stands for a Call-ID, as text; "" for none.
func callOf(hash uint64) string {
	if hash == 0 {
		return ""
	}
	return fmt.Sprintf("%016x", hash)
}

func (o *templateStream) flush() error {
	if o.buffer.Buffered() > 0 {
		o.sent = true
	}
	return errors.Join(o.to.SetWriteDeadline(time.Now().Add(listTimeout)), o.buffer.Flush())
}
