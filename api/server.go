package api

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// ServerConfig says what a Server serves, where, and how much its clients may have of it.
type ServerConfig struct {
	Name     string       // what is served, for messages, such as "control API"
	Listener net.Listener // the server's from now on
	TLS      *tls.Config  // nil serves without TLS
	Handler  http.Handler
	Limits   Limits
	Log      *slog.Logger // hears of clients' mistakes at debug level
}

// Limits bound what clients may have of a server, so that slow or hostile ones cannot have more
// than their part of it. What is zero has the default.
type Limits struct {
	Connections int           // at once; 256. Others wait to be accepted
	ReadHeader  time.Duration // for a request's header, and the TLS handshake; 5 s
	Read        time.Duration // for a request; 30 s
	Write       time.Duration // for an answer; 5 min, as for listing ten million sessions
	Idle        time.Duration // between the requests of a connection; 1 min
	HeaderBytes int           // of a request; 16 KiB
	Close       time.Duration // for requests that are being answered when the server closes; 1 s
}

// withDefaults returns the limits with what is not set.
func (l Limits) withDefaults() Limits {
	return Limits{
		Connections: cmp.Or(l.Connections, 256),
		ReadHeader:  cmp.Or(l.ReadHeader, 5*time.Second),
		Read:        cmp.Or(l.Read, 30*time.Second),
		Write:       cmp.Or(l.Write, 5*time.Minute),
		Idle:        cmp.Or(l.Idle, time.Minute),
		HeaderBytes: cmp.Or(l.HeaderBytes, 16<<10),
		Close:       cmp.Or(l.Close, time.Second),
	}
}

// Server answers HTTP requests within limits until Close.
type Server struct {
	config ServerConfig
	http   *http.Server
	ended  chan error
}

// Serve starts a server.
func Serve(c ServerConfig) *Server {
	c.Limits = c.Limits.withDefaults()
	l := c.Limits
	s := &Server{config: c, ended: make(chan error, 1), http: &http.Server{
		Handler:           c.Handler,
		ReadHeaderTimeout: l.ReadHeader,
		ReadTimeout:       l.Read,
		WriteTimeout:      l.Write,
		IdleTimeout:       l.Idle,
		MaxHeaderBytes:    l.HeaderBytes,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}}
	listener := netutil.LimitListener(c.Listener, l.Connections)
	if c.TLS != nil {
		// TLS is the outer one of the listeners: the server bounds the time of a handshake only if
		// it sees that there is one.
		listener = tls.NewListener(listener, c.TLS)
	}
	go func() { s.ended <- s.serve(listener) }()
	return s
}

// serve answers until the server is closed. Another end is said at once, since nobody may ask for a
// long time.
func (s *Server) serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	s.config.Log.Warn(fmt.Sprintf("no %s any more: %v", s.config.Name, err))
	return fmt.Errorf("serve the %s: %w", s.config.Name, err)
}

// Close closes the listener and ends the server. Requests that are being answered have Limits.Close
// to be done.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.Limits.Close)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // what is cut off is the clients' loss
	}
	err := s.config.Listener.Close() // again: a socket says what the first time came to
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, <-s.ended)
}
