package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// A LongLived is one connection to the web service, or one flow of datagrams to the echo service.
// It asks again and again, and never connects anew. One goroutine uses it; the caller closes it.
type LongLived struct {
	conn     net.Conn
	answers  *bufio.Reader // nil for datagrams
	patience time.Duration
}

// Connect makes a connection to the web service.
func (c *Client) Connect(ctx context.Context) (*LongLived, error) {
	conn, err := c.dial(ctx, "tcp", c.web.String())
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", c.web, err)
	}
	return &LongLived{conn, bufio.NewReader(conn), c.patience}, nil
}

// Flow opens a socket for datagrams to the echo service.
func (c *Client) Flow(ctx context.Context) (*LongLived, error) {
	conn, err := c.dial(ctx, "udp", c.echo.String())
	if err != nil {
		return nil, fmt.Errorf("opening a UDP socket to %s: %w", c.echo, err)
	}
	return &LongLived{conn, nil, c.patience}, nil
}

// Close ends the connection.
func (l *LongLived) Close() { l.conn.Close() }

// Ask has the real server answer, within the client's patience. Over TCP the error means that the
// connection is lost. A lost datagram is sent again, and is no error.
func (l *LongLived) Ask() (Answer, error) {
	end := time.Now().Add(l.patience)
	if l.answers == nil {
		return l.echo(end)
	}
	var a Answer
	_ = l.conn.SetDeadline(end)
	if _, err := fmt.Fprintf(l.conn, "GET / HTTP/1.1\r\nHost: lab\r\n\r\n"); err != nil {
		return a, fmt.Errorf("asking over an old connection: %w", err)
	}
	response, err := http.ReadResponse(l.answers, nil)
	if err != nil {
		return a, fmt.Errorf("asking over an old connection: %w", err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return a, fmt.Errorf("asking over an old connection: %w", err)
	}
	return a, nil
}

// resend is the time after which a datagram is sent again.
const resend = 50 * time.Millisecond

func (l *LongLived) echo(end time.Time) (a Answer, err error) {
	buffer := make([]byte, 64<<10)
	for time.Now().Before(end) {
		if _, err := l.conn.Write([]byte("still there?")); err != nil {
			return a, fmt.Errorf("sending a datagram: %w", err)
		}
		_ = l.conn.SetReadDeadline(time.Now().Add(resend))
		n, err := l.conn.Read(buffer)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case err != nil:
			return a, fmt.Errorf("waiting for an echo: %w", err)
		}
		return a, json.Unmarshal(buffer[:n], &a)
	}
	return a, fmt.Errorf("waiting for an echo: %w", os.ErrDeadlineExceeded)
}
