package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"fulcrum/config"
)

// Bounds of what clients of the control API can cost. There is no time for an answer: a capture takes as long as it likes.
const (
	controlClients     = 64
	controlHeaderBytes = 64 << 10
	controlReadTime    = 5 * time.Second
	controlIdleTime    = time.Minute
)

// listenControl makes the socket of the control API, which only its owner may use. A socket that was left behind by a crash is
// replaced. It returns nil, with a note, if another director has the default one: several of them run side by side.
func listenControl(path string, log *slog.Logger) (net.Listener, error) {
	l, err := listenUnix(path)
	switch {
	case err == nil:
		return netutil.LimitListener(l, controlClients), nil
	case path == config.DefaultControl:
		log.Info(fmt.Sprintf("no control API: %v; choose another path with director.control", err))
		return nil, nil
	}
	return nil, fmt.Errorf("the control API's socket: %w; see director.control", err)
}

func listenUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && isStale(path) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// isStale reports whether a path is a socket at which nobody listens.
func isStale(path string) bool {
	if info, err := os.Stat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// serveControl answers at a listener until the server is closed.
func serveControl(l net.Listener, handler http.Handler, log *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:        handler,
		ReadTimeout:    controlReadTime,
		IdleTimeout:    controlIdleTime,
		MaxHeaderBytes: controlHeaderBytes,
		ErrorLog:       slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelDebug), // bad clients are no state of ours
	}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Warn(fmt.Sprintf("no control API any more: %v", err))
		}
	}()
	return s
}
