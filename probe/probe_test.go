package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// soon is long for loopback, and short for tests of what never answers.
const soon = 300 * time.Millisecond

// patience is how long checks that get their answer may take on a busy machine.
const patience = 20 * time.Second

func check(t *testing.T, c Check, to string, limit time.Duration) Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return Run(ctx, c, Target{Address: netip.MustParseAddrPort(to)})
}

func wantGood(t *testing.T, c Check, to, saw string) {
	t.Helper()
	if o := check(t, c, to, patience); !o.Good || !strings.Contains(o.Reason, saw) || len(o.Steps) == 0 {
		t.Errorf("%+v: %+v; want good, %q", c, o, saw)
	}
}

// wantBad checks with a short deadline if the reason is that time is up.
func wantBad(t *testing.T, c Check, to, why string) {
	t.Helper()
	limit := patience
	if strings.Contains(why, "time") {
		limit = soon
	}
	if o := check(t, c, to, limit); o.Good || !strings.Contains(o.Reason, why) {
		t.Errorf("%+v: %+v; want bad, %q", c, o, why)
	}
}

// serve runs a server that handles each connection until the test ends, and returns its address.
func serve(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				handle(c)
			}()
		}
	}()
	return l.Addr().String()
}

// closed returns an address at which nobody listens.
func closed(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func hangs(c net.Conn) { io.Copy(io.Discard, c) }

// answers waits for a request and answers it.
func answers(text string, next func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		c.Read(make([]byte, 1000))
		io.WriteString(c, text)
		next(c)
	}
}

func ends(net.Conn) {}

// The simplest check, in both families, and from an address of its own.
func TestTCP(t *testing.T) {
	to := serve(t, hangs)
	wantGood(t, TCP{}, to, "connected")
	wantBad(t, TCP{}, closed(t), "connection refused")
	from := make(chan string, 1)
	to = serve(t, func(c net.Conn) { from <- c.RemoteAddr().String() })
	o := Run(t.Context(), TCP{}, Target{
		Address: netip.MustParseAddrPort(to), Source: netip.MustParseAddr("127.0.0.9"),
	})
	if source := <-from; !o.Good || !strings.HasPrefix(source, "127.0.0.9:") {
		t.Errorf("%+v from %s", o, source)
	}
}

func TestHTTP(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/fault":
			http.Error(w, "no database", http.StatusServiceUnavailable)
		case "/host":
			fmt.Fprint(w, r.Host)
		case "/endless":
			for {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		default:
			fmt.Fprint(w, "all is well")
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()
	secure.Config.ErrorLog = nil
	for _, s := range []*httptest.Server{plain, secure} {
		to, with := s.Listener.Addr().String(), (*TLS)(nil)
		if s == secure {
			with = new(TLS)
		}
		wantGood(t, &HTTP{TLS: with}, to, "status 200")
		wantGood(t, &HTTP{TLS: with, Path: "/x?a=b", Method: "HEAD"}, to, "status 200")
		wantGood(t, &HTTP{TLS: with, Body: regexp.MustCompile("^all")}, to, "status 200")
		wantGood(t, &HTTP{TLS: with, Digest: "4409bb950a3826c313c34b46b429ac84"}, to, "status 200")
		wantGood(t, &HTTP{TLS: with, Path: "/moved", Status: []Range{{200, 399}}}, to, "status 302")
		wantGood(t, &HTTP{TLS: with, Path: "/endless"}, to, "status 200")
		wantGood(t, &HTTP{TLS: with, Path: "/host", Host: "www.example.org",
			Body: regexp.MustCompile(`^www\.example\.org$`)}, to, "status 200")
		wantBad(t, &HTTP{TLS: with, Path: "/fault"}, to, "status 503")
		wantBad(t, &HTTP{TLS: with, Path: "/moved"}, to, "status 302")
		wantBad(t, &HTTP{TLS: with, Body: regexp.MustCompile("ill")}, to, "does not match")
		wantBad(t, &HTTP{TLS: with, Digest: "00"}, to, "digest 4409bb950a3826c313c34b46b429ac84")
		wantBad(t, &HTTP{TLS: with, Path: "/endless", Body: regexp.MustCompile("z")}, to, "does not match")
	}
	wantBad(t, &HTTP{TLS: &TLS{Verify: true}}, secure.Listener.Addr().String(), "TLS: ")
	wantBad(t, &HTTP{TLS: new(TLS)}, plain.Listener.Addr().String(), "TLS: ")
	wantBad(t, &HTTP{}, secure.Listener.Addr().String(), "status 400")
}

// TLS hears the name that is stated, otherwise the host's, otherwise none: never an address. A
// server that wants a name is up with the right one alone.
func TestTLSNames(t *testing.T) {
	names := make(chan string, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "from "+r.Host)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if names <- hello.ServerName; hello.ServerName != "www.example.org" {
			return nil, errors.New("unknown name")
		}
		return nil, nil
	}}
	s.StartTLS()
	defer s.Close()
	for _, tt := range []struct{ stated, host, heard string }{
		{"www.example.org", "", "www.example.org"},
		{"www.example.org", "other.example.org:8443", "www.example.org"},
		{"", "www.example.org", "www.example.org"},
		{"", "www.example.org:8443", "www.example.org"},
		{"", "other.example.org", "other.example.org"},
		{"", "", ""},
	} {
		o := check(t, &HTTP{Host: tt.host, TLS: &TLS{Name: tt.stated}}, s.Listener.Addr().String(), patience)
		if heard := <-names; heard != tt.heard || o.Good != (tt.heard == "www.example.org") {
			t.Errorf("%+v: TLS heard %q, %+v", tt, heard, o)
		}
	}
}

