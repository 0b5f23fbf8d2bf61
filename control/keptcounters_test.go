package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	dto "github.com/prometheus/client_model/go"

	"fulcrum/config"
	"fulcrum/engine"
	"fulcrum/ports"
	"fulcrum/ports/memory"
)

// beginAnew are the counters that do not go on after a restart; docs/restart.md says why.
var beginAnew = map[string]bool{
	"fulcrum_port_missed_packets_total":           true,
	"fulcrum_port_no_buffer_packets_total":        true,
	"fulcrum_port_receive_errors_total":           true,
	"fulcrum_port_transmit_errors_total":          true,
	"fulcrum_guard_hidden_packets_total":          true,
	"fulcrum_host_interface_frames_total":         true,
	"fulcrum_host_interface_bytes_total":          true,
	"fulcrum_host_interface_dropped_frames_total": true,
	"fulcrum_health_checks_total":                 true,
	"fulcrum_health_doubts_total":                 true,
	"fulcrum_passive_ejections_total":             true,
	"fulcrum_passive_doubts_total":                true,
}

const keepingFile = `
[director]
workers = 1
[[port]]
name = "front"
device = "net_null0"
addresses = ["10.0.0.1/24"]
[session]
max = 1000
keep = %q
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
persistence = "5m"
  [[service.real_server]]
  address = "10.0.0.11:53"
`

// process is a director on a memory port.
type process struct {
	*testing.T
	*Running
	port    *memory.Port
	metrics *Metrics
	end     func()
}

// newProcess starts a director that keeps its sessions in a folder.
func newProcess(t *testing.T, folder string) *process {
	t.Helper()
	c, err := config.Parse("test.toml", fmt.Appendf(nil, keepingFile, folder))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := memory.NewPool(1024)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{T: t, port: memory.NewPort(memory.Config{
		Name: "front", MAC: [6]byte{2, 0, 0, 0, 0, 1}, MTU: 1500, Pool: pool, Queues: 1,
	})}
	ec := EngineConfig(c)
	ec.Ports = []ports.Port{p.port}
	e, err := engine.New(ec, EngineSettings(c))
	if err != nil {
		t.Fatal(err)
	}
	p.Running = NewRunning(e, c)
	p.metrics = NewMetrics(c, e.Report)
	p.metrics.Running = p.Running
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan bool), make(chan error, 1)
	go func() { done <- e.Run(ctx, func() { close(ready) }) }()
	<-ready
	p.end = func() {
		cancel()
		err := <-done
		p.Running.Close()
		if err := errors.Join(err, e.Close(), p.port.Close(), pool.Close()); err != nil {
			t.Error(err)
		}
	}
	return p
}

// ask has clients send a datagram each to a port of the VIP, and waits until they are counted.
func (p *process) ask(port uint16, clients int) {
	p.Helper()
	before := p.Report().Received
	for i := range clients {
		ethernet := &layers.Ethernet{
			SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 9}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1},
			EthernetType: layers.EthernetTypeIPv4,
		}
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
			SrcIP: net.IPv4(10, 0, 0, 9), DstIP: net.IPv4(10, 0, 0, 100)}
		udp := &layers.UDP{SrcPort: layers.UDPPort(5000 + i), DstPort: layers.UDPPort(port)}
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			p.Fatal(err)
		}
		b := gopacket.NewSerializeBuffer()
		err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
			ethernet, ip, udp, gopacket.Payload("hello"))
		if err != nil || !p.port.Receive(b.Bytes()) {
			p.Fatal("no frame", err)
		}
	}
	for end := time.Now().Add(20 * time.Second); p.Report().Received < before+uint64(clients); {
		if p.port.Collect(0); time.Now().After(end) {
			p.Fatal("the datagrams are not received in time")
		}
		time.Sleep(time.Millisecond)
	}
}

// values returns what a metric shows: all values of a histogram.
func values(m *dto.Metric) (all []float64) {
	if h := m.GetHistogram(); h != nil {
		for _, b := range h.Bucket {
			all = append(all, float64(b.GetCumulativeCount()))
		}
		return append(all, float64(h.GetSampleCount()), h.GetSampleSum())
	}
	return []float64{m.GetCounter().GetValue()}
}

// notBelow expects no counter below what an earlier scrape has shown.
func notBelow(t *testing.T, now, before map[string]*dto.MetricFamily) {
	t.Helper()
	for name, was := range before {
		if kind := was.GetType(); kind != counter && kind != histogram || beginAnew[name] {
			continue
		}
		is := now[name].GetMetric()
		if len(is) != len(was.Metric) {
			t.Errorf("%s has %d series, had %d", name, len(is), len(was.Metric))
			continue
		}
		for i, m := range was.Metric {
			for j, v := range values(m) {
				if is[i].String() == "" || values(is[i])[j] < v {
					t.Errorf("%s: %v, was %v", name, is[i], m)
				}
			}
		}
	}
}

// TestMetricsNeverGoBack: a scrape after a restart shows no counter below the scrape before it, but
// those that the page says begin anew.
func TestMetricsNeverGoBack(t *testing.T) {
	folder := t.TempDir()
	var before map[string]*dto.MetricFamily
	for round := range 3 {
		p := newProcess(t, folder)
		now := scrape(t, p.metrics)
		notBelow(t, now, before)
		if got := value(t, now["fulcrum_service_connections_total"], "dns"); got != float64(round*5) {
			t.Errorf("round %d: %v connections", round, got)
		}
		p.ask(53, round*5+5)
		p.ask(54, 2)
		before = scrape(t, p.metrics)
		notBelow(t, before, now)
		p.end()
	}
	if got := value(t, before["fulcrum_kept_sessions_total"], "kept"); got != 15 {
		t.Errorf("%v sessions kept, want 5 and then 10", got)
	}
}

// TestCountersThatBeginAnew: the page has all of them.
func TestCountersThatBeginAnew(t *testing.T) {
	page, err := os.ReadFile("../docs/restart.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range families {
		if beginAnew[f.name] {
			found++
		}
		if shown := strings.Contains(string(page), "`"+f.name+"`"); beginAnew[f.name] && !shown {
			t.Errorf("docs/restart.md lacks %s", f.name)
		}
	}
	if found != len(beginAnew) {
		t.Errorf("%d of %d are metrics", found, len(beginAnew))
	}
}

// TestZeroOutlivesTheProcess: displays that were set to zero go on from there.
func TestZeroOutlivesTheProcess(t *testing.T) {
	folder := t.TempDir()
	p := newProcess(t, folder)
	p.ask(53, 5)
	if err := p.Zero("dns"); err != nil {
		t.Fatal(err)
	}
	p.ask(53, 7)
	for _, more := range []int{0, 3} {
		s := p.Services()[0]
		if got := s.Connections; got != 2 || s.RealServers[0].Connections != 2 || s.InPackets != uint64(7+more) {
			t.Errorf("displayed: %+v", s.Traffic)
		}
		p.end()
		p = newProcess(t, folder)
		p.ask(53, 3)
	}
	p.end()
}
