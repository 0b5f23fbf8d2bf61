package api

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fulcrum/control"
)

// silence connects n clients that say nothing, and returns them.
func silence(t *testing.T, network, address string, n int) []net.Conn {
	t.Helper()
	all := make([]net.Conn, n)
	for i := range all {
		conn, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		all[i] = conn
	}
	return all
}

// patient are limits whose times never matter in a test: what happens comes from the places.
var patient = Limits{
	ReadHeader: time.Hour, Read: time.Hour, Write: time.Hour, Idle: time.Hour,
	Connections: 8, ConnectionsOfSource: 6, Strangers: 16, StrangersOfSource: 8,
}

// asked sends a request on a connection and returns the response.
func asked(t *testing.T, conn net.Conn) string {
	t.Helper()
	_, err := io.WriteString(conn, request)
	if err := errors.Join(err, conn.SetDeadline(time.Now().Add(20*time.Second))); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer[:n])
}

func expectOK(t *testing.T, conn net.Conn) {
	t.Helper()
	if got := asked(t, conn); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Fatal(got)
	}
}

// from connects from an address of loopback.
func from(t *testing.T, source string, l net.Listener) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(source), 0))}
	conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ends waits until the server closes a connection.
func ends(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection goes on: %v", err)
	}
}

// TestSilentClientsGiveWay checks that hundreds of clients that say nothing keep no other from the
// server: not from TCP, from TLS, or from a unix socket.
func TestSilentClientsGiveWay(t *testing.T) {
	l := listen(t)
	s := serveReader(l, patient)
	silent := silence(t, "tcp", l.Addr().String(), 100)
	for range 3 {
		expectOK(t, silence(t, "tcp", l.Addr().String(), 1)[0])
	}
	ends(t, silent[0])
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSilentClientsOfDirector checks the same of a director's own servers, with their own limits.
func TestSilentClientsOfDirector(t *testing.T) {
	d := serve(t, apiFile)
	c, trusted := remote(t)
	serveRemote(t, d, c)
	at := netip.MustParseAddrPort("127.0.0.1:" + freePort(t))
	m := control.NewMetrics(d.running.Config(), d.engine.Report)
	metrics, err := ServeMetrics(at, m, Checks{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	silence(t, "unix", d.socket, 600)
	silence(t, "tcp", c.Listen.String(), 600)
	silence(t, "tcp", at.String(), 600)
	if err := d.client.Do(t.Context(), http.MethodGet, "status", nil, nil); err != nil {
		t.Error(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	defer transport.CloseIdleConnections()
	admin := &Client{base: "https://" + c.Listen.String(), token: token, http: &http.Client{Transport: transport}}
	if err := admin.Do(t.Context(), http.MethodGet, "status", nil, nil); err != nil {
		t.Error(err)
	}
	response, err := http.Get("http://" + at.String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%v, %s", err, response.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := errors.Join(response.Body.Close(), metrics.Close()); err != nil {
		t.Error(err)
	}
}

// TestKnownClientsKeepTheirPlaces checks that strangers take no place of a known client, nor of a
// stranger from an address that has few connections.
func TestKnownClientsKeepTheirPlaces(t *testing.T) {
	l := listen(t)
	s := serveReader(l, patient)
	known := from(t, "127.0.0.1", l)
	expectOK(t, known)
	slow := from(t, "127.0.0.2", l)
	silent := silence(t, "tcp", l.Addr().String(), 100)
	for i := range 30 {
		silent = append(silent, from(t, fmt.Sprint("127.0.0.", 3+i%6), l))
	}
	ends(t, silent[len(silent)-100])
	expectOK(t, known)
	expectOK(t, slow)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestKnownClientsAreBounded checks that a known client without a request gives way to one with a
// request, and that requests beyond the places are refused with a time to try again.
func TestKnownClientsAreBounded(t *testing.T) {
	for name, limits := range map[string]Limits{
		"in all":   {Connections: 2, ConnectionsOfSource: 2},
		"a source": {Connections: 9, ConnectionsOfSource: 2},
	} {
		t.Run(name, func(t *testing.T) {
			l, entered, release := listen(t), make(chan bool, 9), make(chan bool)
			s := Serve(ServerConfig{
				Name: "test", Listener: l, Log: slog.New(slog.DiscardHandler), Limits: limits,
				Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					entered <- true
					<-release
				}),
			})
			idle := dial(t, l, request)
			release <- <-entered
			_, _ = idle.Read(make([]byte, 4096))
			enter(t, l, entered)
			enter(t, l, entered)
			ends(t, idle)
			got := asked(t, silence(t, "tcp", l.Addr().String(), 1)[0])
			if !strings.HasPrefix(got, "HTTP/1.1 503") || !strings.Contains(got, "Retry-After: 1") ||
				!strings.Contains(got, "nothing was done; try again") {
				t.Error(got)
			}
			close(release)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// enter connects a client whose request reaches the handler. It repeats a request that is refused:
// the server learns a little after the client that another one is answered.
func enter(t *testing.T, l net.Listener, entered chan bool) net.Conn {
	t.Helper()
	for {
		conn, refused := dial(t, l, request), make(chan bool, 1)
		go func() {
			answer := make([]byte, 12)
			_, _ = io.ReadFull(conn, answer)
			if string(answer) == "HTTP/1.1 503" {
				refused <- true
			}
		}()
		select {
		case <-entered:
			return conn
		case <-refused:
		case <-time.After(20 * time.Second):
			t.Fatal("no place")
		}
	}
}

// TestHalfBodiesGiveWay checks that clients that send half of their body's bytes are strangers.
func TestHalfBodiesGiveWay(t *testing.T) {
	l := listen(t)
	s := serveReader(l, patient)
	half := dial(t, l, "POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\nhalf")
	for range 40 {
		dial(t, l, "POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 9\r\n\r\nhalf")
	}
	ends(t, half)
	whole := dial(t, l, "POST / HTTP/1.1\r\nHost: d\r\nContent-Length: 4\r\n\r\nbody")
	if n, err := whole.Read(make([]byte, 12)); err != nil || n != 12 {
		t.Error(n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestWrongTokenKeepsNoPlace checks that the server ends the connection after a wrong token.
func TestWrongTokenKeepsNoPlace(t *testing.T) {
	l := listen(t)
	c, _ := remote(t)
	held, err := readTokens(c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(ServerConfig{
		Name: "test", Listener: l, Log: slog.New(slog.DiscardHandler), Limits: patient,
		Handler: authorized(held, reader), Proves: true,
	})
	got, err := io.ReadAll(dial(t, l, request))
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 401") {
		t.Errorf("%s, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSources checks whom connections count for.
func TestSources(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8::1": "2001:db8::/64", "2001:db8::2": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
	} {
		at := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1))
		if got := sourceOf(remoteOf{at: at}); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	silence(t, "unix", l.Addr().String(), 1)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := sourceOf(conn); got != fmt.Sprint("user ", os.Getuid()) {
		t.Error(got)
	}
}

// remoteOf is a connection that has an address alone.
type remoteOf struct {
	net.Conn
	at net.Addr
}

func (r remoteOf) RemoteAddr() net.Addr { return r.at }
