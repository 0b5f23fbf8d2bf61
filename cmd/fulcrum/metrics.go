package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"

	"fulcrum/control"
)

// Bounds of the server that Prometheus reads from, so that a slow or hostile reader ends.
const (
	metricsHeaderBytes = 16 << 10
	metricsReadTime    = 5 * time.Second
	metricsWriteTime   = 30 * time.Second
	metricsReaders     = 64 // connections at once
)

// metricsServer serves /metrics.
type metricsServer struct {
	http.Server
	listener net.Listener
}

// listenMetrics takes the address that the configuration names, or gives nil if it names none.
func listenMetrics(at netip.AddrPort, m *control.Metrics) (*metricsServer, error) {
	if !at.IsValid() {
		return nil, nil
	}
	listener, err := net.Listen("tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("listen for Prometheus: %w; see metrics.listen", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	s := &metricsServer{listener: netutil.LimitListener(listener, metricsReaders)}
	s.Handler = mux
	s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = metricsReadTime, metricsWriteTime, 2*time.Minute
	s.MaxHeaderBytes = metricsHeaderBytes
	s.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelDebug) // bad readers are no state of ours
	return s, nil
}

// serve answers until the server is closed.
func (s *metricsServer) serve(log *slog.Logger) {
	if err := s.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		log.Warn(fmt.Sprintf("no metrics any more: %v", err))
	}
}

// stop lets readers finish for a moment, then ends them. There may be no server.
func (s *metricsServer) stop() {
	if s == nil {
		return
	}
	defer s.listener.Close() // which nobody does if it has not been served
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.Shutdown(ctx) != nil {
		s.Close()
	}
}
