package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"fulcrum/control"
)

// holder is a log whose first line blocks until it is released. With it a test holds a change that
// the director has begun.
type holder struct {
	slog.Handler
	began, release chan struct{}
}

func (h holder) Enabled(_ context.Context, l slog.Level) bool { return l == slog.LevelWarn }

func (h holder) Handle(context.Context, slog.Record) error {
	close(h.began)
	<-h.release
	return nil
}

// warnedFile is apiFile with a setting that the director warns about.
var warnedFile = strings.Replace(apiFile, "max = 100", "max = 100\nroute_unmatched = true", 1)

// held is a director that is in the middle of a change.
type held struct {
	*served
	holder
	done chan error // gets the result of the change
}

// hold starts a director and has it begin a change.
func hold(t *testing.T) *held {
	t.Helper()
	h := &held{holder: holder{slog.DiscardHandler, make(chan struct{}), make(chan struct{})}}
	h.served, h.done = serveLogging(t, apiFile, slog.New(h.holder)), make(chan error, 1)
	h.turn()
	go func() {
		h.done <- h.client.Do(t.Context(), http.MethodPost, "apply", []byte(warnedFile), nil)
	}()
	<-h.began
	return h
}

// goOn lets the director complete the change.
func (h *held) goOn() {
	h.Helper()
	close(h.release)
	if err := <-h.done; err != nil {
		h.Error(err)
	}
}

const webServer = "/v1/services/web/real-servers/10.0.0.11:80"

// abandon sends a change of the web server's weight to 9, and leaves without its answer.
func (h *held) abandon() {
	h.Helper()
	conn, err := net.Dial("unix", h.socket)
	if err != nil {
		h.Fatal(err)
	}
	_, err = io.WriteString(conn, "PATCH "+webServer+" HTTP/1.1\r\nHost: d\r\n"+
		"Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"weight\":9}")
	if err := errors.Join(err, conn.Close()); err != nil {
		h.Fatal(err)
	}
}

// read asks for everything that can be read.
func (h *held) read() {
	h.Helper()
	for _, path := range []string{
		"status", "report", "services", "ports", "workers", "drops", "config", "drains", "sessions?service=web",
		"explain?protocol=tcp&from=10.0.0.9:1&to=10.0.0.100:80",
	} {
		if err := h.client.Do(h.Context(), http.MethodGet, path, nil, io.Discard); err != nil {
			h.Errorf("%s: %v", path, err)
		}
	}
	if err := h.client.Do(h.Context(), http.MethodPost, "zero", nil, nil); err != nil {
		h.Error(err)
	}
	plan := control.Plan{}
	err := h.client.Do(h.Context(), http.MethodPost, "plan", []byte(apiFile), &plan)
	if err != nil {
		h.Error(err)
	}
}

func (h *held) weight() int {
	h.Helper()
	s, err := h.running.Service("web")
	if err != nil {
		h.Fatal(err)
	}
	return s.RealServers[0].Weight
}

// TestAbandonedChanges checks that changes whose clients have left never reach the engine, and that
// readers are answered while one change is made and a thousand others wait.
func TestAbandonedChanges(t *testing.T) {
	h := hold(t)
	_, before := h.running.Revision()
	for range 1000 {
		h.abandon()
	}
	h.client = NewClient(h.socket) // its connection comes after the abandoned ones
	h.read()
	h.eventually("the abandoned changes end", func() bool {
		h.server.guests.mu.Lock()
		defer h.server.guests.mu.Unlock()
		return h.server.guests.strangers.count == 0 && h.handling.Load() == 1
	})
	h.goOn()
	if _, after := h.running.Revision(); after != before || h.weight() != 1 {
		t.Errorf("revision %s after %s, weight %d", after, before, h.weight())
	}
	weight := 3
	err := h.client.Do(t.Context(), http.MethodPatch, strings.TrimPrefix(webServer, "/v1/"),
		control.RealServerChange{Weight: &weight}, nil)
	if err != nil || h.weight() != weight {
		t.Errorf("%v, weight %d", err, h.weight())
	}
}

// TestWaitingChangesAreBounded checks that changes beyond the bound are refused at once, in words
// and with a time to try again, and that those that wait are made.
func TestWaitingChangesAreBounded(t *testing.T) {
	h := hold(t)
	const more = 7
	refused, made := make(chan *http.Response, mostChanges+more), make(chan error, mostChanges)
	for i := range mostChanges - 1 + more {
		go func() {
			body := strings.NewReader(fmt.Sprintf(`{"weight":%d}`, 2+i))
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPatch,
				"http://director"+webServer, body)
			if err != nil {
				made <- err
				return
			}
			request.Header.Set("Content-Type", "application/json")
			response, err := h.client.http.Do(request)
			if err == nil && response.StatusCode == http.StatusServiceUnavailable {
				refused <- response
				return
			}
			if err == nil {
				response.Body.Close()
			}
			made <- err
		}()
	}
	for range more {
		response := <-refused
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.Header.Get("Retry-After") != "1" ||
			!strings.Contains(string(text), "nothing was changed; try again") {
			t.Errorf("%v, %v, %s", err, response.Header, text)
		}
	}
	h.read()
	h.goOn()
	for range mostChanges - 1 {
		if err := <-made; err != nil {
			t.Error(err)
		}
	}
	if _, revision := h.running.Revision(); !strings.HasSuffix(revision, fmt.Sprint("-", mostChanges+1)) {
		t.Errorf("revision %s", revision)
	}
}

// TestOutcomeUnknown checks that the client says when it cannot know whether its change was made,
// and only then: once its request was sent, and the connection or its patience is lost.
func TestOutcomeUnknown(t *testing.T) {
	const server = "services/web/real-servers/10.0.0.11:80"
	for _, tt := range []struct {
		method, path string
		unknown      bool
	}{
		{http.MethodPatch, server, true}, {http.MethodDelete, server, true},
		{http.MethodPost, "apply?name=x", true}, {http.MethodPost, "rollback", true},
		{http.MethodGet, "status", false}, {http.MethodPost, "plan?name=x", false},
	} {
		for _, loses := range []string{"connection", "patience"} {
			l := listen(t)
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 1))
				if loses == "patience" {
					cancel()
					<-ctx.Done()
				}
				conn.Close()
			}()
			c := &Client{base: "http://" + l.Addr().String(), http: new(http.Client)}
			err := c.Do(ctx, tt.method, tt.path, nil, nil)
			cancel()
			l.Close()
			if err == nil || errors.Is(err, ErrOutcomeUnknown) != tt.unknown ||
				strings.Contains(err.Error(), "may have been made, or not: look") != tt.unknown {
				t.Errorf("%s %s, without %s: %v", tt.method, tt.path, loses, err)
			}
		}
	}
	err := NewClient(t.TempDir()+"/nothing").Do(t.Context(), http.MethodDelete, server, nil, nil)
	if err == nil || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("without a director: %v", err)
	}
}

// TestAnswerLost checks that the client says that a change was made if only its answer is lost.
func TestAnswerLost(t *testing.T) {
	l := listen(t)
	s := Serve(ServerConfig{
		Name: "test", Listener: l, Log: slog.New(slog.DiscardHandler),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		}),
	})
	c := &Client{base: "http://" + l.Addr().String(), http: new(http.Client)}
	var p control.Plan
	err := c.Do(t.Context(), http.MethodPost, "apply", []byte(apiFile), &p)
	if err == nil || !strings.HasPrefix(err.Error(), "the change was made; read the director's") {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
