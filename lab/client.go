package lab

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// answerDeadline bounds one request or datagram. Transfers have only their context.
const answerDeadline = 5 * time.Second

// ClientConfig says how a client behaves.
type ClientConfig struct {
	// KeepAlive uses one connection for several requests. Otherwise each request has a new one.
	KeepAlive bool
	// Source is the client's address. By default connections take all of the lab's in turn.
	Source netip.Addr
	// Patience bounds how long a connection may take, and an answer; default 5 s.
	Patience time.Duration
}

// A Client talks to the VIP from the client's namespace, with the system's own TCP and UDP. Several
// goroutines may use it. The caller closes it.
type Client struct {
	namespace namespace
	sources   []netip.Addr
	web, echo netip.AddrPort // the services
	turn      *atomic.Uint32 // the lab's counter
	patience  time.Duration
	http      *http.Client
	transport *http.Transport

	life  context.Context // ends at Close
	end   context.CancelFunc
	dials sync.WaitGroup
}

// NewClient returns a client of the lab.
func (l *Lab) NewClient(c ClientConfig) *Client {
	client := &Client{
		namespace: l.namespace(roleClient), sources: l.plan.clients, web: l.plan.web, echo: l.plan.echo,
		turn: &l.turn, patience: cmp.Or(c.Patience, answerDeadline),
	}
	if c.Source.IsValid() {
		client.sources = []netip.Addr{c.Source}
	}
	client.life, client.end = context.WithCancel(context.Background())
	client.transport = &http.Transport{
		DisableKeepAlives: !c.KeepAlive, DisableCompression: true, DialContext: client.dial,
	}
	client.http = &http.Client{Transport: client.transport}
	return client
}

// Close ends idle connections, and those that are being made. A transport goes on to make a
// connection after its request was given up, and a late SYN would be an unexpected session.
func (c *Client) Close() {
	c.end()
	c.dials.Wait()
	c.transport.CloseIdleConnections()
}

// Client ports, below the kernel's own range.
const (
	firstPort = 10000
	portCount = 20000
)

// source returns the next client address and port. The kernel's choice would repeat itself every
// few hundred connections. A director has one session for a repeated pair of ends, and shares would
// not be exact.
func (c *Client) source() netip.AddrPort {
	turn := int(c.turn.Add(1) - 1)
	return netip.AddrPortFrom(c.sources[turn%len(c.sources)], uint16(firstPort+turn%portCount))
}

// dial makes the socket inside the namespace, where it stays.
func (c *Client) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	c.dials.Add(1)
	defer c.dials.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	source := c.source()
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(source), Timeout: c.patience}
	if network == "udp" {
		dialer.LocalAddr = net.UDPAddrFromAddrPort(source)
	}
	err = c.namespace.do(func() error {
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Get requests / from the web service.
func (c *Client) Get(ctx context.Context) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	return c.ask(ctx, http.MethodGet, "/", nil)
}

func (c *Client) ask(ctx context.Context, method, path string, body io.Reader) (Answer, error) {
	var answer Answer
	response, err := c.send(ctx, method, path, body)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return answer, fmt.Errorf("reading the answer to %s %s: %w", method, path, err)
	}
	return answer, nil
}

func (c *Client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	url := "http://" + c.web.String() + path
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, fmt.Errorf("making the request %s %s: %w", method, url, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking a real server through the VIP: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("asking a real server through the VIP: %s %s: %s", method, url,
			response.Status)
	}
	return response, nil
}

// Transfer is the outcome of an upload or a download.
type Transfer struct {
	Bytes    int64
	Took     time.Duration
	Verified bool // both sides computed the same SHA-256
}

// Rate returns the rate in MB/s, of 10^6 bytes.
func (t Transfer) Rate() float64 { return float64(t.Bytes) / 1e6 / t.Took.Seconds() }

// Upload sends n pseudo-random bytes and compares checksums.
func (c *Client) Upload(ctx context.Context, n int64) (Transfer, error) {
	sum := sha256.New()
	start := time.Now()
	answer, err := c.ask(ctx, http.MethodPost, "/upload", io.TeeReader(noise(n), sum))
	if err != nil {
		return Transfer{}, fmt.Errorf("uploading %d bytes: %w", n, err)
	}
	verified := answer.Bytes == n && answer.SHA256 == hex.EncodeToString(sum.Sum(nil))
	return Transfer{Bytes: n, Took: time.Since(start), Verified: verified}, nil
}

// Download fetches n pseudo-random bytes and compares checksums.
func (c *Client) Download(ctx context.Context, n int64) (Transfer, error) {
	start := time.Now()
	response, err := c.send(ctx, http.MethodGet, fmt.Sprintf("/download?bytes=%d", n), nil)
	if err != nil {
		return Transfer{}, fmt.Errorf("downloading %d bytes: %w", n, err)
	}
	defer response.Body.Close()
	sum := sha256.New()
	got, err := io.Copy(sum, response.Body)
	if err != nil {
		return Transfer{}, fmt.Errorf("downloading %d bytes, after %d: %w", n, got, err)
	}
	verified := got == n && response.Trailer.Get(checksumTrailer) == hex.EncodeToString(sum.Sum(nil))
	return Transfer{Bytes: got, Took: time.Since(start), Verified: verified}, nil
}

// Echo sends a datagram from a new socket to the echo service and waits for its answer. It sends
// the datagram once only.
func (c *Client) Echo(ctx context.Context, payload []byte) (Answer, error) {
	var answer Answer
	conn, err := c.dial(ctx, "udp", c.echo.String())
	if err != nil {
		return answer, fmt.Errorf("opening a UDP socket to %s: %w", c.echo, err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(answerDeadline))
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(payload); err != nil {
		return answer, fmt.Errorf("sending %d bytes to %s: %w", len(payload), c.echo, err)
	}
	buffer := make([]byte, 64<<10)
	n, err := conn.Read(buffer)
	if err != nil {
		return answer, fmt.Errorf("waiting for the echo from %s: %w", c.echo, err)
	}
	if err := json.Unmarshal(buffer[:n], &answer); err != nil {
		return answer, fmt.Errorf("reading the echo from %s: %w", c.echo, err)
	}
	return answer, nil
}
