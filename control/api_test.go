package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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

// serveAPI serves a director that does not turn, and returns a client for it.
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
		Paths   map[string]any
	}
	if err := json.NewDecoder(response.Body).Decode(&d); err != nil || !strings.HasPrefix(d.OpenAPI, "3.1") || len(d.Paths) < 10 {
		t.Fatalf("%v: version %q with %d paths", err, d.OpenAPI, len(d.Paths))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v: the socket's mode is %v", err, info.Mode())
	}
}

func TestAPIChanges(t *testing.T) {
	c, _ := serveAPI(t)
	var p Plan
	do := func(method, path string, in any, want string) {
		t.Helper()
		p = Plan{}
		err := c.Do(t.Context(), method, path, in, &p)
		if got := fmt.Sprint(p.Changes, err); !strings.Contains(got, want) {
			t.Fatalf("%s %s: %s; want %q", method, path, got, want)
		}
	}
	seven := 7
	do(http.MethodPost, "services/web/real-servers", RealServerAddition{Address: "10.0.0.12:80"}, "{add real server 10.0.0.12:80 of web weight 1")
	do(http.MethodPost, "services/web/real-servers", RealServerAddition{Address: "10.0.0.12:80"}, "real server of this service already")
	do(http.MethodPost, "services/web/real-servers", RealServerAddition{Address: "10.0.0.100:80"}, "held by the director itself")
	do(http.MethodPost, "services/web/real-servers", RealServerAddition{Address: "somewhere"}, "write an address and a port")
	do(http.MethodPatch, ServerPath("web", "10.0.0.12:80"), RealServerChange{Weight: &seven}, "weight 1 -> 7")
	do(http.MethodPatch, ServerPath("web", "10.0.0.13:80"), RealServerChange{Weight: &seven}, "no real server")
	do(http.MethodDelete, ServerPath("web", "10.0.0.11:80"), nil, "{remove real server 10.0.0.11:80 of web")
	do(http.MethodPost, "apply", []byte(apiFile), "{add real server 10.0.0.11:80 of web")
	do(http.MethodPost, "apply", []byte(strings.Replace(apiFile, "100", "200", 1)), "session.max")
	do(http.MethodPost, "apply", []byte("[[service]]"), "service.name")
	do(http.MethodPost, "rollback", nil, "remove real server 10.0.0.11:80")
}

// TestAPIConfig: what runs can be had as a file, which changes nothing.
func TestAPIConfig(t *testing.T) {
	c, _ := serveAPI(t)
	var text strings.Builder
	if err := c.Do(t.Context(), http.MethodGet, "config", nil, io.Writer(&text)); err != nil {
		t.Fatal(err)
	}
	var p Plan
	if err := c.Do(t.Context(), http.MethodPost, "plan", []byte(text.String()), &p); err != nil || !p.Empty() {
		t.Fatalf("%v %v of\n%s", err, p, text.String())
	}
}

// TestBadClients: a thousand that say nothing, nonsense or too much do not keep others from being answered.
func TestBadClients(t *testing.T) {
	c, path := serveAPI(t)
	var group sync.WaitGroup
	for i := range 1000 {
		group.Go(func() {
			conn, err := net.Dial("unix", path)
			if err != nil {
				return // the queue is full: it has to come again
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
	if _, err := Serve(path, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another director") {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(file, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Fatal(err)
	}
	stale := filepath.Join(t.TempDir(), "stale.sock")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	s, err := Serve(stale, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
