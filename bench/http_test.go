package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// startHTTP starts a web server on the loopback interface, which ends with the test.
func startHTTP(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended, reader := make(chan error, 1), newLines()
	go func() { ended <- ServeHTTP(ctx, address, reader) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case line := <-reader:
		if !strings.Contains(line, httpServing) {
			t.Fatal(line)
		}
	case err := <-ended:
		t.Fatal(err)
	}
	return address
}

// lines takes what is written to it, line by line.
type lines chan string

func newLines() lines { return make(lines, 8) }

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// TestHTTP: clients get whole answers, each on a connection of its own, and tell when they begin to
// count.
func TestHTTP(t *testing.T) {
	var out bytes.Buffer
	c := HTTPClientConfig{
		Server: startHTTP(t), Connections: 8, Warmup: 10 * time.Millisecond, Duration: 200 * time.Millisecond,
	}
	if err := RunHTTPClients(t.Context(), c, &out); err != nil {
		t.Fatal(err)
	}
	var results []HTTPResult
	for d := json.NewDecoder(&out); ; {
		var r HTTPResult
		if err := d.Decode(&r); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	if len(results) != 2 || results[0].Answered != 0 {
		t.Fatalf("%+v", results)
	}
	r := results[1]
	if r.Answered == 0 || r.Failed != 0 || r.Latency.Packets != r.Answered || r.Seconds <= 0 {
		t.Errorf("%+v", r)
	}
}

// TestHTTPServerAnswers: the server speaks HTTP as others do, and closes after an answer.
func TestHTTPServerAnswers(t *testing.T) {
	conn, err := net.Dial("tcp4", startHTTP(t).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(httpRequest); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(got, httpAnswer) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestHTTPFailures: refused connections, and answers that are not the server's, are failures.
func TestHTTPFailures(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr).AddrPort()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "HTTP/1.1 503 Service Unavailable\r\n\r\n")
			conn.Close()
		}
	}()
	fails := func(what string) {
		h, err := newHTTPClients(HTTPClientConfig{Server: address, Connections: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer h.close()
		r, err := h.ask(t.Context(), 50*time.Millisecond)
		for end := time.Now().Add(10 * time.Second); r.Failed == 0 && err == nil && time.Now().Before(end); {
			r, err = h.ask(t.Context(), 50*time.Millisecond)
		}
		if err != nil || r.Failed == 0 || r.Answered != 0 {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	fails("another answer")
	l.Close()
	fails("nothing listens")
}

// TestCompareRequests: a rate of requests is set against that of the wire on the same driver.
func TestCompareRequests(t *testing.T) {
	k := &book{suite: "http"}
	for _, c := range webCases {
		rate := map[string]uint64{"af_packet": 900, "af_packet, guard": 950, "af_xdp": 1600}[c.name()]
		if c.wire {
			rate = map[string]uint64{"af_packet": 1000, "af_xdp": 2000}[c.driver]
		}
		b := &Bench{config: Config{Log: io.Discard}}
		if err := b.keepRequests(k, c, HTTPResult{Seconds: 1, Answered: rate}, time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if err := b.keepRequests(k, c, HTTPResult{Seconds: 1, Answered: rate, Failed: rate}, 0); err == nil {
			t.Error("as many requests failed as were answered, and it is no error")
		}
	}
	k.compareRequests()
	want := map[string]float64{"af_packet": 0.9, "af_packet, guard": 0.95, "af_xdp": 0.8}
	for _, f := range k.figures {
		if w := want[f.Name]; f.Subject != baselineName && f.Unit == unitRequests && f.Ratio != w ||
			f.Subject == baselineName && f.Ratio != 0 {
			t.Errorf("%+v", f)
		}
	}
}
