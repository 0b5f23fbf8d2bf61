package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"

	"golang.org/x/sys/unix"
)

// httpAnswer is the answer to every request: 100 bytes of a page.
var httpAnswer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n" +
	"Connection: close\r\n\r\n" + string(bytes.Repeat([]byte("x"), 100)))

const (
	httpServing = "web server ready"
	httpBacklog = 4096
)

// ServeHTTP answers the first request of every connection at an IPv4 address, and closes it, until
// ctx ends. It takes one thread and hardly more time than the kernel's own, so that what is between
// it and its clients shows. It writes a line to ready once it listens.
func ServeHTTP(ctx context.Context, address netip.AddrPort, ready io.Writer) error {
	s, err := newHTTPServer(address)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Fprintln(ready, httpServing)
	for ctx.Err() == nil {
		if err := s.loop.wait(s.advance); err != nil {
			return err
		}
	}
	return nil
}

// httpServer is a listening socket and its connections in an epoll set.
type httpServer struct {
	loop     eventLoop
	listener int
	buffer   []byte
}

func newHTTPServer(address netip.AddrPort) (*httpServer, error) {
	loop, err := newEventLoop()
	if err != nil {
		return nil, err
	}
	s := &httpServer{loop: loop, listener: -1, buffer: make([]byte, 4096)}
	if err := s.listen(address); err != nil {
		s.close()
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return s, nil
}

func (s *httpServer) listen(address netip.AddrPort) (err error) {
	s.listener, err = unix.Socket(unix.AF_INET,
		unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	own := &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}
	if err := unix.Bind(s.listener, own); err != nil {
		return err
	}
	if err := unix.Listen(s.listener, httpBacklog); err != nil {
		return err
	}
	return s.loop.watch(s.listener)
}

// advance accepts connections, or answers one.
func (s *httpServer) advance(fd int, _ uint32) error {
	if fd != s.listener {
		s.answer(fd)
		return nil
	}
	for {
		c, _, err := unix.Accept4(s.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil { // none is left, or its client has gone
			return nil
		}
		if !s.answer(c) {
			if err := s.loop.watch(c); err != nil {
				return err
			}
		}
	}
}

// answer answers and closes a connection if its request has come. A request of clients fits into
// one segment.
func (s *httpServer) answer(fd int) bool {
	n, err := unix.Read(fd, s.buffer)
	if err == unix.EAGAIN {
		return false
	}
	if bytes.HasSuffix(s.buffer[:max(n, 0)], []byte("\r\n\r\n")) {
		_, _ = unix.Write(fd, httpAnswer) // its client may have gone
	}
	unix.Close(fd)
	return true
}

func (s *httpServer) close() {
	if s.listener >= 0 {
		unix.Close(s.listener)
	}
	s.loop.close()
}
