package api

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// listen listens on a free port of loopback, for a server to take over.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// dial connects to a server and sends a text. The connection's deadline is in two seconds.
func dial(t *testing.T, l net.Listener, says string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = io.WriteString(conn, says)
	if err := errors.Join(err, conn.SetDeadline(time.Now().Add(2*time.Second))); err != nil {
		t.Fatal(err)
	}
	return conn
}

// serveReader serves reader within limits.
func serveReader(l net.Listener, limits Limits) *Server {
	return Serve(ServerConfig{
		Name: "test", Listener: l, Limits: limits, Log: slog.New(slog.DiscardHandler), Handler: reader,
	})
}

const request = "GET / HTTP/1.1\r\nHost: d\r\n\r\n"

// TestServerLimits checks that the server cuts off clients that send too little, too much or
// nothing.
func TestServerLimits(t *testing.T) {
	const header = "POST / HTTP/1.1\r\nHost: d\r\n"
	soon, long := 20*time.Millisecond, "X: "+strings.Repeat("x", 8<<10)+"\r\n\r\n"
	for _, tt := range []struct {
		name   string
		limits Limits
		says   string
		want   string // how the response begins; after it the connection ends
	}{
		{"half a header", Limits{ReadHeader: soon}, request[:20], "HTTP/1.1 400 "},
		{"half a body", Limits{Read: soon}, header + "Content-Length: 9\r\n\r\nhalf", "HTTP/1.1 400 "},
		{"nothing more", Limits{Idle: soon}, request, "HTTP/1.1 200 "},
		{"a long header", Limits{HeaderBytes: 1}, header + long, "HTTP/1.1 431 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listen(t)
			s := serveReader(l, tt.limits)
			got, err := io.ReadAll(dial(t, l, tt.says))
			// A reset is a valid end as well.
			if errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasPrefix(string(got), tt.want) {
				t.Errorf("%q, %v; want %q and the end", got, err, tt.want)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// reader responds once it has read the body.
var reader = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
})

// TestServerCloseCutsOff checks that Close cuts off an endless response after Limits.Close.
func TestServerCloseCutsOff(t *testing.T) {
	l, entered := listen(t), make(chan struct{})
	endless := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	s := Serve(ServerConfig{
		Name: "test", Listener: l, Handler: endless, Log: slog.New(slog.DiscardHandler),
		Limits: Limits{Close: 20 * time.Millisecond},
	})
	conn := dial(t, l, request)
	<-entered
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(conn); len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the server still listens")
	}
}

// TestServerSaysItsEnd checks that a server that ends early logs it at once, and that Close returns
// the error.
func TestServerSaysItsEnd(t *testing.T) {
	l := listen(t)
	said := make(said, 1)
	s := Serve(ServerConfig{
		Name: "page", Listener: l, Log: slog.New(slog.NewTextHandler(said, nil)), Handler: reader,
	})
	l.Close()
	select {
	case text := <-said:
		if !strings.Contains(text, "level=WARN") ||
			!strings.Contains(text, "the page server has stopped") {
			t.Errorf("the log has %s", text)
		}
	case <-time.After(2 * time.Second):
		t.Error("the log is empty")
	}
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "serve the page") {
		t.Errorf("%v", err)
	}
}

// said receives the lines of a log.
type said chan string

func (s said) Write(line []byte) (int, error) { s <- string(line); return len(line), nil }