// Checks that fail in TLS leave nothing behind for others: good servers stay good beside them.
func TestTLSChecksAreApart(t *testing.T) {
	good := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer good.Close()
	bad := serve(t, answers("nonsense", ends))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { wantBad(t, &HTTP{TLS: new(TLS)}, bad, "TLS: ") })
		all.Go(func() { wantGood(t, &HTTP{TLS: new(TLS)}, good.Listener.Addr().String(), "status 200") })
	}
	all.Wait()
}

// Servers that accept and then say nothing, or one byte at a time, or nonsense.
func TestHTTPOfBrokenServers(t *testing.T) {
	wantBad(t, &HTTP{}, serve(t, hangs), "time")
	wantBad(t, &HTTP{TLS: new(TLS)}, serve(t, hangs), "time")
	wantBad(t, &HTTP{}, serve(t, answers("", func(c net.Conn) {
		for {
			if _, err := c.Write([]byte("H")); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})), "in time")
	wantBad(t, &HTTP{}, serve(t, answers("", ends)), "request: ")
	wantBad(t, &HTTP{Body: regexp.MustCompile("x")}, serve(t,
		answers("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", ends)), "body: ")
	wantBad(t, &HTTP{Body: regexp.MustCompile("x")}, serve(t,
		answers("HTTP/1.1 200 OK\r\n\r\nnever ends", hangs)), "time")
	wantBad(t, &HTTP{}, serve(t, answers("HTTP/1.1 200 OK\r\n", func(c net.Conn) {
		for {
			if _, err := c.Write([]byte(strings.Repeat("x", 1000) + ": y\r\n")); err != nil {
				return
			}
		}
	})), "request: ")
}

// talk answers each line that begins with a key.
func talk(greeting string, answers map[string]string) func(net.Conn) {
	return func(c net.Conn) {
		fmt.Fprintf(c, "%s\r\n", greeting)
		line := make([]byte, 512)
		for {
			n, err := c.Read(line)
			if err != nil {
				return
			}
			word, _, _ := strings.Cut(strings.TrimSpace(string(line[:n])), " ")
			fmt.Fprintf(c, "%s\r\n", answers[word])
		}
	}
}

func TestSMTP(t *testing.T) {
	good := map[string]string{"HELO": "250 hello", "QUIT": "221 bye"}
	wantGood(t, &SMTP{}, serve(t, talk("220-a\r\n220 mail.example.org", good)), "mail.example.org")
	wantGood(t, &SMTP{Name: "lb"}, serve(t, talk("220 x", good)), "x")
	wantBad(t, &SMTP{}, serve(t, talk("554 no", good)), "greeting: 554 no")
	wantBad(t, &SMTP{}, serve(t, talk("220 x", map[string]string{"HELO": "550 who"})), "HELO fulcrum: 550 who")
	wantBad(t, &SMTP{}, serve(t, talk("220 "+strings.Repeat("x", 1<<20), good)), "too long")
	wantBad(t, &SMTP{}, serve(t, hangs), "time")
}

// datagrams answers each datagram by a function of it; nil is no answer.
func datagrams(t *testing.T, answer func([]byte) []byte) string {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if out := answer(b[:n]); out != nil {
				c.WriteTo(out, from)
			}
		}
	}()
	return c.LocalAddr().String()
}

