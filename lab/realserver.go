package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// servingPhrase is in a real server's log once it listens on all addresses.
const servingPhrase = "real server ready"

// checksumTrailer carries the SHA-256 of a download in hex, after its body.
const checksumTrailer = "X-Sha256"

// RealServerConfig describes one real server.
type RealServerConfig struct {
	Name string
	// TCP addresses serve HTTP, UDP addresses echo.
	TCP, UDP []netip.AddrPort

	slow *atomic.Bool // it answers GET / after slowness only
}

// slowness is how long a slow real server takes for an answer.
const slowness = 5 * time.Second

// Signals that make a real server slow, and as fast as before.
const (
	slowDown = syscall.SIGUSR1
	speedUp  = syscall.SIGUSR2
)

// slowBySignal returns a value that follows those signals until the context ends.
func slowBySignal(ctx context.Context) *atomic.Bool {
	slow, signals := new(atomic.Bool), make(chan os.Signal, 2)
	signal.Notify(signals, slowDown, speedUp)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-signals:
				slow.Store(s == slowDown)
			}
		}
	}()
	return slow
}

// Answer is a real server's answer to a request: its own name, and both ends of the connection as
// it sees them.
type Answer struct {
	Name   string         `json:"name"`
	Client netip.AddrPort `json:"client"`
	Server netip.AddrPort `json:"server"`
	// Bytes and SHA256 (hex) describe the body of an upload.
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Payload is the payload of a UDP echo.
	Payload []byte `json:"payload,omitempty"`
}

// ServeReal runs a real server until the context ends. It writes a line to ready once it listens.
func ServeReal(ctx context.Context, c RealServerConfig, ready io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.slow = slowBySignal(ctx)
	failed := make(chan error, len(c.TCP)+len(c.UDP))
	for _, address := range c.TCP {
		if err := c.serveHTTP(ctx, address, failed); err != nil {
			return err
		}
	}
	for _, address := range c.UDP {
		if err := c.serveEcho(ctx, address, failed); err != nil {
			return err
		}
	}
	fmt.Fprintln(ready, servingPhrase)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

func (c RealServerConfig) serveHTTP(
	ctx context.Context, address netip.AddrPort, failed chan<- error,
) error {
	config := net.ListenConfig{Control: bindFreely}
	config.SetMultipathTCP(false)
	listener, err := config.Listen(ctx, "tcp", address.String())
	if err != nil {
		return fmt.Errorf("real server %s: listening on tcp %s: %w", c.Name, address, err)
	}
	server := &http.Server{Handler: c.handler(), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("real server %s: serving tcp %s: %w", c.Name, address, err)
		}
	}()
	return nil
}

// bindFreely lets a socket have an address that the host has by a route alone. For IPv4 the kernel
// allows that anyway.
func bindFreely(network, _ string, c syscall.RawConn) (err error) {
	if !strings.HasSuffix(network, "6") {
		return nil
	}
	failed := c.Control(func(socket uintptr) {
		err = unix.SetsockoptInt(int(socket), unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
	})
	return errors.Join(err, failed)
}

func (c RealServerConfig) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		c.dawdle(r.Context())
		reply(w, c.answer(r))
	})
	mux.HandleFunc("POST /upload", c.upload)
	mux.HandleFunc("GET /download", c.download)
	return mux
}

// dawdle takes the time that a slow real server takes, unless the client goes before.
func (c RealServerConfig) dawdle(client context.Context) {
	if !c.slow.Load() {
		return
	}
	select {
	case <-client.Done():
	case <-time.After(slowness):
	}
}

func (c RealServerConfig) answer(r *http.Request) Answer {
	client, _ := netip.ParseAddrPort(r.RemoteAddr) // net/http formats the address itself
	server, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return Answer{Name: c.Name, Client: client, Server: server.AddrPort()}
}

func reply(w http.ResponseWriter, a Answer) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(a) // the client may have gone away
}

func (c RealServerConfig) upload(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	n, err := io.Copy(sum, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a := c.answer(r)
	a.Bytes, a.SHA256 = n, hex.EncodeToString(sum.Sum(nil))
	reply(w, a)
}

func (c RealServerConfig) download(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.FormValue("bytes"), 10, 64)
	if err != nil || n < 0 {
		http.Error(w, "say how many bytes: /download?bytes=N", http.StatusBadRequest)
		return
	}
	w.Header().Set("Trailer", checksumTrailer)
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, sum), noise(n)); err == nil {
		w.Header().Set(checksumTrailer, hex.EncodeToString(sum.Sum(nil)))
	}
}

// noise returns n pseudo-random bytes. No two transfers are alike, so that a stale byte fails the
// checksum.
func noise(n int64) io.Reader {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	return io.LimitReader(rand.NewChaCha8(seed), n)
}

func (c RealServerConfig) serveEcho(
	ctx context.Context, address netip.AddrPort, failed chan<- error,
) error {
	config := net.ListenConfig{Control: bindFreely}
	socket, err := config.ListenPacket(ctx, "udp", address.String())
	if err != nil {
		return fmt.Errorf("real server %s: listening on udp %s: %w", c.Name, address, err)
	}
	conn := socket.(*net.UDPConn) // as the network says
	context.AfterFunc(ctx, func() { conn.Close() })
	go func() {
		if err := c.echo(conn, address); ctx.Err() == nil {
			failed <- fmt.Errorf("real server %s: echoing on udp %s: %w", c.Name, address, err)
		}
	}()
	return nil
}

// echo answers each datagram with an Answer that holds it. It returns an error only if it cannot
// read. An answer that cannot be sent (no route, ICMP error) concerns only its client.
func (c RealServerConfig) echo(conn *net.UDPConn, address netip.AddrPort) error {
	buffer := make([]byte, 64<<10)
	for {
		n, client, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return err
		}
		text, err := json.Marshal(Answer{Name: c.Name, Client: client, Server: address,
			Payload: buffer[:n]})
		if err == nil {
			conn.WriteToUDPAddrPort(text, client)
		}
	}
}

// startRealServers starts each real server in its namespace.
func (l *Lab) startRealServers(ctx context.Context) error {
	for _, rs := range l.plan.realServers {
		if err := l.startRealServer(ctx, rs); err != nil {
			return err
		}
	}
	return nil
}

// startRealServer starts a real server and waits until it serves.
func (l *Lab) startRealServer(ctx context.Context, rs RealServer) error {
	arguments := l.realServerArguments(rs)
	if h := l.plan.hosts[rs.Name]; h != nil {
		arguments = h.arguments(rs.Name)
	}
	_, err := l.startChild(ctx, rs.Name, servingPhrase, arguments...)
	return err
}

func (l *Lab) realServerArguments(rs RealServer) []string {
	arguments := []string{"lab", "real-server", "--name", rs.Name, "--tcp", rs.Web.String(), "--udp",
		rs.Echo.String()}
	if !l.config.Mode.TwoWay() {
		arguments = append(arguments, "--tcp", l.plan.web.String(), "--udp", l.plan.echo.String())
	}
	return arguments
}
