package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/ports"
	"fulcrum/ports/memory"

	"fulcrum/control"
)

// served is a director on a memory port, with its control API on a socket.
type served struct {
	*testing.T
	client  *Client
	socket  string
	running *control.Running
	engine  *engine.Engine
	port    *memory.Port

	server   *Server
	handler  http.Handler // of the API
	handling atomic.Int64 // requests in the handler
}

// serve starts the control API of a director. The file has one port. The workers do not run.
func serve(t *testing.T, file string) *served { return serveLogging(t, file, nil) }

// serveLogging is like serve, and gives the running configuration a log.
func serveLogging(t *testing.T, file string, log *slog.Logger) *served {
	t.Helper()
	c, err := config.Parse("test.toml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := memory.NewPool(4096)
	if err != nil {
		t.Fatal(err)
	}
	port := memory.NewPort(memory.Config{
		Name: "front", MAC: portMAC, MTU: 1500, Pool: pool, Queues: 1,
	})
	ec := control.EngineConfig(c)
	ec.Ports = []ports.Port{port}
	e, err := engine.New(ec, control.EngineSettings(c))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s", "c.sock")
	running := control.NewRunning(e, c)
	running.Log = log
	d := &served{T: t, client: NewClient(path), socket: path, running: running, engine: e, port: port}
	d.handler = NewHandler(running, e, control.NewMetrics(c, e.Report), nil)
	handler := d.documenting(d.handler)
	s, err := ServeSocket(Socket{Path: path}, d.counting(handler), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.server = s
	t.Cleanup(func() {
		running.Close()
		if err := errors.Join(s.Close(), e.Close(), port.Close(), pool.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// counting counts the requests that a handler is done with.
func (d *served) counting(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.handling.Add(1)
		defer d.handling.Add(-1)
		handler.ServeHTTP(w, r)
	})
}

// turn runs the director's workers until the test ends.
func (d *served) turn() {
	d.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan bool), make(chan error, 1)
	go func() { done <- d.engine.Run(ctx, func() { close(ready) }) }()
	d.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			d.Error(err)
		}
	})
	<-ready
}

// documenting checks that every response has a status that the API's description names for its
// operation.
func (d *served) documenting(handler http.Handler) http.Handler {
	described := descriptionOf(d.T, handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusOf{ResponseWriter: w, status: http.StatusOK}
		handler.ServeHTTP(seen, r)
		if !described.documents(r.Pattern, seen.status) {
			d.Errorf("%s is answered with %d, which its description does not name", r.Pattern, seen.status)
		}
	})
}

// statusOf notes the status of a response.
type statusOf struct {
	http.ResponseWriter
	status int
}

func (s *statusOf) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController find what the response can do.
func (s *statusOf) Unwrap() http.ResponseWriter { return s.ResponseWriter }

var (
	portMAC   = [6]byte{2, 0, 0, 0, 0, 1}
	clientMAC = [6]byte{2, 0, 0, 0, 0, 9}
)

// begin sends a UDP datagram of each of n clients to a VIP and waits until all have a session. The
// clients are 10.0.0.9 with the ports from 1000 on.
func (d *served) begin(n int, vip string) {
	d.Helper()
	before := d.engine.Report().Received
	to := netip.MustParseAddrPort(vip)
	for i := range n {
		ethernet := &layers.Ethernet{
			SrcMAC: clientMAC[:], DstMAC: portMAC[:], EthernetType: layers.EthernetTypeIPv4,
		}
		ip := &layers.IPv4{
			Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
			SrcIP: net.IPv4(10, 0, 0, 9), DstIP: to.Addr().AsSlice(),
		}
		udp := &layers.UDP{SrcPort: layers.UDPPort(1000 + i), DstPort: layers.UDPPort(to.Port())}
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			d.Fatal(err)
		}
		b := gopacket.NewSerializeBuffer()
		options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		err := gopacket.SerializeLayers(b, options, ethernet, ip, udp, gopacket.Payload("hello"))
		if err != nil {
			d.Fatal(err)
		}
		if !d.port.Receive(b.Bytes()) {
			d.Fatal("no buffer for a frame")
		}
	}
	d.eventually("sessions", func() bool {
		d.port.Collect(0)
		return d.engine.Report().Received >= before+uint64(n)
	})
}

// eventually waits until holds returns true, and fails the test after 20 s.
func (d *served) eventually(what string, holds func() bool) {
	d.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.Fatalf("%s: not in time", what)
		}
	}
}
