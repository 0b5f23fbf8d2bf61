package ipvs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"fulcrum/api"
	"fulcrum/config"
	"fulcrum/control"
	"fulcrum/engine"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// plain is a director with one port and no service.
const plain = `
[director]
workers = 1
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24", "fd00::1/64"]
[session]
max = 2000
max_v6 = 100
[[neighbour]]
address = "10.0.0.9"
mac = "02:00:00:00:00:09"
[[neighbour]]
address = "10.0.0.11"
mac = "02:00:00:00:00:11"
[[mark]]
number = 7
match = ["tcp 10.0.0.107:80", "tcp [fd00::107]:80"]
`

// dns is a service of which sessions can begin.
const dns = `
[[service]]
name = "dns"
address = "10.0.0.100:53"
protocol = "udp"
mode = "nat"
scheduler = "rr"
  [[service.real_server]]
  address = "10.0.0.11:53"
  [[service.real_server]]
  address = "10.0.0.11:54"
  weight = 3
`

// served is a director on a memory port with an IPVS socket.
type served struct {
	*testing.T
	socket  string
	running *control.Running
	engine  *engine.Engine
	port    *memory.Port
	table   *Table
	server  *Server
	log     *memoryLog
}

// serve starts a director and its socket. Its workers do not run before turn.
func serve(t *testing.T, file string) *served {
	return serveWith(t, file, func(*ServerConfig) {})
}

// serveWith is like serve, with other limits.
func serveWith(t *testing.T, file string, limit func(*ServerConfig)) *served {
	t.Helper()
	d := &served{T: t, socket: filepath.Join(t.TempDir(), "i.sock"), log: &memoryLog{}}
	d.running, d.engine, d.port = newDirector(t, file)
	log := slog.New(slog.NewTextHandler(d.log, nil))
	d.table = NewTable(d.running, d.engine, log)
	listener, err := api.Listen(api.Socket{Path: d.socket, Packets: true})
	if err != nil {
		t.Fatal(err)
	}
	sc := ServerConfig{Table: d.table, Listener: listener, Who: api.ActorAt, Log: log}
	limit(&sc)
	if d.server, err = Serve(sc); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.server.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(d.socket); !os.IsNotExist(err) {
			t.Errorf("the socket is left: %v", err)
		}
	})
	return d
}

// newDirector returns a running configuration on a memory port. Its workers do not run.
func newDirector(t testing.TB, file string) (*control.Running, *engine.Engine, *memory.Port) {
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
	running := control.NewRunning(e, c)
	t.Cleanup(func() {
		running.Close()
		if err := errors.Join(e.Close(), port.Close(), pool.Close()); err != nil {
			t.Error(err)
		}
	})
	return running, e, port
}

// memoryLog keeps what is logged.
type memoryLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *memoryLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String returns what was logged.
func (l *memoryLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
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

var (
	portMAC   = [6]byte{2, 0, 0, 0, 0, 1}
	clientMAC = [6]byte{2, 0, 0, 0, 0, 9}
)

// begin sends a UDP datagram from each of n ports of 10.0.0.9, from a first one on, to a VIP, and
// waits until the director has counted them.
func (d *served) begin(first, n int, vip string) {
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
		udp := &layers.UDP{SrcPort: layers.UDPPort(first + i), DstPort: layers.UDPPort(to.Port())}
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
			d.Fatalf("%s: not in time; the log:\n%s", what, d.log)
		}
	}
}

// services returns the running services as a file has them.
func (d *served) services() string {
	return config.RenderServices(d.running.Config().Services)
}

// audited returns who has made the last change, and what.
func (d *served) audited() string {
	all := d.running.Audits()
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1]
	return fmt.Sprint(last.Who.Name, ": ", last.Command, ": ", strings.Join(last.Changes, "; "))
}
