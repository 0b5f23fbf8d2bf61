package ipvs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"fulcrum/control"
)

// mostRequest bounds what a client sends at a time, in bytes. Programs send less than 1 KiB.
const mostRequest = 16 << 10

// acceptPause is the time after a failed attempt to take a connection, since files may have run
// out, or to find a place for one.
const acceptPause = 10 * time.Millisecond

// ServerConfig says what a Server serves, where, and within which limits. A limit that is zero
// stands for its default.
type ServerConfig struct {
	Table *Table
	// Listener is a unix socket of packets (SOCK_SEQPACKET). The server closes it. One that has
	// methods File and Leave, as api.Listen returns it, can be passed on to another process.
	Listener net.Listener
	// Who says who has connected.
	Who func(*net.UnixConn) control.Actor
	Log *slog.Logger // gets why the server ended

	Clients int           // at once, default 256
	First   time.Duration // for a client's first request, default 30 s
	Write   time.Duration // for a client to take a datagram, default 10 s
}

// Validate returns an error if a required field is missing.
func (c *ServerConfig) Validate() error {
	if c.Table == nil || c.Listener == nil || c.Who == nil || c.Log == nil {
		return errors.New("ipvs: Table, Listener, Who and Log are required")
	}
	return nil
}

// Server serves a Table until Close.
type Server struct {
	config  ServerConfig
	clients clients
	work    sync.WaitGroup
	context context.Context
	cancel  context.CancelFunc
}

// Serve starts a server. The caller closes it.
func Serve(c ServerConfig) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c.First, c.Write = cmp.Or(c.First, 30*time.Second), cmp.Or(c.Write, 10*time.Second)
	s := &Server{config: c, clients: clients{limit: cmp.Or(c.Clients, 256)}}
	s.context, s.cancel = context.WithCancel(context.Background())
	s.work.Go(s.accept)
	s.work.Go(s.estimate)
	return s, nil
}

// sharable is a listener that can be passed on to another process.
type sharable interface {
	File() (*os.File, error) // a duplicate
	Leave() error            // closes it for this process alone
}

// File returns a duplicate of the listening socket, to be passed on to another process.
func (s *Server) File() (*os.File, error) {
	l, ok := s.config.Listener.(sharable)
	if !ok {
		return nil, fmt.Errorf("ipvs: a %T cannot be passed on", s.config.Listener)
	}
	return l.File()
}

// Close stops the server and closes all connections. A change that has begun is completed.
func (s *Server) Close() error { return s.end(s.config.Listener.Close) }

// Leave is like Close for a server whose socket was passed on: it leaves the listening socket to
// the other process, with its file and with the connections that wait in its queue.
func (s *Server) Leave() error {
	l, ok := s.config.Listener.(sharable)
	if !ok {
		return s.Close()
	}
	return s.end(l.Leave)
}

// end stops the server, whose listener is closed by a function, once.
func (s *Server) end(closeListener func() error) error {
	if s.context.Err() != nil {
		return nil
	}
	s.cancel()
	err := closeListener()
	s.clients.close()
	s.work.Wait()
	return err
}

// accept takes connections.
func (s *Server) accept() {
	for s.context.Err() == nil {
		conn, err := s.config.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		packets, is := conn.(*net.UnixConn)
		if err != nil || !is {
			s.config.Log.Warn("the IPVS socket took no connection", "error", err)
			s.pause()
			continue
		}
		s.admit(&client{UnixConn: packets})
	}
}

// pause waits a moment, or until the server is closed.
func (s *Server) pause() {
	select {
	case <-s.context.Done():
	case <-time.After(acceptPause):
	}
}

// admit serves a client once there is a place for it. Later ones wait in the socket's queue.
func (s *Server) admit(c *client) {
	for s.context.Err() == nil {
		loser, ok := s.clients.admit(c, time.Now())
		if loser != nil {
			_ = loser.Close()
		}
		if ok {
			s.work.Go(func() { s.serve(c) })
			return
		}
		s.pause()
	}
	_ = c.Close()
}

// serve answers the requests of a client, one datagram after the other. A client that does not
// begin, sends more than a request can have, or does not take its answers loses its connection.
func (s *Server) serve(c *client) {
	defer c.Close()
	defer s.clients.forget(c)
	ctx := control.WithActor(s.context, s.config.Who(c.UnixConn))
	buffer := make([]byte, mostRequest)
	send := func(datagram []byte) error {
		if err := c.SetWriteDeadline(time.Now().Add(s.config.Write)); err != nil {
			return err
		}
		_, err := c.Write(datagram)
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(s.config.First)) // fails on a closed one only, like Read
	for {
		n, _, flags, _, err := c.ReadMsgUnix(buffer, nil)
		if err != nil || n < headerLen || flags&unix.MSG_TRUNC != 0 {
			return
		}
		if isRequest(buffer[:n]) {
			s.clients.asks(c)
		}
		err = s.config.Table.answer(ctx, buffer[:n], send)
		s.clients.answered(c)
		if err != nil || c.SetReadDeadline(time.Time{}) != nil {
			return
		}
	}
}

// isRequest reports whether a datagram has a request of a family that a table knows.
func isRequest(datagram []byte) bool {
	return slices.ContainsFunc(split(datagram), func(m netlink.Message) bool {
		known := []netlink.HeaderType{Family, SessionFamily, ctrlFamily}
		return slices.Contains(known, m.Header.Type) && m.Header.Flags&netlink.Request != 0
	})
}

// estimate looks at the counters at the kernel's intervals.
func (s *Server) estimate() {
	ticker := time.NewTicker(rateInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.context.Done():
			return
		case <-ticker.C:
			s.config.Table.estimate()
		}
	}
}