func TestUDP(t *testing.T) {
	echo := datagrams(t, func(b []byte) []byte { return b })
	silent := datagrams(t, func([]byte) []byte { return nil })
	nobody := closed(t)
	ping := []byte("ping")
	wantGood(t, &UDP{Payload: ping}, echo, "an answer")
	wantGood(t, &UDP{Payload: ping}, silent, "no error")
	wantGood(t, &UDP{Payload: ping, Answer: true, Expect: []byte("pi")}, echo, "4 bytes")
	wantGood(t, &UDP{Payload: ping, Answer: true, Expect: []byte("pa"), Mask: []byte{0xff, 0}}, echo, "4")
	wantBad(t, &UDP{Payload: ping}, nobody, "connection refused")
	wantBad(t, &UDP{Payload: ping, Answer: true}, silent, "time")
	wantBad(t, &UDP{Payload: ping, Answer: true, Expect: []byte("pong")}, echo, "begins with 70696e67")
	wantBad(t, &UDP{Payload: ping, Answer: true, Expect: []byte("pings")}, echo, "begins with")
	wantBad(t, &UDP{Payload: ping, Answer: true, Least: 5}, echo, "4 bytes")
	wantBad(t, &UDP{Payload: ping, Answer: true, Most: 3}, echo, "4 bytes")
}

func TestDNS(t *testing.T) {
	reply := func(code int) string {
		return datagrams(t, func(b []byte) []byte {
			var m dns.Msg
			if m.Unpack(b) != nil {
				return nil
			}
			m.SetRcode(&m, code)
			out, _ := m.Pack()
			return out
		})
	}
	wantGood(t, &DNS{}, reply(dns.RcodeSuccess), "0 records")
	wantGood(t, &DNS{Name: "example.org", Type: "AAAA"}, reply(dns.RcodeSuccess), "0 records")
	wantBad(t, &DNS{}, reply(dns.RcodeServerFailure), "SERVFAIL")
	wantBad(t, &DNS{}, closed(t), "connection refused")
	wantBad(t, &DNS{}, datagrams(t, func([]byte) []byte { return []byte("nonsense") }), "")
	wantBad(t, &DNS{}, datagrams(t, func([]byte) []byte { return nil }), "time")
}

func TestPing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("raw sockets need root")
	}
	wantGood(t, Ping{}, "127.0.0.1:0", "an echo")
	if _, err := net.InterfaceByName("lo"); err == nil && check(t, TCP{}, "[::1]:1", soon).Reason == "connect: connection refused" {
		wantGood(t, Ping{}, "[::1]:0", "an echo")
	}
	wantBad(t, Ping{}, "240.0.0.1:0", "") // a reserved address (RFC 1112), which nobody has
}

