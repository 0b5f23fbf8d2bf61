package api

import (
	"cmp"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/config"
)

// The security schemes of the API's description. Over the unix socket none is needed: the file's
// mode says who may connect.
const (
	tokenScheme     = "token"
	readTokenScheme = "readToken"
)

var securitySchemes = map[string]*huma.SecurityScheme{
	tokenScheme: {
		Type: "http", Scheme: "bearer",
		Description: "Over TCP: the token of control.token_file. It allows everything.",
	},
	readTokenScheme: {
		Type: "http", Scheme: "bearer",
		Description: "Over TCP: the token of control.read_token_file. " +
			"It allows what changes nothing, except capture, which shows what clients send.",
	},
}

// serversOf describes where a director serves its API.
func serversOf(c *config.Config) []*huma.Server {
	all := []*huma.Server{{
		URL:         "http://director",
		Description: "Over the unix socket of director.control; the host's name is ignored.",
	}}
	at := c.Control.Listen
	if !at.IsValid() {
		return all
	}
	where := at.String()
	if at.Addr().IsUnspecified() {
		where = net.JoinHostPort("localhost", strconv.Itoa(int(at.Port())))
	}
	return append(all, &huma.Server{
		URL:         "https://{address}",
		Description: "Over TCP with TLS 1.3 and a token.",
		Variables: map[string]*huma.ServerVariable{"address": {
			Default: where, Description: "a name or address of the certificate, with the port",
		}},
	})
}

// is describes an operation: its id, which generators of clients make names of, its summary, a
// description, and which errors it returns besides those that every operation may return.
func is(id, summary, description string, errors ...int) func(*huma.Operation) {
	return func(o *huma.Operation) {
		o.OperationID, o.Summary, o.Description = id, summary, description
		o.Security = []map[string][]string{{}, {tokenScheme: {}}}
		o.Errors = slices.Concat(errors, []int{http.StatusUnauthorized,
			http.StatusUnprocessableEntity, // an unknown parameter, if nothing else
			http.StatusServiceUnavailable})
		if rightsFor(o.Method, o.Path) == mayChange {
			o.Errors = append(o.Errors, http.StatusForbidden)
		} else {
			o.Security = append(o.Security, map[string][]string{readTokenScheme: {}})
		}
		if o.Method == http.MethodPost || o.Method == http.MethodPatch {
			o.Errors = append(o.Errors, http.StatusBadRequest, http.StatusRequestEntityTooLarge)
		}
		slices.Sort(o.Errors)
	}
}

// takesFile describes the body of an operation that takes a configuration file.
func takesFile(o *huma.Operation) {
	toml := &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
	o.MaxBodyBytes = maxConfigBytes
	o.RequestBody = &huma.RequestBody{Content: map[string]*huma.MediaType{"application/toml": toml}}
}

// parameter describes one parameter of a query.
type parameter struct {
	name, meaning string
	required      bool
}

// described is an operation that huma does not serve and so cannot describe itself.
type described struct {
	method     string // empty: GET
	path       string
	is         func(*huma.Operation)
	parameters []parameter
	content    string // media type of the response; empty if it has no body
	response   *huma.Schema
}

// describe adds an operation to the API's description.
func describe(h huma.API, d described) {
	schemas := h.OpenAPI().Components.Schemas
	problem := schemas.Schema(reflect.TypeFor[huma.ErrorModel](), true, "ErrorModel")
	o := &huma.Operation{Method: cmp.Or(d.method, http.MethodGet), Path: d.path}
	d.is(o)
	o.Responses = map[string]*huma.Response{"200": responseOf("OK", d.content, d.response)}
	if d.content == "" {
		o.Responses = map[string]*huma.Response{"204": {Description: "No Content"}}
	}
	for _, status := range o.Errors {
		o.Responses[strconv.Itoa(status)] =
			responseOf(http.StatusText(status), "application/problem+json", problem)
	}
	for _, p := range d.parameters {
		o.Parameters = append(o.Parameters, &huma.Param{
			Name: p.name, In: whereIs(p.name, d.path), Description: p.meaning, Required: p.required,
			Schema: &huma.Schema{Type: "string"},
		})
	}
	h.OpenAPI().AddOperation(o)
}

// whereIs says where a request has a parameter.
func whereIs(name, path string) string {
	if strings.Contains(path, "{"+name+"}") {
		return "path"
	}
	return "query"
}

func responseOf(description, content string, schema *huma.Schema) *huma.Response {
	return &huma.Response{
		Description: description,
		Content:     map[string]*huma.MediaType{content: {Schema: schema}},
	}
}
