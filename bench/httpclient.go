package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// HTTPClientConfig describes clients that ask a web server all the time, each request on a
// connection of its own.
type HTTPClientConfig struct {
	Server      netip.AddrPort // IPv4
	Connections int            // at a time
	Warmup      time.Duration  // of asking, before anything counts
	Duration    time.Duration  // of asking, while everything counts
}

// HTTPResult is what clients count.
type HTTPResult struct {
	Seconds  float64 `json:"seconds"`
	Answered uint64  `json:"answered"` // requests with a whole answer
	Failed   uint64  `json:"failed"`   // connections that were refused, reset, or too slow
	Latency  Latency `json:"latency"`  // from the first SYN to the end of the answer
}

const (
	// httpPatience bounds a request. It is longer than the kernel takes to repeat a SYN twice.
	httpPatience   = 4 * time.Second
	longestCounted = 1<<32 - 1 // ns
	// httpFirst bounds the time until the first answer.
	httpFirst = 20 * time.Second
)

var httpRequest = []byte("GET / HTTP/1.1\r\nHost: fulcrum\r\nConnection: close\r\n\r\n")

// RunHTTPClients asks until the time is over. It writes an HTTPResult to out when counting begins,
// with nothing in it, and one at the end. It takes one thread.
func RunHTTPClients(ctx context.Context, c HTTPClientConfig, out io.Writer) error {
	h, err := newHTTPClients(c)
	if err != nil {
		return err
	}
	defer h.close()
	results := json.NewEncoder(out)
	if err := h.warmUp(ctx, c.Warmup); err != nil {
		return err
	}
	if err := results.Encode(HTTPResult{}); err != nil {
		return err
	}
	r, err := h.ask(ctx, c.Duration)
	if err != nil {
		return err
	}
	return results.Encode(r)
}

// warmUp asks for a time, and again until there are answers: a SYN that was lost while stations
// looked for each other is repeated after a second.
func (h *httpClients) warmUp(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(httpFirst); ; {
		r, err := h.ask(ctx, d)
		switch {
		case err != nil || r.Answered > 0:
			return err
		case time.Now().After(end):
			return fmt.Errorf("no answer came within %s", httpFirst)
		}
	}
}

// httpClients are connections in an epoll set.
type httpClients struct {
	loop   eventLoop
	server unix.SockaddrInet4
	open   []httpExchange // by file descriptor
	buffer []byte
	result HTTPResult
	times  Histogram
}

// httpExchange is a request in progress.
type httpExchange struct {
	active bool
	asked  bool
	began  time.Time
	answer int  // bytes so far
	ok     bool // the answer begins as it should
}

func newHTTPClients(c HTTPClientConfig) (*httpClients, error) {
	loop, err := newEventLoop()
	if err != nil {
		return nil, err
	}
	h := &httpClients{
		loop: loop, buffer: make([]byte, 4096),
		server: unix.SockaddrInet4{Port: int(c.Server.Port()), Addr: c.Server.Addr().As4()},
	}
	for range c.Connections {
		if err := h.begin(); err != nil {
			h.close()
			return nil, err
		}
	}
	return h, nil
}

// ask asks for a time, and returns what was answered and what failed in it.
func (h *httpClients) ask(ctx context.Context, d time.Duration) (HTTPResult, error) {
	h.result, h.times = HTTPResult{}, Histogram{}
	start := time.Now()
	for last := start; ; {
		if err := h.loop.wait(h.advance); err != nil {
			return h.result, err
		}
		now := time.Now()
		if err := ctx.Err(); err != nil || now.Sub(start) >= d {
			break
		}
		if now.Sub(last) > httpPatience/10 {
			last = now
			if err := h.giveUp(now); err != nil {
				return h.result, err
			}
		}
	}
	h.result.Seconds, h.result.Latency = time.Since(start).Seconds(), h.times.Latency()
	return h.result, ctx.Err()
}

// begin begins a request.
func (h *httpClients) begin() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("make a client's socket: %w", err)
	}
	for fd >= len(h.open) {
		h.open = append(h.open, httpExchange{})
	}
	h.open[fd] = httpExchange{active: true, began: time.Now()}
	if err := unix.Connect(fd, &h.server); err != nil && err != unix.EINPROGRESS {
		return fmt.Errorf("connect to the web server: %w", err)
	}
	return h.loop.watch(fd)
}

// advance does what a connection is ready for.
func (h *httpClients) advance(fd int, events uint32) error {
	e := &h.open[fd]
	if !e.asked && events&unix.EPOLLOUT != 0 {
		if _, err := unix.Write(fd, httpRequest); err != nil {
			return h.end(fd, false)
		}
		e.asked = true
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLRDHUP) == 0 {
		return nil
	}
	return h.read(fd, e)
}

// read reads what has come of an answer.
func (h *httpClients) read(fd int, e *httpExchange) error {
	for {
		n, err := unix.Read(fd, h.buffer)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return h.end(fd, false)
		case n == 0:
			return h.end(fd, e.ok && e.answer == len(httpAnswer))
		case e.answer == 0:
			e.ok = bytes.HasPrefix(h.buffer[:n], httpAnswer[:min(n, len(httpAnswer))])
		}
		e.answer += n
	}
}

// end ends a request, and begins another one.
func (h *httpClients) end(fd int, answered bool) error {
	if answered {
		h.result.Answered++
		h.times.Add(uint32(min(time.Since(h.open[fd].began), longestCounted)))
	} else {
		h.result.Failed++
	}
	h.open[fd].active = false
	unix.Close(fd)
	return h.begin()
}

// giveUp ends the requests that take too long.
func (h *httpClients) giveUp(now time.Time) error {
	for fd := range h.open {
		if e := &h.open[fd]; e.active && now.Sub(e.began) > httpPatience {
			if err := h.end(fd, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *httpClients) close() {
	for fd := range h.open {
		if h.open[fd].active {
			unix.Close(fd)
		}
	}
	h.loop.close()
}
