package director

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"fulcrum/api"
	"fulcrum/config"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

const file = `
[director]
workers = 1
control = %q
[dpdk]
hugepages = "off"
[metrics]
listen = %q
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
[session]
max = 1000
[[neighbour]]
address = "10.0.0.9"
mac = "02:00:00:00:00:09"
[[neighbour]]
address = "10.0.0.11"
mac = "02:00:00:00:00:11"
[[service]]
name = "dns"
address = "10.0.0.100:53"
protocol = "udp"
mode = "nat"
  [[service.real_server]]
  address = "10.0.0.11:53"
  weight = 1
`

var portMAC = [6]byte{2, 0, 0, 0, 0, 1}

// inMemory is Devices with one port in memory.
type inMemory struct {
	t    *testing.T
	pool *memory.Pool
	port *memory.Port
	wrap func(ports.Port) ports.Port // wraps the port; may be nil
	fail error                       // Open returns it

	opened, closed int // calls
	entered, left  int // calls of EnterThread and LeaveThread
}

func (m *inMemory) Open(_ *config.Config, cpu int) (_ []ports.Port, err error) {
	m.opened++
	if m.fail != nil {
		return nil, m.fail
	}
	if cpu < 0 || cpu >= runtime.NumCPU() {
		m.t.Errorf("CPU %d for other threads", cpu)
	}
	if m.pool, err = memory.NewPool(1024); err != nil {
		return nil, err
	}
	m.port = memory.NewPort(memory.Config{
		Name: "front", MAC: portMAC, MTU: 1500, Pool: m.pool, Queues: 1,
	})
	if m.wrap != nil {
		return []ports.Port{m.wrap(m.port)}, nil
	}
	return []ports.Port{m.port}, nil
}

func (m *inMemory) EnterThread() error { m.entered++; return nil }
func (m *inMemory) LeaveThread()       { m.left++ }

func (m *inMemory) Close() error {
	m.closed++
	if m.pool == nil {
		return nil
	}
	err := m.port.Close()
	if n := m.pool.InUse(); n != 0 {
		m.t.Errorf("%d buffers leaked", n)
	}
	return errors.Join(err, m.pool.Close())
}

// bed is a director on a memory port, with its files, addresses and a client.
type bed struct {
	*testing.T
	*Director
	devices      *inMemory
	file, socket string // paths of the configuration and of the control API
	pages        string // address of the metrics
	client       *api.Client
}

// newBed creates a director that has not started. The test fails if the director leaves anything
// behind.
func newBed(t *testing.T) *bed { return newBedOf(t, "") }

// newBedOf is like newBed, with further keys of the director.
func newBedOf(t *testing.T, keys string) *bed {
	t.Helper()
	folder := t.TempDir()
	b := &bed{
		T: t, devices: &inMemory{t: t}, pages: freeAddress(t),
		file: filepath.Join(folder, "fulcrum.toml"), socket: filepath.Join(folder, "c.sock"),
	}
	b.write(strings.Replace(fmt.Sprintf(file, b.socket, b.pages), "[director]\n", "[director]\n"+keys, 1))
	b.checkNothingLeft()
	b.load()
	b.client = api.NewClient(b.socket)
	return b
}

// load creates the director of the configuration's file.
func (b *bed) load() {
	b.Helper()
	c, err := config.Load(b.file)
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	b.Director, err = New(Config{Config: c, File: b.file, Devices: b.devices, Log: log})
	if err != nil {
		b.Fatal(err)
	}
}

// write writes the configuration's file.
func (b *bed) write(text string) {
	b.Helper()
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// rewrite replaces a text in the configuration's file.
func (b *bed) rewrite(old, changed string) {
	b.Helper()
	text, err := os.ReadFile(b.file)
	if err != nil || !strings.Contains(string(text), old) {
		b.Fatalf("no %q in the file, %v", old, err)
	}
	b.write(strings.Replace(string(text), old, changed, 1))
}

// checkNothingLeft records goroutines, CPUs and GOMAXPROCS, and compares them when the test ends.
func (b *bed) checkNothingLeft() {
	b.Helper()
	routines, procs, cpus := runtime.NumGoroutine(), runtime.GOMAXPROCS(0), affinity(b.T)
	b.Cleanup(func() {
		b.eventually("the end of all goroutines", func() bool {
			return runtime.NumGoroutine() <= routines
		})
		if n := runtime.GOMAXPROCS(0); n != procs {
			b.Errorf("Go runs %d threads, had %d", n, procs)
		}
		if now := affinity(b.T); now != cpus {
			b.Errorf("the process may run on %v, before on %v", now, cpus)
		}
		if _, err := os.Lstat(b.socket); !os.IsNotExist(err) {
			b.Errorf("the socket is left: %v", err)
		}
		if b.devices.opened != b.devices.closed {
			b.Errorf("devices were opened %d times, closed %d times", b.devices.opened, b.devices.closed)
		}
		if b.devices.entered != b.devices.left {
			b.Errorf("%d threads entered, %d left", b.devices.entered, b.devices.left)
		}
		if conn, err := net.Dial("tcp", b.pages); err == nil {
			conn.Close()
			b.Errorf("the director still listens at %s", b.pages)
		}
	})
}

func affinity(t *testing.T) (cpus unix.CPUSet) {
	t.Helper()
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		t.Fatal(err)
	}
	return cpus
}

// start starts the director and stops it when the test ends, unless the test has stopped it.
func (b *bed) start() *bed {
	b.Helper()
	if err := b.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(b.stop)
	return b
}

func (b *bed) stop() {
	b.Helper()
	if err := b.Stop(); err != nil {
		b.Error(err)
	}
}

// send sends a datagram of a client to the VIP and returns the forwarded packet.
func (b *bed) send(clientPort uint16) (sent gopacket.Packet) {
	b.Helper()
	client := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	ethernet := &layers.Ethernet{
		SrcMAC: client, DstMAC: portMAC[:], EthernetType: layers.EthernetTypeIPv4,
	}
	ip := &layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
		SrcIP: net.IPv4(10, 0, 0, 9), DstIP: net.IPv4(10, 0, 0, 100),
	}
	udp := &layers.UDP{SrcPort: layers.UDPPort(clientPort), DstPort: 53}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		b.Fatal(err)
	}
	frame := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	err := gopacket.SerializeLayers(frame, options, ethernet, ip, udp, gopacket.Payload("hello"))
	if err != nil {
		b.Fatal(err)
	}
	if !b.devices.port.Receive(frame.Bytes()) {
		b.Fatal("no buffer for a frame")
	}
	b.eventually("the datagram", func() bool {
		for _, f := range b.devices.port.Collect(0) {
			p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default)
			if u, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP); ok && u.SrcPort == udp.SrcPort {
				sent = p
			}
		}
		return sent != nil
	})
	return sent
}

// eventually waits until holds returns true, and fails the test after 20 s.
func (b *bed) eventually(what string, holds func() bool) {
	b.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			b.Fatalf("%s: not in time\n%s", what, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// freeAddress returns a loopback address with a free port.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