func TestExec(t *testing.T) {
	sh := func(script string) *Exec { return &Exec{Command: []string{"/bin/sh", "-c", script}} }
	const to = "10.1.0.11:80"
	wantGood(t, sh(`echo "$SERVER $PORT"`), to, "10.1.0.11 80")
	wantBad(t, sh("echo no disk; exit 1"), to, "exit status 1: no disk")
	wantBad(t, sh("exit 7"), to, "exit status 7")
	wantBad(t, sh("kill -9 $$"), to, "killed")
	wantBad(t, &Exec{Command: []string{"/nonexistent"}}, to, "no such file")
	wantBad(t, sh("sleep 60 & wait"), to, "time")
	dynamic := sh("exit 52")
	dynamic.Dynamic = true
	if o := check(t, dynamic, to, patience); !o.Good || !o.HasWeight || o.Weight != 50 {
		t.Errorf("%+v", o)
	}
	loud := sh("yes | head -c 10000000")
	if o := check(t, loud, to, patience); !o.Good || len(o.Reason) > mostOutput {
		t.Errorf("%+v", o)
	}
	env := sh(`echo "$A-$HOME"`)
	env.Env = []string{"A=b"}
	wantGood(t, env, to, "b-")
}

// A program that was ended leaves no children behind.
func TestExecEndsChildren(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "alive")
	c := &Exec{Command: []string{"/bin/sh", "-c", "(while :; do echo x >" + mark + "; sleep 0.01; done) & sleep 60"}}
	wantBad(t, c, "10.1.0.11:80", "time")
	deadline := time.Now().Add(patience)
	for {
		os.Remove(mark)
		time.Sleep(50 * time.Millisecond) // five of the child's rounds
		if _, err := os.Stat(mark); errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the child is alive")
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	f := &File{path}
	const to = "10.1.0.11:80"
	wantBad(t, f, to, "is not there")
	for text, want := range map[string]Outcome{
		"":       {Good: true, Reason: "the file is there"},
		"\n":     {Good: true, Reason: "the file is there"},
		"12\n":   {Good: true, Reason: "weight 12", Weight: 12, HasWeight: true},
		"0":      {Good: true, Reason: "weight 0", HasWeight: true},
		"-1":     {Reason: path + ` has "-1", not a weight from 0 to 65535`},
		"65536":  {Reason: path + ` has "65536", not a weight from 0 to 65535`},
		"up\x00": {Reason: path + ` has "up\x00", not a weight from 0 to 65535`},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := check(t, f, to, patience)
		got.Steps = nil
		if got.Good != want.Good || got.Reason != want.Reason || got.Weight != want.Weight || got.HasWeight != want.HasWeight {
			t.Errorf("%q: %+v; want %+v", text, got, want)
		}
	}
	wantBad(t, &File{t.TempDir()}, to, "is not a file")
}

// A check that is given up ends at once, whatever the server does.
func TestAbandoned(t *testing.T) {
	to := serve(t, hangs)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan Outcome)
	go func() { done <- Run(ctx, &HTTP{}, Target{Address: netip.MustParseAddrPort(to)}) }()
	cancel()
	select {
	case o := <-done:
		if o.Good {
			t.Errorf("%+v", o)
		}
	case <-time.After(patience):
		t.Fatal("still runs")
	}
}

// TestTargetOnAWay: a socket is bound to the interface that leads to the target, and the request
// names the real server for which the address stands.
func TestTargetOnAWay(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to bind to an interface")
	}
	hosts := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hosts <- r.Host }))
	defer s.Close()
	to := Target{
		Address: netip.MustParseAddrPort(s.Listener.Addr().String()),
		Name:    netip.MustParseAddrPort("10.0.0.11:80"), Device: "lo",
	}
	for _, c := range []Check{TCP{}, Ping{}, &HTTP{}} {
		if o := Run(t.Context(), c, to); !o.Good {
			t.Errorf("%T: %+v", c, o)
		}
	}
	if got := <-hosts; got != "10.0.0.11:80" {
		t.Errorf("asked for %s", got)
	}
	to.Device = "nowhere"
	for _, c := range []Check{TCP{}, Ping{}, &UDP{}} {
		if o := Run(t.Context(), c, to); o.Good || !strings.Contains(o.Reason, "no such device") {
			t.Errorf("%T: %+v", c, o)
		}
	}
}
