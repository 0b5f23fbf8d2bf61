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
	"os"
	"time"
)

// ServerConfig says what a Server serves, where, and within which limits.
type ServerConfig struct {
	Name     string       // what is served, for messages, such as "control API"
	Listener net.Listener // the server closes it
	TLS      *tls.Config  // nil serves without TLS
	Handler  http.Handler
	// Proves says that the handler calls prove for clients that may use it. Otherwise a whole request
	// makes a client known.
	Proves bool
	Limits Limits
	Log    *slog.Logger // gets errors of clients at debug level, and why a server ended
}

// Limits bound what clients may take of a server, so that slow or hostile clients cannot block
// others. A zero field stands for its default. Known clients have shown the token or, where there
// is none, sent a whole request. All others are strangers, whose oldest connection gives way to a
// new one. A source is an address, a subnet of 64 bits in IPv6, or the user at a unix socket.
type Limits struct {
	Connections         int // of known clients at once, default 256; more requests are refused
	ConnectionsOfSource int // of these, from one source; default 192
	Strangers           int // connections of strangers at once, default 256
	StrangersOfSource   int // of these, from one source; default 128

	ReadHeader  time.Duration // for a request's header, and for the TLS handshake; default 5 s
	Read        time.Duration // for a whole request; default 30 s
	Write       time.Duration // for a response; default 5 min, enough to list ten million sessions
	Idle        time.Duration // between two requests of a connection; default 1 min
	HeaderBytes int           // of a request's header; default 16 KiB
	Close       time.Duration // for the requests in progress when the server closes; default 1 s
}

// withDefaults returns the limits with defaults in place of zeros.
func (l Limits) withDefaults() Limits {
	return Limits{
		Connections:         cmp.Or(l.Connections, 256),
		ConnectionsOfSource: cmp.Or(l.ConnectionsOfSource, 192),
		Strangers:           cmp.Or(l.Strangers, 256),
		StrangersOfSource:   cmp.Or(l.StrangersOfSource, 128),

		ReadHeader:  cmp.Or(l.ReadHeader, 5*time.Second),
		Read:        cmp.Or(l.Read, 30*time.Second),
		Write:       cmp.Or(l.Write, 5*time.Minute),
		Idle:        cmp.Or(l.Idle, time.Minute),
		HeaderBytes: cmp.Or(l.HeaderBytes, 16<<10),
		Close:       cmp.Or(l.Close, time.Second),
	}
}

// Server serves HTTP requests within limits until Close.
type Server struct {
	config ServerConfig
	http   *http.Server
	guests *admission
	ended  chan error
}

// Serve starts a server. The caller closes it.
func Serve(c ServerConfig) *Server {
	c.Limits = c.Limits.withDefaults()
	l := c.Limits
	s := &Server{config: c, ended: make(chan error, 1), http: &http.Server{
		Handler:           admitted(c.Handler, c.Proves),
		ConnContext:       withGuest,
		ConnState:         noteIdle,
		ReadHeaderTimeout: l.ReadHeader,
		ReadTimeout:       l.Read,
		WriteTimeout:      l.Write,
		IdleTimeout:       l.Idle,
		MaxHeaderBytes:    l.HeaderBytes,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}}
	s.guests = newAdmission(c.Listener, l)
	var listener net.Listener = s.guests
	if c.TLS != nil {
		// TLS is the outer listener: http.Server bounds the time of a handshake only on a
		// connection that it knows to be TLS.
		listener = tls.NewListener(listener, c.TLS)
	}
	go func() {
		defer close(s.ended) // a second Close does not wait
		s.ended <- s.serve(listener)
	}()
	return s
}

// serve serves until Close or Leave. It logs any other end at once, since Close may come later.
func (s *Server) serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) || s.guests.leaving.Load() {
		return nil
	}
	s.config.Log.Warn(fmt.Sprintf("the %s server has stopped: %v", s.config.Name, err))
	return fmt.Errorf("serve the %s: %w", s.config.Name, err)
}

// File returns a duplicate of the listening socket, to be passed on to another process.
func (s *Server) File() (*os.File, error) { return passOn(s.config.Listener) }

// Leave stops accepting connections of a server whose socket was passed on. It leaves the listening
// socket to the other process, with its file and with the connections that wait in its queue.
// Connections that were accepted are served until Close.
func (s *Server) Leave() error {
	s.guests.leaving.Store(true)
	s.http.SetKeepAlivesEnabled(false) // closes those without a request too
	return errors.Join(s.stopListening(), <-s.ended)
}

// finish ends a server that does not accept any more. Connections have Limits.Close for their
// requests.
func (s *Server) finish() error {
	// Shutdown would not answer a connection that was accepted and whose request has yet to come.
	s.guests.awaitNone(s.config.Limits.Close)
	_ = s.http.Close() // cuts off the requests that are not done
	return nil
}

// stopListening closes the listener, unless it is closed.
func (s *Server) stopListening() error {
	if err := s.guests.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Close closes the listener and ends the server. Requests in progress have Limits.Close to finish.
func (s *Server) Close() error {
	if s.guests.leaving.Load() {
		return s.finish()
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.config.Limits.Close)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // cuts off the requests that are not done
	}
	// A second time: a socket then returns its first result.
	return errors.Join(s.stopListening(), <-s.ended)
}
