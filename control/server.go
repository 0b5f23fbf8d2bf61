package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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
	socket *socket // none over TCP
	http   *http.Server
	ended  chan error
}

// Serve makes the socket, which only its owner may use, and answers requests until Close. A socket that nobody listens on any more
// is replaced.
func Serve(path string, handler http.Handler, log *slog.Logger) (*Server, error) {
	made, listener, err := listenSocket(path)
	if err != nil {
		return nil, err
	}
	return newServer(made, netutil.LimitListener(listener, mostConnections), handler, log), nil
}

func newServer(made *socket, listener net.Listener, handler http.Handler, log *slog.Logger) *Server {
	s := &Server{socket: made, ended: make(chan error, 1), http: &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: mostHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	go func() { s.ended <- s.http.Serve(listener) }()
	return s
}

// Close removes the socket and ends the server. Requests that are being answered have a second to be done.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.socket.remove()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // what is cut off is the clients' loss
	}
	if end := <-s.ended; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve the control API: %w", end))
	}
	return err
}
