package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fulcrum/config"
)

// operationIDs are the names that generators of clients give to the API's operations. A change of
// one breaks programs of others.
const operationIDs = `add-real-server add-service announce apply cancel-drain capture
change-real-server change-service check-real-server drain end-capture explain get-checks get-config
get-drain get-file get-report get-status
list-changes list-drains list-drops list-neighbours list-overrides list-ports list-services
list-sessions list-templates list-workers plan remove-real-server remove-service reset-overrides rollback
zero-counters`

// describedOperation is an operation of the API's own description.
type describedOperation struct {
	OperationID, Summary, Description string

	Responses map[string]any
	Security  []map[string][]string
}

// description is what the tests read of the API's own description.
type description struct {
	Servers    []struct{ URL string }
	Components struct {
		SecuritySchemes map[string]struct{ Type, Scheme string }
	}
	Paths map[string]map[string]describedOperation
}

// descriptionOf asks a handler of the API for its description.
func descriptionOf(t *testing.T, handler http.Handler) (d description) {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// each calls do for every operation with its method and path.
func (d *description) each(do func(method, path string, o describedOperation)) {
	for path, methods := range d.Paths {
		for method, o := range methods {
			do(strings.ToUpper(method), path, o)
		}
	}
}

// documents reports whether the description has a status for the operation that matched a pattern
// of the mux. Patterns that it does not describe, such as /metrics, have every status.
func (d *description) documents(pattern string, status int) bool {
	method, path, _ := strings.Cut(pattern, " ")
	o, described := d.Paths[path][strings.ToLower(method)]
	return !described || o.Responses[strconv.Itoa(status)] != nil
}

// TestOperations checks the names of all operations, that each is described, and that the security
// requirements are those that the server enforces.
func TestOperations(t *testing.T) {
	d := descriptionOf(t, serve(t, apiFile).handler)
	var ids []string
	d.each(func(method, path string, o describedOperation) {
		ids = append(ids, o.OperationID)
		if o.Summary == "" || o.Description == "" || o.Responses["default"] != nil {
			t.Errorf("%s: summary %q, description %q", o.OperationID, o.Summary, o.Description)
		}
		_, reads := o.Security[len(o.Security)-1][readTokenScheme]
		if needs := rightsFor(method, path); reads != (needs == mayRead) ||
			(o.Responses["403"] != nil) == reads || len(o.Security[0]) != 0 {
			t.Errorf("%s %s needs %v, and says %v", method, path, needs, o.Security)
		}
	})
	slices.Sort(ids)
	if want := strings.Fields(operationIDs); !slices.Equal(ids, want) {
		t.Errorf("operations %q, want %q", ids, want)
	}
	schemes := slices.Sorted(maps.Keys(d.Components.SecuritySchemes))
	if got := fmt.Sprint(schemes); got != "[readToken token]" {
		t.Errorf("schemes %s", got)
	}
}

// TestServers: the description says where the director listens.
func TestServers(t *testing.T) {
	for listen, want := range map[string]string{
		"": "", "10.9.0.1:9443": "10.9.0.1:9443", "[fd00::1]:1": "[fd00::1]:1",
		"0.0.0.0:9443": "localhost:9443", "[::]:9443": "localhost:9443",
	} {
		var c config.Config
		if listen != "" {
			c.Control.Listen = netip.MustParseAddrPort(listen)
		}
		got := ""
		servers := serversOf(&c)
		if len(servers) == 2 {
			got = servers[1].Variables["address"].Default
		}
		if got != want || servers[0].URL != "http://director" {
			t.Errorf("%s: %q, want %q", listen, got, want)
		}
	}
}
