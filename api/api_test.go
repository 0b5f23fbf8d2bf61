package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fulcrum/control"
)

const apiFile = `
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
[session]
max = 100
[[service]]
name = "web"
address = "10.0.0.100:80"
protocol = "tcp"
mode = "nat"
  [[service.real_server]]
  address = "10.0.0.11:80"
`

// serveAPI serves the API of a director whose workers do not run. It returns a client and the
// socket's path.
func serveAPI(t *testing.T) (*Client, string) {
	t.Helper()
	d := serve(t, apiFile)
	return d.client, d.socket
}

func TestAPIDescribesItself(t *testing.T) {
	c, path := serveAPI(t)
	response, err := c.http.Get("http://director/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var d struct {
		OpenAPI string
		Info    struct{ Description string }
		Paths   map[string]any
	}
	err = json.NewDecoder(response.Body).Decode(&d)
	if err != nil || !strings.HasPrefix(d.OpenAPI, "3.1") || len(d.Paths) < 10 {
		t.Fatalf("%v: version %q with %d paths", err, d.OpenAPI, len(d.Paths))
	}
	if want := "Fulcrum " + control.Version + ", commit "; !strings.Contains(d.Info.Description, want) {
		t.Errorf("the description is %q, want %q in it", d.Info.Description, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v: the socket's mode is %v", err, info.Mode())
	}
}

func TestAPIChanges(t *testing.T) {
	c, _ := serveAPI(t)
	var p control.Plan
	do := func(method, path string, in any, want string) {
		t.Helper()
		p = control.Plan{}
		err := c.Do(t.Context(), method, path, in, &p)
		if got := fmt.Sprint(p.Changes, err); !strings.Contains(got, want) {
			t.Fatalf("%s %s: %s; want %q", method, path, got, want)
		}
	}
	add := func(address, want string) {
		t.Helper()
		n := control.RealServerAddition{Address: address}
		do(http.MethodPost, "services/web/real-servers", n, want)
	}
	seven := 7
	weight := control.RealServerChange{Weight: &seven}
	add("10.0.0.12:80", "{add real server 10.0.0.12:80 of web weight 1")
	add("10.0.0.12:80", "already a real server of this service")
	add("10.0.0.100:80", "belongs to the director")
	add("somewhere", `invalid address "somewhere": write an address with a port`)
	do(http.MethodPatch, ServerPath("web", "10.0.0.12:80"), weight, "weight 1 -> 7")
	do(http.MethodPatch, ServerPath("web", "10.0.0.13:80"), weight, "no real server")
	for mode, want := range map[string]string{
		"ipip": "mode the service's -> ipip", "fullnat": "needs local addresses", "snat": `unknown mode "snat"`,
	} {
		do(http.MethodPatch, ServerPath("web", "10.0.0.12:80"), control.RealServerChange{Mode: &mode}, want)
	}
	do(http.MethodPatch, ServerPath("web", "10.0.0.12:80"), control.RealServerChange{Mode: new(string)},
		"mode ipip -> the service's")
	do(http.MethodDelete, ServerPath("web", "10.0.0.11:80"), nil, "{remove real server 10.0.0.11:80 of web")
	do(http.MethodPost, "apply", []byte(apiFile), "[] <nil>") // what was done live stays
	if len(p.Kept) != 2 {
		t.Fatalf("kept %v, want 2 overrides", p.Kept)
	}
	do(http.MethodPost, "apply?overrides=drop", []byte(apiFile), "{add real server 10.0.0.11:80 of web")
	do(http.MethodPost, "apply", []byte(strings.Replace(apiFile, "100", "200", 1)), "session.max")
	do(http.MethodPost, "apply", []byte("[[service]]"), "service.name")
	do(http.MethodPost, "rollback", nil, "remove real server 10.0.0.11:80")
}

// TestAPIServices adds, changes and removes services. The API checks them as in a file.
func TestAPIServices(t *testing.T) {
	c, _ := serveAPI(t)
	of := func(s string) *string { return &s }
	two, off := 2, false
	local := func(addresses ...string) control.ServiceSettings {
		return control.ServiceSettings{LocalAddresses: &addresses}
	}
	tls := control.ServiceAddition{
		Name: "tls", Address: "10.0.0.100:443", Protocol: "tcp", Mode: "fullnat",
		ServiceSettings: local("10.0.0.50-10.0.0.51", "10.0.0.60"),
		RealServers: []control.RealServerAddition{
			{Address: "10.0.0.11:443", RealServerChange: control.RealServerChange{Weight: &two}},
		},
	}
	with := func(change func(*control.ServiceAddition)) control.ServiceAddition {
		n := tls
		n.Name = "x"
		change(&n)
		return n
	}
	type addition = control.ServiceAddition
	settings := func(s control.ServiceSettings) control.ServiceChange {
		return control.ServiceChange{ServiceSettings: s}
	}
	for _, tt := range []struct {
		method, path string
		in           any
		want         string
	}{
		{"POST", "services", tls, "{add service tls tcp 10.0.0.100:443, fullnat, wlc, 1 real server"},
		{"POST", "services", tls, "service.name"},
		{"POST", "services", with(func(n *addition) { n.Mode = "snat" }), "service.mode"},
		{"POST", "services", with(func(n *addition) { n.Protocol = "gre" }), "service.protocol"},
		{"POST", "services", with(func(n *addition) { n.Address = "10.0.0.100" }), `invalid address "10.0.0.100"`},
		{"POST", "services", with(func(n *addition) { n.ServiceSettings = local("10.0.0.9-10.0.0.1") }), "service.local_addresses"},
		{"POST", "services", with(func(n *addition) { n.LocalAddresses = nil }), "service.local_addresses"},
		{"POST", "services", map[string]any{"colour": "red"}, "unexpected property"},
		{"PATCH", "services/tls", settings(control.ServiceSettings{Scheduler: of("rr"), Echo: &off}), "scheduler wlc -> rr"},
		{"PATCH", "services/tls", settings(control.ServiceSettings{Scheduler: of("best")}), "service.scheduler"},
		{"PATCH", "services/tls", settings(control.ServiceSettings{Announce: &off}), "announce as the director -> false"},
		{"POST", "announce", control.AnnounceRequest{Announce: true, Service: "tls"}, "{change service tls announce false -> true"},
		{"POST", "announce", control.AnnounceRequest{Service: "nothing"}, "unknown service"},
		{"POST", "announce", control.AnnounceRequest{}, "{change director.announce true -> false"},
		{"POST", "announce", map[string]any{"service": "tls"}, "announce"},
		{"PATCH", "services/tls", settings(local("10.0.0.52")), "local_addresses 10.0.0.50, 10.0.0.51, 10.0.0.60 -> 10.0.0.52"},
		{"PATCH", "services/tls", control.ServiceChange{Name: of("https")}, "name tls -> https"},
		{"PATCH", "services/tls", control.ServiceChange{Name: of("https")}, "unknown service"},
		{"DELETE", "services/https", nil, "{remove service https"},
		{"DELETE", "services/https", nil, "unknown service"},
	} {
		var p control.Plan
		err := c.Do(t.Context(), tt.method, tt.path, tt.in, &p)
		if got := fmt.Sprint(p.Changes, err); !strings.Contains(got, tt.want) {
			t.Errorf("%s %s %+v: %s; want %q", tt.method, tt.path, tt.in, got, tt.want)
		}
	}
}

// TestAPILists checks that JSON shows an empty list as [], not null.
func TestAPILists(t *testing.T) {
	c, _ := serveAPI(t)
	if err := c.Do(t.Context(), http.MethodDelete, "services/web", nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"services", "drops", "drains"} {
		var list json.RawMessage
		err := c.Do(t.Context(), http.MethodGet, path, nil, &list)
		if err != nil || string(list) != "[]" {
			t.Errorf("%s: %s, %v", path, list, err)
		}
	}
}

// TestAPIConfig reads the configuration as a file. Applying that file would change nothing.
func TestAPIConfig(t *testing.T) {
	c, _ := serveAPI(t)
	var text strings.Builder
	if err := c.Do(t.Context(), http.MethodGet, "config", nil, io.Writer(&text)); err != nil {
		t.Fatal(err)
	}
	var p control.Plan
	err := c.Do(t.Context(), http.MethodPost, "plan", []byte(text.String()), &p)
	if err != nil || !p.Empty() || p.Changes == nil || p.Restart == nil {
		t.Fatalf("%v %v of\n%s", err, p, text.String())
	}
}

// TestBadClients connects a thousand clients that send nothing, nonsense or too much. Another
// client still gets its response.
func TestBadClients(t *testing.T) {
	c, path := serveAPI(t)
	var group sync.WaitGroup
	for i := range 1000 {
		group.Go(func() {
			conn, err := net.Dial("unix", path)
			if err != nil {
				return // the listener's queue is full
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
			switch i % 4 {
			case 0:
				fmt.Fprint(conn, "GET /v1/st")
			case 1:
				fmt.Fprint(conn, "\x00\xff not HTTP at all\r\n\r\n")
			case 2:
				fmt.Fprint(conn, "GET /v1/status HTTP/1.1\r\nX: "+strings.Repeat("x", 64<<10))
			case 3:
				fmt.Fprintf(conn, "POST /v1/plan HTTP/1.1\r\nHost: d\r\nContent-Length: %d\r\n\r\n{", 1<<40)
			}
			_, _ = io.Copy(io.Discard, conn)
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var s Status
	for {
		err := c.Do(ctx, http.MethodGet, "status", nil, &s)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
	if s.Services != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestSocketIsTakenOrStale(t *testing.T) {
	_, path := serveAPI(t)
	log := slog.New(slog.DiscardHandler)
	_, err := ServeSocket(Socket{Path: path}, nil, log)
	if err == nil || !strings.Contains(err.Error(), "another director") {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = ServeSocket(Socket{Path: file}, nil, log)
	if err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Fatal(err)
	}
	stale := filepath.Join(t.TempDir(), "stale.sock")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	s, err := ServeSocket(Socket{Path: stale}, http.NotFoundHandler(), log)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSocketInTheMaking leaves a half-made socket, as a killed director does. It does not stop the
// next director, even if the socket's path is as long as the kernel allows.
func TestSocketInTheMaking(t *testing.T) {
	folder, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := folder + "/" + strings.Repeat("c", 107-len(folder)-1)
	for range 2 {
		left, err := net.Listen("unix", beside(path))
		if err != nil {
			t.Fatal(err)
		}
		left.(*net.UnixListener).SetUnlinkOnClose(false)
		left.Close()
		s, err := ServeSocket(Socket{Path: path}, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestSocketOfAFolderThatIsGone closes a socket whose folder was removed, without an error.
func TestSocketOfAFolderThatIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "control.sock")
	s, err := ServeSocket(Socket{Path: path}, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Dir(path)), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestSocketHasOneOwner opens and closes servers concurrently. One at a time has the socket, and
// none removes another's.
func TestSocketHasOneOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	var owners atomic.Int32
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 200 {
				made, err := listenSocket(Socket{Path: path})
				if err != nil {
					if !strings.Contains(err.Error(), "another director") {
						t.Error(err)
					}
					continue
				}
				if owners.Add(1) != 1 {
					t.Error("two servers have the socket")
				}
				if info, err := os.Lstat(path); err != nil || !os.SameFile(info, made.made) {
					t.Errorf("another server took the socket: %v", err)
				}
				owners.Add(-1)
				if err := made.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestNoChangeIsLost runs clients that read the configuration, add a service and apply the result
// over the revision they read. In the end each client's service is there.
func TestNoChangeIsLost(t *testing.T) {
	c, _ := serveAPI(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for {
				text, tag, err := c.Config(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				text = fmt.Appendf(text, "[[service]]\nname = \"s%d\"\naddress = \"10.0.0.100:%d\"\n"+
					"protocol = \"tcp\"\nmode = \"nat\"\n", i, 1000+i)
				_, err = c.ApplyOver(t.Context(), tag, text)
				if err == nil {
					return
				}
				if !errors.Is(err, control.ErrOvertaken) {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	var s Status
	err := c.Do(t.Context(), http.MethodGet, "status", nil, &s)
	if err != nil || s.Services != 9 || s.File != "test.toml" {
		t.Fatalf("%+v %v", s, err)
	}
	for _, tag := range []string{`"old"`, `""`, `"`, "old"} {
		_, err := c.ApplyOver(t.Context(), tag, []byte(apiFile))
		if !errors.Is(err, control.ErrOvertaken) || !strings.Contains(err.Error(), "read it again") {
			t.Fatalf("over %s: %v", tag, err)
		}
	}
}

// TestNoSchemaLinks checks that answers name no host: at a socket there is none.
func TestNoSchemaLinks(t *testing.T) {
	c, _ := serveAPI(t)
	for _, path := range []string{"/v1/status", "/v1/report", "/openapi.json", "/v1/services/x/real-servers/1/drain"} {
		response, err := c.http.Get("http://director" + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || strings.Contains(string(text), "$schema") || response.Header.Get("Link") != "" {
			t.Errorf("%s: %v, %v, %s", path, err, response.Header, text)
		}
	}
}

// TestZero resets all services, one service, and one that does not exist.
func TestZero(t *testing.T) {
	client, _ := serveAPI(t)
	for _, path := range []string{"zero", "zero?service=web"} {
		if err := client.Do(t.Context(), http.MethodPost, path, nil, nil); err != nil {
			t.Error(err)
		}
	}
	err := client.Do(t.Context(), http.MethodPost, "zero?service=nothing", nil, nil)
	if err == nil || err.Error() != `unknown service "nothing"` {
		t.Error(err)
	}
}

// TestAPIProblems checks that every bad request gets a problem document, whether the mux, huma or
// this package refuses it.
func TestAPIProblems(t *testing.T) {
	c, _ := serveAPI(t)
	for _, tt := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/v1/nothing", 404, "unknown path /v1/nothing"},
		{"GET", "/", 404, "/openapi.json"},
		{"DELETE", "/v1/status", 405, "method DELETE is not allowed for /v1/status: use GET, HEAD"},
		{"GET", "/v1/services/web", 405, "DELETE, PATCH"},
		{"POST", "/v1/explain", 405, "GET, HEAD"},
		{"GET", "/v1/sessions?real-server=10.0.0.11", 422, "query.real-server"},
		{"GET", "/v1/services/web/real-servers/10.0.0.x/drain", 422, `invalid address "10.0.0.x": write an address with a port`},
		{"GET", "/v1/services/web/real-servers/10.0.0.11:80/drain", 404, "this real server is not being drained"},
		{"GET", "/v1/explain?protocol=tcp&from=10.0.0.9:1&to=10.0.0.100:80&flags=X", 422, `flags: invalid TCP flags "X"`},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tt.method, "http://director"+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var p Problem
		err = json.NewDecoder(response.Body).Decode(&p)
		response.Body.Close()
		if err != nil || response.StatusCode != tt.status || p.Status != tt.status ||
			response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %s %v, %+v, %v", tt.method, tt.path, response.Status, response.Header, p, err)
		}
		if !strings.Contains(p.Error(), tt.want) {
			t.Errorf("%s %s: %q; want %q", tt.method, tt.path, p.Error(), tt.want)
		}
		if allow := response.Header.Get("Allow"); tt.status == 405 && !strings.Contains(p.Detail, allow) {
			t.Errorf("%s %s allows %q", tt.method, tt.path, allow)
		}
	}
}
