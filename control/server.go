package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds of the API's server, so that bad clients cannot have more than their part of it.
const (
	mostConnections = 256
	headerTimeout   = 5 * time.Second
	readTimeout     = 30 * time.Second
	writeTimeout    = 5 * time.Minute // a listing of ten million sessions takes a while
	idleTimeout     = time.Minute
	mostHeader      = 16 << 10 // bytes
	closeTimeout    = time.Second
)

// Server serves the control API.
type Server struct {
	path  string // of its socket; none over TCP
	http  *http.Server
	ended chan error
}

// Serve makes the socket, which only its owner may use, and answers requests until Close. A socket that nobody listens on any more
// is replaced.
func Serve(path string, handler http.Handler, log *slog.Logger) (*Server, error) {
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// Made under another name and moved, so that nobody can connect before only its owner may.
	fresh := fmt.Sprintf("%s.%d", path, os.Getpid())
	listener, err := net.Listen("unix", fresh)
	if err != nil {
		return nil, fmt.Errorf("make the control socket %s: %w; see director.control", path, err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(fresh, 0o600), os.Rename(fresh, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("make the control socket %s: %w; see director.control", path, err), listener.Close(), os.Remove(fresh))
	}
	return newServer(path, netutil.LimitListener(listener, mostConnections), handler, log), nil
}

func newServer(path string, listener net.Listener, handler http.Handler, log *slog.Logger) *Server {
	s := &Server{path: path, ended: make(chan error, 1), http: &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: mostHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	go func() { s.ended <- s.http.Serve(listener) }()
	return s
}

// removeStale removes a socket that a director which is no more has left. A living one's is an error.
func removeStale(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return os.MkdirAll(filepath.Dir(path), 0o755)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("another director has the control socket %s: give this one a path of its own in director.control", path)
	}
	if info, statErr := os.Lstat(path); statErr != nil || info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is there and is no socket: give another path in director.control", path)
	}
	return os.Remove(path)
}

// Close ends the server and removes the socket. Requests that are being answered have a second to be done.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // what is cut off is the clients' loss
	}
	if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control API: %w", err)
	}
	if s.path == "" {
		return nil
	}
	return os.Remove(s.path)
}
